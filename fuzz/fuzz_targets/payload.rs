//! Payloads in a good envelope, whose lengths a mutation would break. The first byte is the type.
#![no_main]

use fleetgrant_fuzz::reading;
use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::id::{CertificateThumbprint, KeyId};
use fleetgrant_schemas::topic::MessageType;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, payload)) = bytes.split_first() else {
        return;
    };
    let all = MessageType::ALL;
    let message = all[usize::from(*kind) % all.len()];
    let signer = if message.is_up() {
        Signer::Thumbprint(CertificateThumbprint([7; 32]))
    } else {
        Signer::Key(KeyId([7; 8]))
    };
    let mut buffer = [0; 8_192];
    if let Ok(draft) = Draft::of_payload(&mut buffer, message, &signer, payload) {
        reading::compare(draft.finish(&[7; 64]));
    }
});
