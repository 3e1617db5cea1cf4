//! A request's number, and what a device shows that takes up a new one.

use fleetgrant_schemas::limits;
use fleetgrant_schemas::notice::NoticeCode;

use crate::ask::{Channel, Reason};
use crate::event::{EventKind, Field};
use crate::outcome::Answer;
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, Handset, denials, noticed, want};

/// The class of the last resync in the history.
fn class(bench: &Bench) -> Option<String> {
    let (_, event) = bench
        .world
        .events()
        .filter(|(_, event)| event.kind == EventKind::Resynced)
        .last()?;
    match event.body.field("class") {
        Some(Field::Text(class)) => Some(class.clone()),
        _ => None,
    }
}

/// Asks until the device has found its number again.
fn resync(bench: &mut Bench, device: &mut Handset) {
    let stale = bench.ask(device, Reason::Boot, &[]);
    assert_eq!(noticed(&stale), Some(NoticeCode::StaleSeq));
    bench.ask(device, Reason::Boot, &[]);
}

/// The broker plays old requests again, and the device hears the notices about them.
#[test]
fn a_replayed_request_changes_nothing_and_accuses_nobody() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 9);
    let mut device = bench.admitted("d");
    let old = device.request(Reason::Upgrade, &[want("scan", 1)]);
    bench.receive(&device, &old);
    for _ in 0..5 {
        bench.wait(3_600);
        bench.ask(&mut device, Reason::Renew, &[]);
        let outcome = bench.receive(&device, &old);
        assert_eq!(noticed(&outcome), Some(NoticeCode::StaleSeq));
        assert!(outcome.events.is_empty() && outcome.activations.is_empty());
        bench.deliver(&mut device, &outcome);
    }
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(bench.count(EventKind::Resynced), 0);
    assert_eq!(bench.live(sold), 1);
    assert!(!bench.device(&device).watch.frozen);
}

/// The broker keeps a request back, and delivers it when a later one was answered.
#[test]
fn a_request_held_back_is_stale_though_its_challenge_was_current() {
    let mut bench = Bench::new();
    let mut device = bench.admitted("d");
    let kept = device.request(Reason::Boot, &[]);
    assert!(kept.ask.challenge.is_some());
    bench.ask(&mut device, Reason::Boot, &[]);
    let outcome = bench.receive(&device, &kept);
    assert_eq!(noticed(&outcome), Some(NoticeCode::StaleSeq));
    assert_eq!(bench.count(EventKind::Resynced), 0);
    assert_eq!(bench.count(EventKind::RolledBack), 0);
}

/// Replays must not make worthless the challenge that the device has in hand.
#[test]
fn replays_do_not_use_up_the_devices_challenge() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let mut replayed = device.request(Reason::Boot, &[]);
    device.seq -= 1;
    replayed.ask.seq = crate::domain::Seq::new(1).unwrap();
    for _ in 0..20 {
        bench.wait(60);
        bench.receive(&device, &replayed);
    }
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(outcome.answer, Answer::Grant);
}

#[test]
fn a_wiped_device_finds_its_number_and_gets_its_rights_back() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    device.wipe();
    resync(&mut bench, &mut device);
    assert_eq!(class(&bench).as_deref(), Some("wiped"));
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(bench.count(EventKind::Activated), 1);
    assert_eq!(bench.count(EventKind::RolledBack), 0);
}

#[test]
fn a_device_that_lost_its_number_only_is_not_accused() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    device.seq = 0;
    resync(&mut bench, &mut device);
    assert_eq!(class(&bench).as_deref(), Some("seq-lost"));
    assert!(!bench.device(&device).watch.returns_stopped);
}

#[test]
fn a_device_set_back_is_found_out_and_may_return_nothing() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 1);
    let snapshot = device.clone();
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
    device = Handset {
        salt: 99,
        ..snapshot
    };
    resync(&mut bench, &mut device);
    assert_eq!(class(&bench).as_deref(), Some("rolled-back"));
    assert_eq!(bench.count(EventKind::RolledBack), 1);
    // It was sent what it should have at once,
    assert_eq!(device.features(), ["scan", "scan"]);
    // and gives nothing back until somebody looked.
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(denials(&outcome), [Some(Rule::ReturnsStopped)]);
    assert_eq!(bench.live(sold), 2);
}

/// Setting back only what it holds, and not its number, is found out by the ordinary challenge.
#[test]
fn a_device_that_kept_its_number_and_lost_a_set_is_found_out() {
    let mut bench = Bench::new();
    bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 1);
    let held = device.held;
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
    // Only a challenge sent after the acknowledgement can show it.
    bench.ask(&mut device, Reason::Renew, &[]);
    device.held = held;
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(bench.count(EventKind::RolledBack), 1);
}

/// The acknowledgement of a later set overtakes a request that was signed before it.
#[test]
fn a_request_that_was_overtaken_by_an_acknowledgement_is_no_rollback() {
    let mut bench = Bench::new();
    bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 1);
    let slow = device.request(Reason::Renew, &[]);
    bench
        .operate(&device, |s, ctx, dice| crate::operator::push(s, ctx, dice))
        .unwrap();
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    let outcome = bench.receive(&device, &slow);
    assert_eq!(outcome.answer, Answer::Grant);
    let held = slow.ask.held.map(|held| held.key);
    assert!(held < bench.device(&device).acked_key());
    assert_eq!(bench.count(EventKind::RolledBack), 0);
    assert!(!bench.device(&device).watch.returns_stopped);
}

#[test]
fn several_resyncs_in_a_week_freeze_new_rights_and_take_none() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 9);
    let mut device = bench.activated("d", "scan", 1);
    for _ in 0..bench.policy.resync_limit {
        bench.wait(DAY);
        device.seq = 0;
        resync(&mut bench, &mut device);
    }
    assert_eq!(bench.count(EventKind::CloneSuspected), 1);
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
    assert_eq!(denials(&outcome), [Some(Rule::CloneSuspected)]);
    assert_eq!(device.features(), ["scan"]);
    // One clone could give back what the other goes on using.
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(denials(&outcome), [Some(Rule::CloneSuspected)]);
    assert_eq!(bench.live(sold), 1);

    bench
        .operate(&device, |s, ctx, _| {
            Ok::<_, ()>(crate::operator::clear(s, ctx))
        })
        .unwrap();
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
    assert_eq!(denials(&outcome), [None]);
}

#[test]
fn resyncs_far_apart_are_no_clone() {
    let mut bench = Bench::new();
    let mut device = bench.admitted("d");
    bench.sell("scan", 1);
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    for _ in 0..5 {
        bench.wait(8 * DAY);
        device.seq = 0;
        resync(&mut bench, &mut device);
    }
    assert_eq!(bench.count(EventKind::CloneSuspected), 0);
}

/// Two devices with one identity, each of which goes on where the other left off.
#[test]
fn two_clones_in_use_are_suspected() {
    let mut bench = Bench::new();
    bench.sell("scan", 9);
    let mut one = bench.activated("d", "scan", 1);
    let mut other = Handset {
        salt: 99,
        ..one.clone()
    };
    for _ in 0..4 {
        for device in [&mut one, &mut other] {
            bench.wait(3_600);
            for _ in 0..2 {
                bench.ask(device, Reason::Renew, &[]);
            }
        }
    }
    assert_eq!(bench.count(EventKind::CloneSuspected), 1);
}

/// A file that people carried slowly is overtaken by what came online.
#[test]
fn a_stale_file_is_no_resync() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    for _ in 0..5 {
        device.channel = Channel::File;
        let file = device.request(Reason::Renew, &[]);
        device.channel = Channel::Online;
        bench.ask(&mut device, Reason::Renew, &[]);
        device.nonce = Some(file.ask.nonce);
        let outcome = bench.receive(&device, &file);
        assert_eq!(noticed(&outcome), Some(NoticeCode::StaleSeq));
        bench.deliver(&mut device, &outcome);
    }
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(bench.count(EventKind::Resynced), 0);
}

/// Whoever has the key for an hour must not use up the counter.
#[test]
fn a_jump_of_the_number_is_refused_and_does_not_count() {
    let mut bench = Bench::new();
    let mut device = bench.admitted("d");
    let last = device.seq;
    device.seq = last + limits::MAX_SEQ_JUMP - 1;
    let request = device.request(Reason::Boot, &[]);
    for _ in 0..3 {
        let outcome = bench.receive(&device, &request);
        assert_eq!(noticed(&outcome), Some(NoticeCode::Denied));
    }
    assert_eq!(bench.count(EventKind::SeqJumped), 1);
    assert_eq!(bench.device(&device).last.as_ref().unwrap().seq.get(), last);

    device.seq = last + limits::MAX_SEQ_JUMP - 2;
    let largest = bench.ask(&mut device, Reason::Boot, &[]);
    assert_ne!(noticed(&largest), Some(NoticeCode::StaleSeq));
    assert_eq!(
        bench.device(&device).last.as_ref().unwrap().seq.get(),
        device.seq
    );
}
