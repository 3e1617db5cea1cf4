//! The grant that a device has stored: it is verified again at a start, and given out whole.
#![allow(clippy::unwrap_used)]

mod support;

use fleetgrant_agent::{Event, Instant, Record, StorageError};
use fleetgrant_schemas::entitlement::Entitlement;
use support::*;

const NOW: Instant = Instant(1_000);

#[test]
fn a_stored_grant_is_verified_again_at_a_start() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    install(&mut agent, 5, &[right(1, "bandwidth")], Instant(0));
    drop(agent);
    // Someone writes a set with a checksum that fits, but cannot sign it.
    let mut record = flash.bytes(Record::Set).unwrap();
    let place = record
        .windows(9)
        .position(|part| part == b"bandwidth")
        .unwrap();
    record[place..place + 6].copy_from_slice(b"decode");
    let body = record.len() - 4;
    let crc = crc32(&record[..body]);
    record[body..].copy_from_slice(&crc.to_le_bytes());
    flash.put(Record::Set, record);
    let mut agent = start(&profile, &flash, 2);
    assert_eq!(agent.held(), None);
    assert!(!agent.is_on("decode", NOW).is_on());
    let reason = fleetgrant_agent::StorageError::Damaged;
    let record = Record::Set;
    assert_eq!(events(&mut agent), [Event::Storage { record, reason }]);
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[test]
fn the_stored_grant_is_given_out_whole_and_only_while_it_is_the_set_in_force() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = start(&profile, &flash, 1);
    let mut scratch = vec![0; 4_096];
    assert_eq!(agent.stored_grant(&mut scratch), Ok(None));
    let rights = [Entitlement {
        vendor_data: Some(b"for the maker"),
        ..right(1, "bandwidth")
    }];
    install(&mut agent, 5, &rights, Instant(0));
    let mut agent = start(&profile, &flash, 2);
    let stored = agent.stored_grant(&mut scratch).unwrap().unwrap();
    assert!(stored.entitlements.iter().eq(rights));
    let short = agent.stored_grant(&mut scratch[..64]);
    assert_eq!(short, Err(StorageError::Full));

    let older = flash.bytes(Record::Set).unwrap();
    install(&mut agent, 6, &rights, Instant(0));
    let newer = flash.bytes(Record::Set).unwrap();
    flash.put(Record::Set, older);
    let other = agent.stored_grant(&mut scratch);
    assert_eq!(other, Err(StorageError::Damaged), "not the set in force");
    let mut forged = newer.clone();
    let last = forged.len() - 20;
    forged[last] ^= 1;
    flash.put(Record::Set, forged);
    assert_eq!(agent.stored_grant(&mut scratch), Err(StorageError::Damaged));
    flash.put(Record::Set, newer);
    assert!(agent.stored_grant(&mut scratch).is_ok());
}
