//! A device starts with whatever is in its storage: damaged, of another version, or forged with a
//! good checksum, which the first byte of each record asks for.
#![no_main]

use fleetgrant_agent::{Instant, Record};
use fleetgrant_fuzz::device::{FEATURES, Records, Vectors, profile, start};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let vectors = Vectors::get();
    let keys = vectors.authority_keys();
    let profile = profile(vectors, &keys);
    let records = Records::default();
    let mut rest = bytes;
    for record in Record::ALL {
        // with a good checksum? (1), length (2), body
        let Some(([sealed, high, low], body)) = rest.split_first_chunk() else {
            break;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(body.len());
        let (body, next) = body.split_at(len);
        rest = next;
        let mut stored = body.to_vec();
        if sealed & 1 == 1 {
            stored.extend(crc32(body).to_le_bytes());
        }
        records.put(*record, stored);
    }
    let Some(mut agent) = start(&profile, vectors, &records, 0) else {
        return;
    };
    let mut buffer = [0; 12_000];
    for feature in FEATURES {
        let _ = agent.is_on(feature, Instant(0));
        let _ = agent.use_one(feature, Instant(1));
    }
    agent.handle_timeout(Instant(2));
    while agent.poll_transmit(&mut buffer).is_some() {}
    while agent.poll_event().is_some() {}
    // What it has written by now it can read.
    assert!(start(&profile, vectors, &records, 0).is_some());
});

/// As `frame.rs` has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
