//! What a device says it holds.

use fleetgrant_schemas::notice::NoticeCode;

use crate::ask::{Held, Reason};
use crate::domain::{ActivationState, Cti, Generation};
use crate::event::EventKind;
use crate::outcome::Answer;
use crate::testkit::{Bench, noticed, want};

#[test]
fn holding_a_set_is_the_acknowledgement_that_was_lost() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let outcome = bench.receive(&device, &request);
    let lost = bench.deliver(&mut device, &outcome).unwrap();
    assert_eq!(bench.states(&device), [ActivationState::Published]);

    bench.ask(&mut device, Reason::Renew, &[]);

    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(bench.count(EventKind::Activated), 1);
    // When it comes after all, nothing happens twice.
    bench.acknowledge(&device, &lost);
    assert_eq!(bench.count(EventKind::Activated), 1);
    assert_eq!(bench.live(sold), 1);
}

#[test]
fn holding_the_set_that_left_it_out_frees_a_unit() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    let outcome = bench.receive(&device, &request);
    bench.deliver(&mut device, &outcome);
    assert_eq!(bench.live(sold), 1, "not free before it is proven");
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(bench.live(sold), 0);
}

/// A wiped device may be set back to what it was before.
#[test]
fn holding_nothing_frees_nothing() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    bench.receive(&device, &request);
    device.wipe();
    let request = device.request(Reason::Boot, &[]);
    let outcome = bench.receive(&device, &request);
    bench.deliver(&mut device, &outcome);
    let request = device.request(Reason::Boot, &[]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(bench.live(sold), 1);
    // Signing for the set without it does.
    let ack = bench.deliver(&mut device, &outcome).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(sold), 0);
}

fn held(device: &crate::testkit::Handset, ahead: u64) -> Held {
    let mine = device.held.unwrap();
    let generation = mine.key.generation.get() + ahead;
    Held::new(mine.key.epoch.0, generation, Cti([0xaa; 16])).unwrap()
}

/// The database was restored from a backup; devices have sets it knows nothing of.
#[test]
fn the_next_set_goes_above_what_a_device_holds() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    let backup = bench.world.clone();
    for _ in 0..3 {
        bench.ask(&mut device, Reason::Renew, &[]);
    }
    bench.world = backup;
    let ahead = device.held.unwrap().key.generation;

    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(noticed(&bench.ask(&mut device, Reason::Renew, &[])));
    }

    // Its number is ahead too, but its challenge is unknown.
    assert_eq!(answers, [Some(NoticeCode::Challenge), None, None, None]);
    let generation = bench.device(&device).generation;
    assert!(generation > ahead);
    assert_eq!(device.held.unwrap().key.generation, generation);
    assert_eq!(bench.count(EventKind::HeldBeyondRecord), 1);
    assert_eq!(bench.count(EventKind::HeldNeverIssued), 0);
    assert_eq!(bench.live(sold), 1);
}

#[test]
fn holding_more_than_is_recorded_proves_nothing() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    bench.receive(&device, &request);
    // It got the challenge, but not the set.
    device.challenge = bench.device(&device).challenges.newest.map(|c| c.value);
    device.held = Some(held(&device, 5));
    let request = device.request(Reason::Renew, &[]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(outcome.answer, Answer::Grant);
    assert_eq!(bench.count(EventKind::HeldBeyondRecord), 1);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    // Its acknowledgement may come late. It proves nothing either, and pages nobody again.
    let late = device.acknowledgement();
    let outcome = bench.acknowledge(&device, &late);
    assert!(outcome.events.is_empty());
    assert_eq!(bench.live(sold), 1);
}

/// A forged set, or one of a database that was set back: somebody must look.
#[test]
fn holding_a_set_that_was_never_issued_pages_and_proves_nothing() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    bench.receive(&device, &request);
    device.held = Some(held(&device, 1));
    let request = device.request(Reason::Renew, &[]);
    let outcome = bench.receive(&device, &request);
    assert!(outcome.events.iter().any(|event| event.pages()));
    assert_eq!(bench.count(EventKind::HeldNeverIssued), 1);
    assert_eq!(bench.live(sold), 1);
}

/// Nothing this gateway signs would outrank it.
#[test]
fn holding_a_newer_epoch_pages_and_is_told_to_wait() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let mine = device.held.unwrap();
    device.held = Some(Held::new(9, mine.key.generation.get(), mine.cti).unwrap());
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::RetryLater));
    assert_eq!(bench.count(EventKind::HeldNeverIssued), 1);
}

/// A stolen device key must not use up the generations of the device.
#[test]
fn a_held_generation_far_ahead_is_not_followed() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let before = bench.device(&device).generation;
    device.held = Some(held(&device, fleetgrant_schemas::limits::MAX_SEQ_JUMP));
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::RetryLater));
    assert_eq!(bench.device(&device).generation, before);
}

#[test]
fn a_device_whose_generations_are_used_up_is_told_so() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    bench.world.device_mut(&device.id).unwrap().generation =
        Generation::new(fleetgrant_schemas::limits::MAX_COUNTER).unwrap();
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Denied));
}
