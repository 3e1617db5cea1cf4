//! Records that another version of the agent wrote. Those in `records/1` were written by the first
//! one, and must be read for ever.

use std::path::{Path, PathBuf};

use fleetgrant_agent::{Event, Instant, Record, StorageError};
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::request::Reason;

use crate::sealed;
use crate::support::*;

const NOW: Instant = Instant(0);
/// The records that are read of format 1. That of keys has format 2 since the device seals it, and
/// an unsealed one is refused: it could be anyone's.
const OF_FORMAT_1: [Record; 3] = [Record::Set, Record::State, Record::Usage];

fn file(record: Record) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/long_lived/records/1");
    folder.join(format!("{}.bin", record.as_str()))
}

/// A set of two rights, one removed before it, seven uses of one, and what goes with that.
fn lived(flash: &Flash) {
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, flash, 1);
    let prepaid = Entitlement {
        model: Model::Counted,
        count: Some(10),
        ..right(2, "prepaid")
    };
    let metered = Entitlement {
        model: Model::Metered,
        ..right(3, "meter")
    };
    install(&mut agent, 1, &[prepaid, metered], NOW);
    agent.use_one("meter", NOW).unwrap();
    install(&mut agent, 2, &[right(1, "bandwidth"), prepaid], NOW);
    sent(&mut agent);
    for _ in 0..7 {
        agent.use_one("prepaid", NOW).unwrap();
    }
}

#[test]
#[ignore = "writes the records of the format in use: for a new format, in a folder of its own"]
fn write_records() {
    let flash = Flash::default();
    lived(&flash);
    for record in OF_FORMAT_1 {
        std::fs::write(file(record), flash.bytes(record).unwrap()).unwrap();
    }
}

#[test]
fn what_the_first_version_stored_is_in_force_under_this_one() {
    let flash = Flash::default();
    for record in OF_FORMAT_1 {
        flash.put(record, std::fs::read(file(record)).unwrap());
    }
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &flash, 2);
    let told = events(&mut agent);
    assert!(
        !told
            .iter()
            .any(|event| matches!(event, Event::Storage { .. })),
        "{told:?}"
    );
    assert_eq!(agent.held(), Some(held(2)));
    assert!(agent.is_on("bandwidth", NOW).is_on());
    let request = requested(&mut agent, NOW);
    let request = read_request(&request);
    assert_eq!(request.reason, Reason::Boot);
    assert_eq!(request.platform.boot_count, Some(2));
    assert!(request.seq > 2, "no seq is used twice");
    let usage: Vec<_> = request.usage.iter().collect();
    assert!(usage.contains(&crate::support::usage(2, 7)), "{usage:?}");
    assert!(agent.clock_floor(NOW) >= EPOCH);
}

#[test]
fn a_record_of_a_later_version_is_told_and_not_guessed_at() {
    for record in OF_FORMAT_1 {
        let flash = Flash::default();
        lived(&flash);
        let mut bytes = flash.bytes(record).unwrap();
        bytes.truncate(bytes.len() - 4);
        bytes[0] = 9;
        flash.put(record, sealed(bytes));
        let factory = Factory::new();
        let profile = factory.profile();
        let mut agent = start(&profile, &flash, 2);
        let told = Event::Storage {
            record,
            reason: StorageError::Damaged,
        };
        assert!(events(&mut agent).contains(&told), "{record:?}");
        // It goes on, with what it can read.
        let is_set = record == Record::Set;
        assert_eq!(agent.held().is_none(), is_set);
        requested(&mut agent, NOW);
    }
}

#[test]
fn keys_that_no_device_has_sealed_are_refused() {
    let flash = Flash::default();
    lived(&flash);
    // As format 1 had it: no key, no seal.
    flash.put(Record::Keys, sealed(vec![1, 7, 0, 0, 0, 0]));
    let factory = Factory::new();
    let profile = factory.profile();
    let mut agent = start(&profile, &flash, 2);
    let told = Event::Storage {
        record: Record::Keys,
        reason: StorageError::Damaged,
    };
    assert!(events(&mut agent).contains(&told));
    assert_eq!(agent.held(), Some(held(2)), "by the keys it was built with");
}
