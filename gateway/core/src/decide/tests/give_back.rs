//! Returns: what may go, which units go, and when they are free.

use crate::ask::{Reason, Request};
use crate::domain::{ActivationState, Origin, StorageClass};
use crate::event::EventKind;
use crate::outcome::{Change, WantVerdict};
use crate::rule::Rule;
use crate::testkit::{Bench, Handset, denials, features, want};
use crate::tier::Mode;

#[test]
fn a_returned_unit_is_free_when_its_absence_is_proven() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    let outcome = bench.receive(&device, &request);
    assert!(matches!(
        outcome.decided[0].verdict,
        WantVerdict::Returning(_)
    ));
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    assert_eq!(bench.live(sold), 1);

    let ack = bench.deliver(&mut device, &outcome).unwrap();
    assert!(device.features().is_empty());
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
    assert_eq!(bench.live(sold), 0);

    let mut other = bench.activated("other", "scan", 1);
    assert_eq!(bench.live(sold), 1);
    // Nor does a second acknowledgement free it twice.
    let again = device.acknowledgement();
    bench.acknowledge(&device, &again);
    assert_eq!(bench.live(sold), 1);
    bench.ask(&mut other, Reason::Renew, &[]);
}

#[test]
fn a_part_of_an_activation_goes_as_one_of_its_own() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 5);
    let id = bench.activations(&device)[0].id;
    let request = device.request(Reason::Return, &[want("scan", 3)]);
    let outcome = bench.receive(&device, &request);
    let [first, second] = &bench.activations(&device)[..] else {
        panic!("there are two now");
    };
    assert_eq!((first.id, first.units), (id, 3));
    assert_eq!((second.predecessor, second.units), (Some(id), 2));
    assert_eq!(bench.live(sold), 5);
    assert!(
        outcome
            .activations
            .iter()
            .any(|change| matches!(change, Change::New(new) if new.id == second.id))
    );
    let ack = bench.deliver(&mut device, &outcome).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(sold), 3);
    assert_eq!(
        bench.states(&device),
        [ActivationState::Activated, ActivationState::Removed]
    );
    // Activated once, whatever became of its units.
    assert_eq!(bench.count(EventKind::Activated), 1);
}

#[test]
fn the_newest_goes_first_unless_the_request_says_which() {
    for named in [false, true] {
        let mut bench = Bench::new();
        bench.sell("scan", 5);
        let mut device = bench.activated("d", "scan", 1);
        bench.wait(60);
        bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
        let first = bench.activations(&device)[0].id;
        let request = device.request_as(Reason::Return, &[want("scan", 1)], |ask| {
            if named {
                ask.concerned.push(first);
            }
        });
        bench.receive(&device, &request);
        let gone = [ActivationState::Removing, ActivationState::Activated];
        let states = bench.states(&device);
        assert_eq!(states[usize::from(!named)], gone[0]);
        assert_eq!(states[usize::from(named)], gone[1]);
    }
}

fn return_named(bench: &Bench, device: &mut Handset) -> Request {
    let ids: Vec<_> = bench.activations(device).iter().map(|a| a.id).collect();
    device.request_as(Reason::Return, &[], |ask| ask.concerned = ids)
}

#[test]
fn a_return_without_wants_gives_back_what_it_names_once() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 3);
    for expected in [1, 0, 0] {
        let request = return_named(&bench, &mut device);
        let outcome = bench.receive(&device, &request);
        let removed = outcome.activations.len();
        assert_eq!(removed, expected);
        if let Some(ack) = bench.deliver(&mut device, &outcome) {
            bench.acknowledge(&device, &ack);
        }
    }
    assert_eq!(bench.live(sold), 0);
    assert_eq!(bench.count(EventKind::Removed), 1);
}

#[test]
fn a_return_of_one_feature_gives_back_the_product() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 5, |e| e.features = features(&["scan", "print"]));
    let mut device = bench.activated("d", "scan", 1);
    bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert!(device.features().is_empty());
    assert_eq!(bench.live(sold), 0);
}

#[test]
fn what_may_not_be_returned_stays() {
    type Change = fn(&mut Bench, &Handset);
    let cases: [(Rule, Change); 3] = [
        (Rule::ReturnsNotOffered, |bench, _| {
            bench.allow(|rules| {
                rules.returns = Mode::Refused;
                rules.rehost = None;
                rules.rehost_unconfirmed = None;
            });
        }),
        (Rule::NotReturnable, |bench, device| {
            let id = bench.activations(device)[0].entitlement;
            let entitlement = bench.world.entitlement_mut(id).unwrap();
            entitlement.rules.returns_credit = false;
        }),
        (Rule::ReturnsStopped, |bench, device| {
            let device = bench.world.device_mut(&device.id).unwrap();
            device.watch.returns_stopped = true;
        }),
    ];
    for (rule, change) in cases {
        for by_name in [false, true] {
            let mut bench = Bench::new();
            let sold = bench.sell("scan", 1);
            let mut device = bench.activated("d", "scan", 1);
            change(&mut bench, &device);
            let request = match by_name {
                true => return_named(&bench, &mut device),
                false => device.request(Reason::Return, &[want("scan", 0)]),
            };
            let outcome = bench.receive(&device, &request);
            assert_eq!(denials(&outcome), [Some(rule)]);
            assert_eq!(bench.states(&device), [ActivationState::Activated]);
            assert_eq!(bench.live(sold), 1);
        }
    }
}

/// A factory grant needs no nonce, so it can be installed again where storage can be set back.
#[test]
fn what_the_factory_gave_comes_back_from_protected_storage_only() {
    for (storage, rule) in [
        (StorageClass::Unprotected, Some(Rule::FactoryNotReturnable)),
        (StorageClass::Monotonic, None),
    ] {
        let mut bench = Bench::new();
        bench.sell("scan", 1);
        let mut device = bench.activated("d", "scan", 1);
        let built = bench.world.device_mut(&device.id).unwrap();
        built.storage = storage;
        built.watch.factory_grant = true;
        let id = bench.activations(&device)[0].id;
        bench.world.activation_mut(id).unwrap().origin = Origin::Factory;
        let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
        assert_eq!(denials(&outcome), [rule]);
    }
}

/// What was never out there is free at once.
#[test]
fn a_reservation_is_given_back_without_proof() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 1);
    bench
        .operate(&device, |s, ctx, dice| {
            crate::operator::assign(s, sold, 2, crate::operator::Publish::AtContact, ctx, dice)
        })
        .unwrap();
    assert_eq!(bench.live(sold), 3);
    let request = device.request(Reason::Return, &[want("scan", 1)]);
    bench.receive(&device, &request);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(
        bench.states(&device),
        [ActivationState::Activated, ActivationState::Cancelled]
    );
}

/// A part of a reservation was never out there either.
#[test]
fn a_part_of_a_reservation_is_given_back_without_proof() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 1);
    bench
        .operate(&device, |s, ctx, dice| {
            crate::operator::assign(s, sold, 4, crate::operator::Publish::AtContact, ctx, dice)
        })
        .unwrap();
    let request = device.request(Reason::Return, &[want("scan", 3)]);
    bench.receive(&device, &request);
    assert_eq!(bench.live(sold), 3);
    let units: Vec<_> = bench.activations(&device).iter().map(|a| a.units).collect();
    assert_eq!(units, [1, 2]);
}

/// The device reports all of them under the id that it knows.
#[test]
fn what_was_used_stays_with_the_part_that_stays() {
    let mut bench = Bench::new();
    bench.sell("scan", 3);
    let mut device = bench.activated("d", "scan", 3);
    let activation = bench.activations(&device)[0].id;
    device.usage = vec![crate::ask::Usage {
        activation,
        total: 7,
    }];
    bench.ask(&mut device, Reason::Return, &[want("scan", 1)]);
    let used = bench.activations(&device);
    assert_eq!(used.len(), 2);
    assert_eq!(used.iter().map(|part| part.usage).sum::<u64>(), 7);
    let stays = used.iter().find(|part| part.id == activation).unwrap();
    assert_eq!((stays.units, stays.usage), (1, 7));
}
