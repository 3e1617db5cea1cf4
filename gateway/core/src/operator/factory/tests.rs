#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::{ActivationState, DeviceState, EntitlementId, Origin, StorageClass, Timestamp};
use crate::entitlement::{Start, Term};
use crate::event::EventKind;
use crate::operator::{Publish, assign, revoke};
use crate::testkit::{Bench, Handset, denials, want};

const TWO_YEARS: u64 = 2 * 365 * 86_400;

/// A bench with a perpetual right that is bound to every device, and a device that was never heard.
fn line() -> (Bench, EntitlementId, Handset) {
    let mut bench = Bench::new();
    let bound = bench.sell("scan", 5);
    let device = bench.expected("d");
    bench.world.bind(&device.id, bound);
    (bench, bound, device)
}

fn grant(bench: &mut Bench, device: &Handset) -> Result<Outcome, OperatorError> {
    let key = device.key;
    bench.operate(device, |s, ctx, dice| grant_at_factory(s, key, ctx, dice))
}

/// The grant carried to the device, and what the device signs for it.
fn built(bench: &mut Bench, device: &mut Handset) {
    let outcome = grant(bench, device).unwrap();
    assert_eq!(outcome.answer, Answer::Carried);
    let ack = bench.push(device).expect("a blank device takes it");
    bench.acknowledge(device, &ack);
}

fn denied(result: Result<Outcome, OperatorError>) -> Rule {
    match result.unwrap_err() {
        OperatorError::Limited(refusal) => refusal.rule,
        OperatorError::Denied(rule) => rule,
        other => panic!("{other}"),
    }
}

#[test]
fn a_blank_device_takes_what_the_factory_made_and_is_admitted_by_its_signature() {
    let (mut bench, bound, mut device) = line();
    let outcome = grant(&mut bench, &device).unwrap();
    let set = outcome.issued.unwrap().set;
    assert_eq!((set.key.generation.get(), set.nonce), (1, None));
    assert_eq!(set.install_until, bench.now.plus_seconds(TWO_YEARS));
    assert_eq!(bench.states(&device), [ActivationState::Published]);
    assert_eq!(bench.device(&device).state, DeviceState::Expected);
    assert_eq!(bench.device(&device).key(), None);
    let ack = bench.push(&mut device).unwrap();
    bench.wait(400 * 86_400);
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(bench.device(&device).state, DeviceState::Admitted);
    assert_eq!(bench.device(&device).key(), Some(device.key));
    assert_eq!((bench.live(bound), device.features()), (1, vec!["scan"]));
}

/// Asking says the same as the acknowledgement that was lost.
#[test]
fn a_first_request_that_holds_the_grant_activates_it_and_draws_nothing_twice() {
    let (mut bench, bound, mut device) = line();
    grant(&mut bench, &device).unwrap();
    bench.push(&mut device).unwrap();
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(bench.live(bound), 1);
    assert_eq!(bench.device(&device).state, DeviceState::Admitted);
}

#[test]
fn somebody_else_s_key_is_not_admitted_by_it() {
    let (mut bench, _, mut device) = line();
    grant(&mut bench, &device).unwrap();
    let mut ack = bench.push(&mut device).unwrap();
    ack.sender.verdict = crate::ask::Verdict::IdentityConflict;
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Published]);
    assert_eq!(bench.device(&device).key(), None);
}

/// An acknowledgement that names no factory grant is no way around the challenge.
#[test]
fn only_the_set_that_was_made_admits() {
    let (mut bench, _, mut device) = line();
    grant(&mut bench, &device).unwrap();
    let mut ack = bench.push(&mut device).unwrap();
    ack.ack.held.cti = crate::domain::Cti([9; 16]);
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.device(&device).key(), None);
    assert_eq!(bench.count(EventKind::DeviceAdmitted), 0);
}

#[test]
fn it_is_the_first_set_or_none() {
    let (mut bench, _, mut device) = line();
    built(&mut bench, &mut device);
    assert_eq!(grant(&mut bench, &device), Err(OperatorError::NotBlank));
    let mut heard = bench.expected("heard");
    bench.ask(&mut heard, Reason::Boot, &[]);
    assert_eq!(grant(&mut bench, &heard), Err(OperatorError::NotBlank));
}

#[test]
fn what_was_reserved_for_the_device_is_built_in() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let mut device = bench.expected("d");
    bench
        .operate(&device, |s, ctx, dice| {
            assign(s, sold, 2, Publish::AtContact, ctx, dice)
        })
        .unwrap();
    built(&mut bench, &mut device);
    let activation = bench.activations(&device)[0].clone();
    assert_eq!((activation.origin, activation.units), (Origin::Factory, 2));
    assert_eq!(bench.live(sold), 2);
}

#[test]
fn a_term_that_starts_with_the_activation_is_left_for_the_field() {
    let (mut bench, bound, mut device) = line();
    let year = |e: &mut crate::entitlement::Entitlement| {
        e.start = Start::EachActivation { latest: None };
        e.term = Term::For {
            months: 12,
            days: 0,
        };
    };
    let subscription = bench.sell_as("decode", 5, year);
    bench.world.bind(&device.id, subscription);
    built(&mut bench, &mut device);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!((bench.live(bound), bench.live(subscription)), (1, 0));
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(device.features(), ["scan", "decode"]);

    let mut bench = Bench::new();
    let subscription = bench.sell_as("decode", 5, year);
    let device = bench.expected("d");
    bench.world.bind(&device.id, subscription);
    assert_eq!(denied(grant(&mut bench, &device)), Rule::NotStarted);
}

/// Half of what a device is owed would be found out by its buyer.
#[test]
fn a_device_gets_all_that_is_bound_to_it_or_nothing() {
    let (mut bench, bound, device) = line();
    let sold_out = bench.sell("decode", 0);
    bench.world.bind(&device.id, sold_out);
    assert_eq!(denied(grant(&mut bench, &device)), Rule::NoUnitsLeft);
    assert_eq!(bench.live(bound), 0);
    let mut bench = Bench::new();
    let device = bench.expected("d");
    assert_eq!(denied(grant(&mut bench, &device)), Rule::NothingBound);
}

/// A device with unprotected storage can be wiped and take the grant again, whatever it signed.
#[test]
fn what_it_gave_is_not_free_by_the_word_of_a_device_that_can_be_set_back() {
    for (storage, freed) in [(StorageClass::Unprotected, 0), (StorageClass::Monotonic, 1)] {
        let (mut bench, bound, mut device) = line();
        bench.world.device_mut(&device.id).unwrap().storage = storage;
        built(&mut bench, &mut device);
        let id = bench.activations(&device)[0].id;
        let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
        let rule = (freed == 0).then_some(Rule::FactoryNotReturnable);
        assert_eq!(denials(&outcome), [rule]);
        if freed == 0 {
            bench
                .operate(&device, |s, ctx, dice| revoke(s, id, ctx, dice))
                .unwrap();
            let ack = bench.push(&mut device).unwrap();
            bench.acknowledge(&device, &ack);
            assert_eq!(bench.states(&device), [ActivationState::Removing]);
        }
        assert_eq!(bench.live(bound), 1 - freed);
    }
}

/// Time still frees it.
#[test]
fn what_it_gave_is_free_when_it_can_run_no_more() {
    let mut bench = Bench::new();
    let end = bench.now.plus_seconds(30 * 86_400);
    let bound = bench.sell_as("scan", 1, |e| e.term = Term::Until(end));
    let mut device = bench.expected("d");
    bench.world.bind(&device.id, bound);
    built(&mut bench, &mut device);
    bench.now = Timestamp::from_seconds(end.seconds() + 3 * 86_400);
    bench.tick(&device);
    assert_eq!(bench.live(bound), 0);
    assert_eq!(bench.states(&device), [ActivationState::Lapsed]);
}

/// On the line a device may ask by itself; it gets what is bound to it.
#[test]
fn a_device_on_the_line_draws_what_is_bound_and_nothing_by_a_want() {
    let (mut bench, bound, mut device) = line();
    bench.ask(&mut device, Reason::Factory, &[]);
    bench.ask(&mut device, Reason::Factory, &[]);
    let activation = bench.activations(&device)[0].clone();
    assert_eq!(activation.origin, Origin::Factory);
    assert_eq!((bench.live(bound), device.features()), (1, vec!["scan"]));
    let outcome = bench.ask(&mut device, Reason::Factory, &[want("scan", 2)]);
    assert_eq!(denials(&outcome), [Some(Rule::FactoryNotOffered)]);
    // It was answered, so nothing can be installed again.
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(denials(&outcome), [None]);
    assert_eq!(bench.live(bound), 0);
}
