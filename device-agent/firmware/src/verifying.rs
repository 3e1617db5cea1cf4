//! A device that only checks what others hand to it: a grant's envelope, signature and contents. Whoever
//! checks the signature is handed in.

use core::hint::black_box;

use fleetgrant_schemas::envelope::{Envelope, SigStructure, Signature, Signer};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::keys::PublicKey;

/// What a program ends with that can panic. It is in no other one: `tests/checks/firmware.sh` looks
/// for it in the finished programs.
pub const PANIC_MARK: &str = "this program can panic";

/// The end of a panic.
pub fn panicked() -> ! {
    loop {
        black_box(PANIC_MARK);
    }
}

/// The features in force at some time by a grant to this device.
#[inline(always)]
pub fn features_in_force(
    is_good: impl FnOnce(&PublicKey, &SigStructure<'_>, &Signature) -> bool,
) -> Option<u32> {
    // Whence they come is not part of it.
    let authority: PublicKey = black_box(None)?;
    let (device, now) = black_box(("scope-4711", 1_767_225_600));
    let envelope = Envelope::parse(black_box(&[])).ok()?;
    if envelope.signer() != Signer::Key(authority.thumbprint().key_id()) {
        return None;
    }
    let verified = envelope.verify(|message, signature| is_good(&authority, message, signature));
    let grant: Grant<'_> = verified.ok()?.read().ok()?;
    if grant.device.as_str() != device || grant.install_until <= now {
        return None;
    }
    let entitlements = grant.entitlements.iter();
    let in_force = entitlements.filter(|right| right.end.is_none_or(|end| now < end));
    Some(in_force.fold(0, |features, right| features ^ right.feature.len() as u32))
}
