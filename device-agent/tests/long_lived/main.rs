//! Devices that live for years: keys that change while they are away, clocks that are wrong,
//! storage that is copied back or was written by an older agent, certificates that are renewed.
#![allow(clippy::unwrap_used)]

mod certificate;
mod clock;
mod counter;
mod forged;
mod full;
mod records;
mod rollover;
#[path = "../support/mod.rs"]
mod support;

/// CRC-32 as the records have it (IEEE 802.3, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// A record with a good checksum, whatever is in it.
fn sealed(mut record: Vec<u8>) -> Vec<u8> {
    record.extend(crc32(&record).to_le_bytes());
    record
}
