//! A copy of the storage that is put back, with a counter and without.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use fleetgrant_agent::software::SoftwareKeys;
use fleetgrant_agent::{
    Agent, Event, Guarded, Instant, MonotonicCounter, Profile, Record, StorageError, UseError,
};
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::topic::MessageType;

use crate::support::*;

const NOW: Instant = Instant(0);

/// The counters of a secure element, which no copy of the flash sets back.
#[derive(Clone, Default)]
struct Counters {
    counts: Rc<RefCell<HashMap<Record, u64>>>,
    /// The power fails before the next count.
    stuck: Rc<RefCell<bool>>,
}

impl MonotonicCounter for Counters {
    fn read(&mut self, record: Record) -> Result<Option<u64>, StorageError> {
        let is_guarded = matches!(record, Record::Set | Record::Usage);
        let count = self.counts.borrow().get(&record).copied();
        Ok(is_guarded.then(|| count.unwrap_or(0)))
    }

    fn advance(&mut self, record: Record) -> Result<(), StorageError> {
        if *self.stuck.borrow() {
            return Err(StorageError::Write);
        }
        *self.counts.borrow_mut().entry(record).or_default() += 1;
        Ok(())
    }
}

type GuardedAgent<'c> =
    Agent<'c, SoftwareKeys<'static, Random>, Guarded<Flash, Counters>, Vec<u8>, RIGHTS>;

fn start<'c>(
    profile: &'c Profile<'c>,
    flash: &Flash,
    counters: &Counters,
    seed: u64,
) -> GuardedAgent<'c> {
    let keys = SoftwareKeys::new(key(DEVICE_SEED), &[LEAF], random(seed));
    let storage = Guarded::new(flash.clone(), counters.clone(), [9; 32]);
    let mut scratch = vec![0; 4_096];
    Agent::start(profile, keys, storage, vec![0; 2_048], &mut scratch, NOW).unwrap()
}

fn install(agent: &mut GuardedAgent<'_>, generation: u64, rights: &[Entitlement<'_>]) -> bool {
    agent.handle_timeout(NOW);
    let (mut buffer, mut nonce) = (vec![0; 9_000], None);
    while let Some(sent) = agent.poll_transmit(&mut buffer) {
        if sent.message == MessageType::Request {
            nonce = Some(nonce_of(&buffer[..sent.len]));
        }
    }
    let grant = Grant {
        entitlements: Seq::new(rights),
        ..grant(generation, nonce)
    };
    let bytes = signed(AUTHORITY_SEED, &grant);
    agent
        .handle_message(&bytes, MessageType::Grant, NOW)
        .is_ok()
}

fn prepaid<'b>() -> Entitlement<'b> {
    Entitlement {
        model: Model::Counted,
        count: Some(3),
        ..right(2, "prepaid")
    }
}

fn rolled_back(agent: &mut GuardedAgent<'_>, record: Record) -> bool {
    let told = Event::Storage {
        record,
        reason: StorageError::RolledBack,
    };
    std::iter::from_fn(|| agent.poll_event()).any(|event| event == told)
}

#[test]
fn a_set_that_was_given_back_is_not_put_in_force_again_by_a_copy_of_the_flash() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (flash, counters) = (Flash::default(), Counters::default());
    let mut agent = start(&profile, &flash, &counters, 1);
    assert!(install(&mut agent, 1, &[right(1, "bandwidth"), prepaid()]));
    let copy = flash.copy();
    assert!(install(&mut agent, 2, &[prepaid()]));
    drop(agent);

    let mut agent = start(&profile, &copy, &counters, 2);
    assert!(rolled_back(&mut agent, Record::Set));
    assert!(!agent.is_on("bandwidth", NOW).is_on());
    assert_eq!(agent.held(), None);
    // The true one is as it was, and the device can be mended by an answer.
    let agent = start(&profile, &flash, &counters, 3);
    assert_eq!(agent.held().unwrap().generation, 2);
    let mut agent = start(&profile, &copy, &counters, 4);
    assert!(install(&mut agent, 3, &[right(1, "decode")]));
    let agent = start(&profile, &copy, &counters, 5);
    assert!(agent.is_on("decode", NOW).is_on());
}

#[test]
fn uses_cannot_be_had_again_by_a_copy_of_the_flash() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (flash, counters) = (Flash::default(), Counters::default());
    let mut agent = start(&profile, &flash, &counters, 1);
    assert!(install(&mut agent, 1, &[prepaid()]));
    agent.use_one("prepaid", NOW).unwrap();
    let copy = flash.copy();
    agent.use_one("prepaid", NOW).unwrap();
    let mut agent = start(&profile, &copy, &counters, 2);
    assert!(rolled_back(&mut agent, Record::Usage));
    assert_eq!(agent.held().unwrap().generation, 1, "the set is the last");
    agent.use_one("prepaid", NOW).unwrap_err();
    // Nor by leaving it away.
    copy.wipe();
    let mut agent = start(&profile, &copy, &counters, 3);
    assert!(rolled_back(&mut agent, Record::Usage));
    assert_eq!(agent.held(), None, "the set is gone too");
}

#[test]
fn power_that_fails_between_record_and_count_loses_nothing() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (flash, counters) = (Flash::default(), Counters::default());
    let mut agent = start(&profile, &flash, &counters, 1);
    assert!(install(&mut agent, 1, &[right(1, "bandwidth")]));
    *counters.stuck.borrow_mut() = true;
    assert!(
        !install(&mut agent, 2, &[right(1, "decode")]),
        "not acknowledged"
    );
    drop(agent);
    *counters.stuck.borrow_mut() = false;
    // The new record was whole: it counts, and the count catches up.
    let mut agent = start(&profile, &flash, &counters, 2);
    assert!(!rolled_back(&mut agent, Record::Set));
    assert!(agent.is_on("decode", NOW).is_on());
    assert_eq!(counters.counts.borrow()[&Record::Set], 2);
    let agent = start(&profile, &flash, &counters, 3);
    assert!(agent.is_on("decode", NOW).is_on());
}

#[test]
fn a_record_that_was_changed_is_as_bad_as_an_old_one_whatever_count_it_bears() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (flash, counters) = (Flash::default(), Counters::default());
    let mut agent = start(&profile, &flash, &counters, 1);
    assert!(install(&mut agent, 1, &[prepaid()]));
    agent.use_one("prepaid", NOW).unwrap();
    let old = flash.bytes(Record::Usage).unwrap();
    agent.use_one("prepaid", NOW).unwrap();
    drop(agent);
    let new = flash.bytes(Record::Usage).unwrap();

    // The old one with the count of the new; what is cut short; what is blank; one bit.
    let mut counted_anew = old.clone();
    counted_anew[..8].copy_from_slice(&new[..8]);
    let mut sealed_too = old.clone();
    sealed_too[..40].copy_from_slice(&new[..40]);
    let mut ahead = new.clone();
    ahead[0] += 1;
    let mut bit = new.clone();
    *bit.last_mut().unwrap() ^= 1;
    for forged in [
        counted_anew,
        sealed_too,
        ahead,
        bit,
        new[..20].to_vec(),
        vec![],
    ] {
        let copy = flash.copy();
        copy.put(Record::Usage, forged.clone());
        let mut agent = start(&profile, &copy, &counters, 2);
        assert!(rolled_back(&mut agent, Record::Usage), "{forged:?}");
        agent.use_one("prepaid", NOW).unwrap_err();
        let counted = counters.counts.borrow()[&Record::Usage];
        assert_eq!(counted, 2, "a forged count costs none");
    }
    // Nor with a record of another kind in its place.
    let copy = flash.copy();
    copy.put(Record::Usage, flash.bytes(Record::Set).unwrap());
    assert!(rolled_back(
        &mut start(&profile, &copy, &counters, 3),
        Record::Usage
    ));
    // And another device's secret seals nothing here.
    let keys = SoftwareKeys::new(key(DEVICE_SEED), &[LEAF], random(4));
    let storage = Guarded::new(flash.clone(), counters.clone(), [8; 32]);
    let mut scratch = vec![0; 4_096];
    let other = Agent::start(&profile, keys, storage, vec![0; 2_048], &mut scratch, NOW);
    assert!(rolled_back(&mut other.unwrap(), Record::Set));
    let mut agent = start(&profile, &flash, &counters, 5);
    agent.use_one("prepaid", NOW).unwrap();
}

#[test]
fn a_count_that_failed_is_told_and_no_two_records_ever_bear_the_same() {
    let factory = Factory::new();
    let profile = factory.profile();
    let (flash, counters) = (Flash::default(), Counters::default());
    let mut agent = start(&profile, &flash, &counters, 1);
    assert!(install(&mut agent, 1, &[prepaid()]));
    agent.use_one("prepaid", NOW).unwrap();
    let before = flash.bytes(Record::Usage).unwrap();
    *counters.stuck.borrow_mut() = true;
    let uncounted = Err(UseError::Storage(StorageError::Uncounted));
    assert_eq!(agent.use_one("prepaid", NOW), uncounted);
    let uncounted = flash.bytes(Record::Usage).unwrap();
    assert_ne!(uncounted, before, "it was stored");
    // While the hardware does not count, nothing is stored in its place.
    let failed = agent.use_one("prepaid", NOW);
    assert_eq!(failed, Err(UseError::Storage(StorageError::Write)));
    assert_eq!(flash.bytes(Record::Usage).unwrap(), uncounted);
    // Even if somebody takes it away meanwhile, its count is not given to another.
    flash.put(Record::Usage, before);
    *counters.stuck.borrow_mut() = false;
    agent.use_one("prepaid", NOW).unwrap();
    let after = flash.bytes(Record::Usage).unwrap();
    assert_ne!(after[..8], uncounted[..8]);
    drop(agent);
    flash.put(Record::Usage, uncounted);
    let mut agent = start(&profile, &flash, &counters, 2);
    assert!(rolled_back(&mut agent, Record::Usage));
    flash.put(Record::Usage, after);
    let mut agent = start(&profile, &flash, &counters, 3);
    assert!(!rolled_back(&mut agent, Record::Usage));
    agent.use_one("prepaid", NOW).unwrap();
    agent.use_one("prepaid", NOW).unwrap_err();
}

#[test]
fn without_a_counter_the_device_cannot_tell_but_says_what_it_holds() {
    let factory = Factory::new();
    let profile = factory.profile();
    let flash = Flash::default();
    let mut agent = crate::support::start(&profile, &flash, 1);
    crate::support::install(&mut agent, 1, &[right(1, "bandwidth")], NOW);
    let copy = flash.copy();
    crate::support::install(&mut agent, 2, &[], NOW);
    let mut agent = crate::support::start(&profile, &copy, 2);
    assert!(agent.is_on("bandwidth", NOW).is_on(), "this is the gap");
    // By this the gateway notices: it had acknowledged the second.
    let request = requested(&mut agent, NOW);
    assert_eq!(read_request(&request).held, Some(held(1)));
}
