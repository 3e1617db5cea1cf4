//! What a device's chain and a CRL bring to the gateway, before any signature in them is believed.
//! The first byte says what it is, the next four the time.
#![no_main]

use std::sync::LazyLock;

use fleetgrant_core::domain::Timestamp;
use fleetgrant_fuzz::identity::{Vectors, crl, leaf};

static VECTORS: LazyLock<Vectors> = LazyLock::new(Vectors::default);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(([what, a, b, c, d], der)) = bytes.split_first_chunk() else {
        return;
    };
    let now = Timestamp::from_seconds(u32::from_be_bytes([*a, *b, *c, *d]).into());
    match what % 3 {
        0 => leaf(der, now),
        1 => crl(der, now),
        _ => {
            // length (2), DER
            let (mut chain, mut rest) = (Vec::new(), der);
            while let Some(([high, low], tail)) = rest.split_first_chunk() {
                let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
                let (der, next) = tail.split_at(len);
                chain.push(der);
                rest = next;
            }
            VECTORS.chain(&chain, now);
        }
    }
});
