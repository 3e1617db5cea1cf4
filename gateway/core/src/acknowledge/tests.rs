#![allow(clippy::unwrap_used)]

use fleetgrant_schemas::ack::{Outcome as Taken, OutcomeReason};

use crate::ask::{Channel, Exception, Held, Reason, SignedAck, Usage};
use crate::domain::{ActivationId, ActivationState, Cti, DeliveryState, RemovalReason};
use crate::event::{EventKind, Field};
use crate::operator::{self, Publish};
use crate::outcome::{Answer, Deliveries};
use crate::testkit::{Bench, Handset, features, want};

/// A device that was granted `scan` and has not signed for it.
fn granted(units: u32) -> (Bench, Handset, SignedAck) {
    let mut bench = Bench::new();
    bench.sell("scan", units);
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let outcome = bench.receive(&device, &request);
    let ack = bench.deliver(&mut device, &outcome).unwrap();
    (bench, device, ack)
}

#[test]
fn what_is_in_the_set_is_activated_and_the_delivery_ends() {
    let (mut bench, device, ack) = granted(1);
    let key = ack.ack.held.key;
    assert_eq!(bench.states(&device), [ActivationState::Published]);
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.answer, Answer::None);
    assert_eq!(outcome.deliveries, Deliveries::Acknowledged);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(bench.activations(&device)[0].activated_at, Some(bench.now));
    let delivery = bench.world.delivery(&device.id, key).unwrap();
    assert_eq!(
        (delivery.state, delivery.due),
        (DeliveryState::Acknowledged, None)
    );
}

#[test]
fn one_that_was_carried_counts_when_it_was_signed_if_that_can_be() {
    for (channel, clock, counts, signed_at) in [
        (Channel::File, Some(60), 60, Some(60)),
        // The second of the grant, which was issued in the course of it.
        (Channel::File, Some(0), 0, Some(0)),
        (Channel::File, Some(90), 90, Some(90)),
        // Before the grant, after the reading, or never said.
        (Channel::File, Some(-1), 90, None),
        (Channel::File, Some(91), 90, None),
        (Channel::File, None, 90, None),
        // The device's clock is of no interest where nobody carried anything.
        (Channel::Online, Some(60), 90, None),
    ] {
        let (mut bench, device, mut ack) = granted(1);
        let issued = bench.now;
        let after = |seconds: i64| match u64::try_from(seconds) {
            Ok(seconds) => issued.plus_seconds(seconds),
            Err(_) => issued.minus_seconds(seconds.unsigned_abs()),
        };
        ack.sender.channel = channel;
        ack.ack.issued_at = clock.map(after);
        bench.wait(90);
        let outcome = bench.acknowledge(&device, &ack);
        let activation = &bench.activations(&device)[0];
        assert_eq!(activation.activated_at, Some(after(counts)), "{clock:?}");
        let mut events = outcome.events.iter();
        let event = events.find(|event| event.kind == EventKind::Activated);
        let told = event.unwrap().body.field("signed_at").cloned();
        let expected = signed_at.map(|at| Field::Number(after(at).seconds()));
        assert_eq!(told, expected, "{clock:?}");
        // The conversation goes by the gateway's time.
        assert_eq!(bench.device(&device).acked.unwrap().at, bench.now);
    }
}

#[test]
fn a_repeated_one_changes_nothing() {
    let (mut bench, device, ack) = granted(1);
    bench.acknowledge(&device, &ack);
    let before = bench.device(&device).clone();
    bench.wait(60);
    let outcome = bench.acknowledge(&device, &ack);
    assert!(outcome.events.is_empty() && outcome.activations.is_empty());
    assert_eq!(outcome.deliveries, Deliveries::Unchanged);
    assert_eq!(bench.device(&device), &before);
}

#[test]
fn one_that_overtakes_a_later_request_does_not_disturb_it() {
    let (mut bench, mut device, ack) = granted(2);
    let request = device.request(Reason::Upgrade, &[want("scan", 2)]);
    bench.receive(&device, &request);
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.answer, Answer::None);
    // The later set was written just now, and is on its way.
    assert_eq!(outcome.deliveries, Deliveries::Unchanged);
    assert!(device.held.unwrap().key < bench.world.latest_set(&device.id).unwrap().set.key);
}

/// The set it speaks of was left behind by another, which is to be pushed.
#[test]
fn one_for_an_earlier_set_counts_and_revives_the_delivery_of_the_latest() {
    let (mut bench, mut device, ack) = granted(2);
    let sold = bench.activations(&device)[0].entitlement;
    bench
        .operate(&device, |s, ctx, dice| {
            operator::assign(s, sold, 1, Publish::Now, ctx, dice)
        })
        .unwrap();
    let latest = bench.world.latest_set(&device.id).unwrap().set.key;
    for _ in 0..6 {
        bench.published(&device, latest);
    }
    let delivery = bench.world.delivery(&device.id, latest).unwrap();
    assert_eq!(
        (delivery.state, delivery.due),
        (DeliveryState::Exhausted, None)
    );
    bench.wait(60);

    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.deliveries, Deliveries::Revived);
    assert_eq!(
        bench.states(&device),
        [ActivationState::Activated, ActivationState::Published]
    );
    let delivery = bench.world.delivery(&device.id, latest).unwrap();
    assert_eq!((delivery.attempts, delivery.due), (0, Some(bench.now)));

    // A replay is no contact.
    bench.published(&device, latest);
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.deliveries, Deliveries::Unchanged);
    let ack = bench.push(&mut device).unwrap();
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.deliveries, Deliveries::Acknowledged);
}

#[test]
fn a_late_one_for_an_earlier_set_frees_nothing_and_activates_nothing() {
    let (mut bench, mut device, early) = granted(2);
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(outcome.answer, Answer::Grant);
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
    let outcome = bench.acknowledge(&device, &early);
    assert!(outcome.activations.is_empty() && outcome.events.is_empty());
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
}

/// Acknowledging the set with it does not free what a later set left out.
#[test]
fn one_below_the_removal_frees_nothing_but_says_that_it_was_in() {
    let (mut bench, mut device, early) = granted(1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    bench.receive(&device, &request);
    let sold = bench.activations(&device)[0].entitlement;
    // Its `held` counted as the lost acknowledgement; a second one says the same.
    let mut late = early.clone();
    late.ack.n = 2;
    bench.acknowledge(&device, &late);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(bench.count(EventKind::Activated), 1);
}

#[test]
fn what_the_device_refuses_goes_by_a_new_set_and_is_free_when_that_is_proven() {
    let mut bench = Bench::new();
    let scan = bench.sell("scan", 1);
    let print = bench.sell("print", 1);
    let mut device = bench.admitted("d");
    device.refuses.push("scan".to_owned());
    let request = device.request(Reason::Upgrade, &[want("scan", 1), want("print", 1)]);
    let outcome = bench.receive(&device, &request);
    let ack = bench.deliver(&mut device, &outcome).unwrap();

    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.answer, Answer::Grant);
    assert_eq!(outcome.deliveries, Deliveries::Superseded);
    assert_eq!((bench.live(scan), bench.live(print)), (1, 1));
    assert_eq!(bench.count(EventKind::Activated), 1);

    let ack = bench.deliver(&mut device, &outcome).unwrap();
    assert_eq!(device.features(), ["print"]);
    bench.acknowledge(&device, &ack);
    assert_eq!((bench.live(scan), bench.live(print)), (0, 1));
}

/// Firmware that is newer than the version ceiling of a feature: the device says so, and the unit is
/// as free as it would be of a device that does not know the feature.
#[test]
fn what_is_above_its_version_ceiling_goes_back() {
    let (mut bench, mut device, mut ack) = granted(1);
    ack.ack.exceptions = vec![Exception {
        activation: bench.activations(&device)[0].id,
        outcome: Taken::Refused,
        reason: OutcomeReason::VersionCeiling,
    }];
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.answer, Answer::Grant);
    assert_eq!(bench.count(EventKind::Activated), 0);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    bench.deliver(&mut device, &outcome).unwrap();
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
}

/// The maintenance was renewed while the device's word was on its way: what it says of the set that
/// it has left behind is no word on the one that tells it so.
#[test]
fn what_is_above_its_build_ceiling_goes_by_the_latest_set_only() {
    let (mut bench, mut device, mut ack) = granted(1);
    let activation = bench.activations(&device)[0].id;
    ack.ack.exceptions = vec![Exception {
        activation,
        outcome: Taken::Refused,
        reason: OutcomeReason::BuildCeiling,
    }];
    bench
        .operate(&device, |s, ctx, dice| {
            operator::refresh(s, ctx, dice, true).map(Option::unwrap)
        })
        .unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.count(EventKind::Excepted), 1);
    assert_eq!(bench.states(&device), [ActivationState::Published]);

    let mut later = bench.push(&mut device).unwrap();
    later.ack.exceptions.clone_from(&ack.ack.exceptions);
    bench.acknowledge(&device, &later);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    let removed = bench.activations(&device)[0].standing.removal_reason();
    assert_eq!(removed, Some(RemovalReason::BuildCeiling));
}

/// The refusal came after a request's `held` had stood in for it.
#[test]
fn a_refusal_counts_though_the_set_was_taken_as_held() {
    let mut bench = Bench::new();
    let scan = bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    device.refuses.push("scan".to_owned());
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let outcome = bench.receive(&device, &request);
    let ack = bench.deliver(&mut device, &outcome).unwrap();
    let request = device.request(Reason::Renew, &[]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    let ack = bench.deliver(&mut device, &outcome).unwrap();
    // That set still has it, so it frees nothing, and is refused again.
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(scan), 1);
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(scan), 0);
}

#[test]
fn what_is_deferred_is_activated_when_it_is_in_force() {
    let (mut bench, device, mut ack) = granted(1);
    let activation = bench.activations(&device)[0].id;
    ack.ack.exceptions = vec![Exception {
        activation,
        outcome: Taken::Deferred,
        reason: OutcomeReason::NextBoot,
    }];
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.deliveries, Deliveries::Acknowledged);
    assert_eq!(bench.states(&device), [ActivationState::Published]);
    ack.ack.exceptions.clear();
    ack.ack.n += 1;
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(bench.count(EventKind::Activated), 1);
}

/// The authority's key leaked, or the database was set back.
#[test]
fn one_for_a_set_never_issued_pages_once_and_proves_nothing() {
    let (bench, device, ack) = granted(1);
    let generation = ack.ack.held.key.generation.get();
    let forged = [
        Held::new(1, generation, Cti([0xaa; 16])),
        Held::new(1, generation + 1, Cti([0xaa; 16])),
        Held::new(2, generation, ack.ack.held.cti),
    ];
    for held in forged {
        let mut bench = bench.clone();
        let mut ack = ack.clone();
        ack.ack.held = held.unwrap();
        let first = bench.acknowledge(&device, &ack);
        assert!(first.events.iter().any(|event| event.pages()));
        let replayed = bench.acknowledge(&device, &ack);
        assert!(replayed.events.is_empty());
        assert_eq!(bench.states(&device), [ActivationState::Published]);
        assert_eq!(bench.device(&device).acked, None);
    }
}

#[test]
fn the_same_set_with_another_id_pages_though_it_was_acknowledged() {
    let (mut bench, device, ack) = granted(1);
    bench.acknowledge(&device, &ack);
    let mut other = ack;
    other.ack.held.cti = Cti([0xaa; 16]);
    other.digest.0[31] ^= 1;
    let outcome = bench.acknowledge(&device, &other);
    assert!(outcome.events.iter().any(|event| event.pages()));
}

#[test]
fn one_that_refuses_what_its_set_has_not_counts_for_nothing() {
    let (mut bench, device, mut ack) = granted(1);
    ack.ack.exceptions = vec![Exception {
        activation: ActivationId([9; 16]),
        outcome: Taken::Refused,
        reason: OutcomeReason::Other,
    }];
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(bench.count(EventKind::AckForeign), 1);
    assert!(outcome.activations.is_empty());
    assert_eq!(bench.device(&device).acked, None);
}

#[test]
fn an_old_one_that_nobody_can_match_accuses_nobody() {
    let (mut bench, device, early) = granted(1);
    let mut snapshot = bench.world.snapshot(&device.id, None);
    bench
        .operate(&device, |s, ctx, dice| operator::push(s, ctx, dice))
        .unwrap();
    // As a store that reads only the latest sets of a device which never acknowledges.
    snapshot.sets = vec![bench.world.latest_set(&device.id).unwrap().set.clone()];
    let outcome = bench.decide(|ctx, dice| super::on_ack(snapshot, &early, ctx, dice));
    assert!(outcome.events.is_empty() && outcome.activations.is_empty());
}

#[test]
fn usage_is_taken_in_and_only_grows() {
    let (mut bench, device, mut ack) = granted(1);
    let activation = bench.activations(&device)[0].id;
    for (n, total, kept) in [(1, 5, 5), (2, 3, 5), (3, 8, 8)] {
        ack.ack.n = n;
        ack.ack.usage = vec![Usage { activation, total }];
        bench.acknowledge(&device, &ack);
        assert_eq!(bench.activations(&device)[0].usage, kept);
    }
}

#[test]
fn a_newer_epoch_outranks_any_generation() {
    let (mut bench, mut device, ack) = granted(1);
    bench.acknowledge(&device, &ack);
    bench.authority.epoch = crate::domain::Epoch(2);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(device.held.unwrap().key.epoch.0, 2);
    assert_eq!(
        bench.device(&device).acked.unwrap().held,
        device.held.unwrap()
    );
    // What was acknowledged under the older epoch is behind, whatever its number.
    let mut late = ack;
    late.ack.n = 9;
    let outcome = bench.acknowledge(&device, &late);
    assert!(outcome.events.is_empty());
}

#[test]
fn a_latest_set_that_can_no_longer_be_installed_is_written_anew() {
    let (mut bench, mut device, early) = granted(1);
    bench
        .operate(&device, |s, ctx, dice| operator::push(s, ctx, dice))
        .unwrap();
    let old = bench.world.latest_set(&device.id).unwrap().set.key;
    bench.wait(bench.policy.install_window);
    assert!(bench.push(&mut device).is_none());
    let outcome = bench.acknowledge(&device, &early);
    let new = outcome.issued.clone().unwrap().set;
    assert!(new.key > old);
    assert!(bench.deliver(&mut device, &outcome).is_some());
}

#[test]
fn each_feature_of_a_refused_activation_goes() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 1, |e| e.features = features(&["scan", "print"]));
    let mut device = bench.admitted("d");
    device.refuses.push("print".to_owned());
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert!(device.features().is_empty());
    assert_eq!(bench.live(sold), 0);
}
