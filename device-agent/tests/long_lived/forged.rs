//! Whoever can write to the storage, and has not the device's key.

use fleetgrant_agent::{Event, Instant, Record, Refusal, StorageError};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use crate::sealed;
use crate::support::*;

const NOW: Instant = Instant(0);
const NEW_SEED: u8 = 21;
/// A key that the attacker has.
const EVIL_SEED: u8 = 66;

/// A device with a key set and a right.
fn device(flash: &Flash) {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, flash, 1);
    install(&mut agent, 1, &[right(1, "bandwidth")], NOW);
    let keys = [authority_key(AUTHORITY_SEED, 1), authority_key(NEW_SEED, 1)];
    let set = signed(ROOT_SEED, &key_set(1, &keys));
    take(&mut agent, &set, MessageType::Keys, NOW).unwrap();
}

/// Puts one key's id and coordinates for another's, wherever they stand.
fn exchange(record: &[u8], from: u8, to: u8) -> Vec<u8> {
    let parts = |seed| {
        let key = key(seed).public_key();
        [&key.thumbprint().key_id().0[..], &key.x, &key.y].concat()
    };
    let (from, to) = (parts(from), parts(to));
    let mut record = record.to_vec();
    let place = record.windows(from.len()).position(|bytes| bytes == from);
    let place = place.expect("the key stands in the record");
    record[place..place + to.len()].copy_from_slice(&to);
    record
}

#[test]
fn a_key_that_was_written_into_the_storage_is_not_trusted() {
    let flash = Flash::default();
    device(&flash);
    let record = flash.bytes(Record::Keys).unwrap();
    let body = exchange(&record[..record.len() - 4], NEW_SEED, EVIL_SEED);
    flash.put(Record::Keys, sealed(body));

    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &flash, 2);
    let told = Event::Storage {
        record: Record::Keys,
        reason: StorageError::Damaged,
    };
    assert!(events(&mut agent).contains(&told));
    let nonce = nonce_of(&requested(&mut agent, NOW));
    let forged = signed(EVIL_SEED, &grant(2, Some(nonce)));
    let took = take(&mut agent, &forged, MessageType::Grant, NOW).map(drop);
    assert_eq!(took, Err(Refusal::UnknownKey));
    // The keys of its firmware are good still, and the key set comes again.
    let keys = [authority_key(AUTHORITY_SEED, 1), authority_key(NEW_SEED, 1)];
    let set = signed(ROOT_SEED, &key_set(1, &keys));
    take(&mut agent, &set, MessageType::Keys, NOW).unwrap();
}

#[test]
fn a_set_and_the_key_that_vouches_for_it_cannot_be_written_together() {
    let flash = Flash::default();
    device(&flash);
    let keys = flash.bytes(Record::Keys).unwrap();
    let body = exchange(&keys[..keys.len() - 4], AUTHORITY_SEED, EVIL_SEED);
    flash.put(Record::Keys, sealed(body));
    let rights = [right(1, "bandwidth"), right(2, "decode")];
    let rich = Grant {
        entitlements: Seq::new(&rights),
        ..grant(2, None)
    };
    // format, two floors, no removals, the grant
    let head = [&[1][..], &[0; 16], &[0]].concat();
    let set = [head, signed(EVIL_SEED, &rich)].concat();
    flash.put(Record::Set, sealed(set));

    let factory = Factory::new();
    let profile = factory.profile();
    let agent = start(&profile, &flash, 2);
    assert!(!agent.is_on("decode", NOW).is_on());
    assert_eq!(agent.held(), None);
}

#[test]
fn a_key_record_of_another_device_is_of_no_use() {
    // The same fleet: the same key set, sealed by another device's key.
    let flash = Flash::default();
    device(&flash);
    let mut record = flash.bytes(Record::Keys).unwrap();
    let seal = record.len() - 4 - 64..record.len() - 4;
    let other = key(8);
    let message = Grant { ..grant(1, None) };
    let signature = &signed(8, &message);
    assert_eq!(other.public_key(), key(8).public_key());
    record[seal].copy_from_slice(&signature[signature.len() - 64..]);
    record.truncate(record.len() - 4);
    flash.put(Record::Keys, sealed(record));
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &flash, 2);
    let told = Event::Storage {
        record: Record::Keys,
        reason: StorageError::Damaged,
    };
    assert!(events(&mut agent).contains(&told));
}

#[test]
fn a_root_that_was_retired_stays_so_however_the_record_is_changed() {
    let flash = Flash::default();
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &flash, 1);
    let keys = [authority_key(NEW_SEED, 1)];
    let retired = [key(ROOT_SEED).public_key().thumbprint().key_id()];
    let set = fleetgrant_schemas::keys::KeySet {
        retired_roots: Seq::new(&retired),
        ..key_set(1, &keys)
    };
    let set = signed(OTHER_ROOT_SEED, &set);
    take(&mut agent, &set, MessageType::Keys, NOW).unwrap();
    drop(agent);
    let mut record = flash.bytes(Record::Keys).unwrap();
    record.truncate(record.len() - 4);
    // format, generation (4), retired roots as bits
    assert_eq!(record[5], 1);
    record[5] = 0;
    flash.put(Record::Keys, sealed(record));
    let mut agent = start(&profile, &flash, 2);
    let told = events(&mut agent);
    assert!(
        told.iter()
            .any(|event| matches!(event, Event::Storage { .. }))
    );
}
