//! Temporary licences: when they are given, what they draw on, and how they end.

use crate::ask::Reason;
use crate::domain::{ActivationKind, ActivationState, EntitlementState};
use crate::entitlement::Term;
use crate::outcome::Outcome;
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, Handset, denials, want};
use crate::tier::{Causes, standard};

fn ask(bench: &mut Bench, device: &mut Handset) -> Outcome {
    bench.ask(device, Reason::Temporary, &[want("scan", 1)])
}

#[test]
fn an_emergency_takes_no_unit_and_ends_by_itself() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    let outcome = ask(&mut bench, &mut device);
    assert_eq!(denials(&outcome), [None]);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(bench.live(sold), 1);
    let activation = bench.activations(&device).pop().unwrap();
    assert_eq!(activation.kind, ActivationKind::Temporary);
    let end = bench.now.plus_seconds(7 * DAY);
    assert_eq!(activation.run.unwrap().end, Some(end));
    assert_eq!(device.rights[0].2, Some(end.seconds()), "without grace");

    bench.wait(7 * DAY);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert!(device.features().is_empty());
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
    assert_eq!(bench.live(sold), 1);
}

#[test]
fn the_device_is_told_that_it_is_temporary() {
    use fleetgrant_schemas::Message as _;
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    ask(&mut bench, &mut device);
    let payload = bench.world.latest_set(&device.id).unwrap().payload.clone();
    let grant = fleetgrant_schemas::grant::Grant::decode(&payload).unwrap();
    let models: Vec<_> = grant.entitlements.iter().map(|right| right.model).collect();
    assert_eq!(models, [fleetgrant_schemas::entitlement::Model::Temporary]);
}

#[test]
fn asking_twice_is_asking_once() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    ask(&mut bench, &mut device);
    ask(&mut bench, &mut device);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(bench.world.uses().count(), 1);
}

#[test]
fn the_quota_counts_them_and_beyond_it_they_wait_for_an_approval() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut first = bench.admitted("first");
    ask(&mut bench, &mut first);
    let mut second = bench.admitted("second");
    let outcome = ask(&mut bench, &mut second);
    assert_eq!(denials(&outcome), [Some(Rule::ApprovalNeeded)]);
    assert!(second.features().is_empty());
}

#[test]
fn a_stop_gap_bridges_a_late_renewal() {
    let mut bench = Bench::new();
    let end = bench.now.plus_seconds(10 * DAY);
    let sold = bench.sell_as("scan", 1, |e| e.term = Term::Until(end));
    let mut device = bench.activated("d", "scan", 1);
    bench.wait(10 * DAY);
    // The first brings the challenge.
    ask(&mut bench, &mut device);
    let outcome = ask(&mut bench, &mut device);
    assert_eq!(denials(&outcome), [None]);
    assert_eq!(device.features(), ["scan"]);
    // The renewal arrives: the right stays, the stop-gap goes.
    bench.world.entitlement_mut(sold).unwrap().term = Term::Perpetual;
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    let running: Vec<_> = bench
        .activations(&device)
        .into_iter()
        .filter(|activation| activation.is_wanted())
        .map(|activation| activation.kind)
        .collect();
    assert_eq!(running, [ActivationKind::Normal]);
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn a_right_that_stays_takes_its_place() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    ask(&mut bench, &mut device);
    let denied = bench.ask(&mut device, Reason::Boot, &[want("scan", 1)]);
    assert_eq!(
        denials(&denied),
        [Some(Rule::NoUnitsLeft)],
        "what is wanted is a right that stays"
    );
    assert_eq!(device.features(), ["scan"]);
    bench.world.entitlement_mut(sold).unwrap().quantity = crate::entitlement::Quantity::Units(2);
    bench.ask(&mut device, Reason::Boot, &[want("scan", 1)]);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(
        bench.states(&device),
        [ActivationState::Removed, ActivationState::Activated]
    );
    assert_eq!(bench.live(sold), 2);
}

#[test]
fn a_return_by_number_leaves_it_alone() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    ask(&mut bench, &mut device);
    bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn it_is_given_for_the_causes_of_the_policy_and_where_it_is_needed() {
    type Change = fn(&mut Bench);
    let cases: [(&str, Rule, Change); 5] = [
        ("not offered", Rule::TemporaryNotOffered, |bench| {
            bench.allow(|rules| rules.temporary = None);
        }),
        (
            "for late renewals only",
            Rule::TemporaryNotOffered,
            |bench| {
                bench.allow(|rules| {
                    let temporary = standard().rules.temporary;
                    rules.temporary = temporary.map(|temporary| crate::tier::Temporary {
                        causes: Causes::Expired,
                        ..temporary
                    });
                });
            },
        ),
        ("a unit is free", Rule::TemporaryNotNeeded, |bench| {
            let id = crate::domain::EntitlementId([1; 16]);
            let sold = bench.world.entitlement_mut(id).unwrap();
            sold.quantity = crate::entitlement::Quantity::Units(2);
        }),
        ("suspended", Rule::Suspended, |bench| {
            let id = crate::domain::EntitlementId([1; 16]);
            bench.world.entitlement_mut(id).unwrap().state = EntitlementState::Suspended;
        }),
        ("of another owner", Rule::NotOwned, |bench| {
            let id = crate::domain::EntitlementId([1; 16]);
            bench.world.entitlement_mut(id).unwrap().owner = Some(crate::domain::PartyId([7; 16]));
        }),
    ];
    for (what, rule, change) in cases {
        let mut bench = Bench::new();
        bench.sell("scan", 1);
        bench.activated("broken", "scan", 1);
        change(&mut bench);
        let mut device = bench.admitted("d");
        let outcome = ask(&mut bench, &mut device);
        assert_eq!(denials(&outcome), [Some(rule)], "{what}");
        assert!(device.features().is_empty());
        assert_eq!(bench.world.uses().count(), 0);
    }
}

#[test]
fn a_tier_that_has_none_any_more_lets_what_is_out_run_to_its_end() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    ask(&mut bench, &mut device);
    bench.allow(|rules| rules.temporary = None);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(device.features(), ["scan"]);
    bench.wait(7 * DAY);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert!(device.features().is_empty());
}
