//! Which entitlement serves a want, and by which rule it is denied.

use crate::ask::Reason;
use crate::domain::{EntitlementId, EntitlementState, LicenseModel, PartyId, RemovalReason};
use crate::entitlement::{Entitlement, Quantity, Start, Term};
use crate::event::{EventKind, Field};
use crate::license::ModelRules;
use crate::outcome::{Answer, WantVerdict};
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, Handset, denials, features, want};

fn upgrade(bench: &mut Bench, device: &mut Handset, feature: &str, total: u32) -> Option<Rule> {
    let outcome = bench.ask(device, Reason::Upgrade, &[want(feature, total)]);
    assert_eq!(outcome.answer, Answer::Grant);
    denials(&outcome)[0]
}

/// The entitlements of the device's activations, oldest first.
fn serving(bench: &Bench, device: &Handset) -> Vec<(EntitlementId, u32)> {
    bench
        .activations(device)
        .iter()
        .map(|activation| (activation.entitlement, activation.units))
        .collect()
}

#[test]
fn asking_twice_for_the_same_total_is_asking_once() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 2);
    let before = bench.activations(&device);
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
    assert_eq!(outcome.decided[0].verdict, WantVerdict::Served);
    assert_eq!(bench.activations(&device), before);
    assert_eq!(bench.live(sold), 2);
}

/// So that what was refused can be held against what was asked for.
#[test]
fn the_history_names_each_want_whichever_way_it_was_decided() {
    let mut bench = Bench::new();
    bench.sell("scan", 2);
    let mut device = bench.admitted("d");
    let mut told = |reason, total| {
        let wants = [want("scan", total), want("zoom", 1)];
        let outcome = bench.ask(&mut device, reason, &wants);
        let named = outcome.events.iter().filter_map(|event| {
            let Field::Text(feature) = event.body.field("feature")? else {
                return None;
            };
            Some((event.kind, feature.clone()))
        });
        named.collect::<Vec<_>>()
    };
    let denied = || (EventKind::Denied, "zoom".to_owned());
    for (reason, total, kind) in [
        (Reason::Upgrade, 2, EventKind::Published),
        (Reason::Upgrade, 2, EventKind::Served),
        (Reason::Return, 1, EventKind::Removing),
    ] {
        let scan = (kind, "scan".to_owned());
        assert_eq!(told(reason, total), [scan, denied()]);
    }
}

#[test]
fn a_higher_total_takes_the_difference() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 2);
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 5), None);
    assert_eq!(serving(&bench, &device), [(sold, 2), (sold, 3)]);
    assert_eq!(bench.live(sold), 5);
}

/// A want built into the firmware says at least; only a return says at most.
#[test]
fn a_lower_total_is_no_return_unless_the_request_is() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 3);
    for reason in [Reason::Boot, Reason::Renew, Reason::Upgrade, Reason::Keys] {
        let outcome = bench.ask(&mut device, reason, &[want("scan", 1)]);
        assert_eq!(outcome.decided[0].verdict, WantVerdict::Served);
    }
    assert_eq!(bench.live(sold), 3);
}

#[test]
fn one_activation_gives_every_feature_of_its_product() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 5, |e| e.features = features(&["scan", "print"]));
    let mut device = bench.admitted("d");
    let wants = [want("scan", 1), want("print", 1)];
    let outcome = bench.ask(&mut device, Reason::Boot, &wants);
    // By name, whatever comes first in the request.
    assert_eq!(outcome.decided[0].verdict, WantVerdict::Served);
    assert!(matches!(
        outcome.decided[1].verdict,
        WantVerdict::Granted(_)
    ));
    assert_eq!(device.features(), ["scan", "print"]);
    assert_eq!(bench.live(sold), 1);
}

#[test]
fn what_ends_first_serves_first_then_the_older_and_evaluations_last() {
    let mut bench = Bench::new();
    let now = bench.now;
    let until = |days: u64| Term::Until(now.plus_seconds(days * DAY));
    let evaluation = bench.sell_as("scan", 1, |e| {
        e.term = until(5);
        e.rules = ModelRules::of(LicenseModel::Evaluation);
    });
    let perpetual = bench.sell("scan", 1);
    let late = bench.sell_as("scan", 1, |e| e.term = until(20));
    let early = bench.sell_as("scan", 1, |e| e.term = until(10));
    let early_and_older = bench.sell_as("scan", 1, |e| {
        e.term = until(10);
        e.created_at = now;
    });
    let mut device = bench.admitted("d");
    for total in 1..=5 {
        assert_eq!(upgrade(&mut bench, &mut device, "scan", total), None);
    }
    let order: Vec<_> = serving(&bench, &device).iter().map(|(id, _)| *id).collect();
    assert_eq!(order, [early_and_older, early, late, perpetual, evaluation]);
}

#[test]
fn what_is_bound_to_the_device_serves_before_its_owners_pool() {
    let mut bench = Bench::new();
    let now = bench.now;
    bench.sell_as("scan", 5, |e| e.term = Term::Until(now.plus_seconds(DAY)));
    let bound = bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    bench.world.bind(&device.id, bound);
    upgrade(&mut bench, &mut device, "scan", 1);
    assert_eq!(serving(&bench, &device), [(bound, 1)]);
}

#[test]
fn a_want_is_served_by_several_or_not_at_all() {
    let mut bench = Bench::new();
    let one = bench.sell("scan", 2);
    let other = bench.sell("scan", 2);
    let mut device = bench.admitted("d");
    assert_eq!(
        upgrade(&mut bench, &mut device, "scan", 5),
        Some(Rule::NoUnitsLeft)
    );
    assert_eq!((bench.live(one), bench.live(other)), (0, 0));
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 3), None);
    assert_eq!(serving(&bench, &device), [(one, 2), (other, 1)]);
}

#[test]
fn a_denied_want_does_not_touch_the_others() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.admitted("d");
    let wants = [want("fly", 1), want("scan", 1), want("scan", 2)];
    let outcome = bench.ask(&mut device, Reason::Upgrade, &wants);
    assert_eq!(
        denials(&outcome),
        [Some(Rule::NotOwned), None, Some(Rule::NoUnitsLeft)]
    );
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn overdraft_and_unlimited_quantities_count() {
    let mut bench = Bench::new();
    bench.sell_as("scan", 1, |e| e.overdraft = 1);
    bench.sell_as("print", 0, |e| e.quantity = Quantity::Unlimited);
    let mut device = bench.admitted("d");
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 2), None);
    assert_eq!(
        upgrade(&mut bench, &mut device, "scan", 3),
        Some(Rule::NoUnitsLeft)
    );
    assert_eq!(upgrade(&mut bench, &mut device, "print", 10_000), None);
    assert_eq!(
        upgrade(&mut bench, &mut device, "print", 10_001),
        Some(Rule::TooMany)
    );
}

#[test]
fn the_last_unit_goes_to_one_of_two_devices() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut one = bench.admitted("one");
    let mut other = bench.admitted("other");
    assert_eq!(upgrade(&mut bench, &mut one, "scan", 1), None);
    assert_eq!(
        upgrade(&mut bench, &mut other, "scan", 1),
        Some(Rule::NoUnitsLeft)
    );
    assert_eq!(bench.live(sold), 1);
}

#[test]
fn each_state_and_date_denies_by_its_rule() {
    type Change = fn(&mut Entitlement);
    let cases: [(Rule, Change); 8] = [
        (Rule::Draft, |e| e.state = EntitlementState::Draft),
        (Rule::Hold, |e| e.state = EntitlementState::Hold),
        (Rule::Suspended, |e| e.state = EntitlementState::Suspended),
        (Rule::Expired, |e| e.state = EntitlementState::Expired),
        (Rule::Closed, |e| e.state = EntitlementState::Closed),
        (Rule::NotStarted, |e| e.start = Start::Awaited),
        (Rule::Expired, |e| {
            e.term = Term::Until(e.created_at.plus_seconds(60));
        }),
        (Rule::NoUnitsLeft, |e| e.quantity = Quantity::Units(0)),
    ];
    for (rule, change) in cases {
        let mut bench = Bench::new();
        let sold = bench.sell_as("scan", 1, change);
        bench.wait(DAY);
        let mut device = bench.admitted("d");
        assert_eq!(upgrade(&mut bench, &mut device, "scan", 1), Some(rule));
        assert_eq!(bench.live(sold), 0);
    }
}

#[test]
fn a_device_of_another_owner_is_denied_though_the_order_names_it() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 1, |e| e.owner = Some(PartyId([9; 16])));
    let mut device = bench.admitted("d");
    bench.world.bind(&device.id, sold);
    assert_eq!(
        upgrade(&mut bench, &mut device, "scan", 1),
        Some(Rule::OtherOwner)
    );
    bench.world.device_mut(&device.id).unwrap().owner = Some(PartyId([9; 16]));
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 1), None);
}

#[test]
fn an_evaluation_is_given_once_for_each_device_and_product() {
    let mut bench = Bench::new();
    let now = bench.now;
    for _ in 0..2 {
        bench.sell_as("scan", 9, |e| {
            e.rules = ModelRules {
                returns_credit: true,
                ..ModelRules::of(LicenseModel::Evaluation)
            };
            e.product = crate::domain::ProductId([77; 16]);
            e.term = Term::Until(now.plus_seconds(30 * DAY));
        });
    }
    let mut device = bench.admitted("d");
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 1), None);
    assert_eq!(
        upgrade(&mut bench, &mut device, "scan", 2),
        Some(Rule::EvaluationUsed)
    );
    bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(
        upgrade(&mut bench, &mut device, "scan", 1),
        Some(Rule::EvaluationUsed)
    );
    let mut other = bench.admitted("other");
    assert_eq!(upgrade(&mut bench, &mut other, "scan", 1), None);
}

/// A firmware that asks at each start must not undo what an operator did.
#[test]
fn what_was_revoked_is_not_got_back_by_asking() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 5);
    let mut device = bench.activated("d", "scan", 1);
    let id = bench.activations(&device)[0].id;
    bench
        .operate(&device, |s, ctx, dice| {
            crate::operator::revoke(s, id, ctx, dice)
        })
        .unwrap();
    for _ in 0..3 {
        assert_eq!(
            upgrade(&mut bench, &mut device, "scan", 1),
            Some(Rule::RevokedHere)
        );
    }
    let removal = bench.activations(&device)[0].standing.removal_reason();
    assert_eq!(removal, Some(RemovalReason::Revoke));
    assert_eq!(bench.live(sold), 0);
    // Assigning it again takes the revocation back.
    bench
        .operate(&device, |s, ctx, dice| {
            crate::operator::assign(s, sold, 1, crate::operator::Publish::AtContact, ctx, dice)
        })
        .unwrap();
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 1), None);
    assert_eq!(device.features(), ["scan"]);
}

/// What is past its end, in its grace, does not keep the renewal away.
#[test]
fn a_want_in_the_grace_of_the_old_term_takes_the_new() {
    let mut bench = Bench::new();
    let now = bench.now;
    bench.sell_as("scan", 1, |e| {
        e.rules.grace = 10 * DAY as u32;
        e.term = Term::Until(now.plus_seconds(5 * DAY));
    });
    let mut device = bench.activated("d", "scan", 1);
    let renewal = bench.sell("scan", 1);
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 1), None);
    assert_eq!(bench.live(renewal), 0);
    bench.wait(6 * DAY);
    assert_eq!(upgrade(&mut bench, &mut device, "scan", 1), None);
    assert_eq!(bench.live(renewal), 1);
    assert_eq!(device.features(), ["scan", "scan"]);
}

#[test]
fn what_is_not_offered_is_denied_by_name() {
    let cases = [
        (Reason::Rehost, Rule::NotReturned),
        (Reason::Temporary, Rule::TemporaryNotNeeded),
        (Reason::Factory, Rule::FactoryNotOffered),
    ];
    for (reason, rule) in cases {
        let mut bench = Bench::new();
        let sold = bench.sell("scan", 5);
        let mut device = bench.activated("d", "scan", 1);
        let outcome = bench.ask(&mut device, reason, &[want("scan", 2)]);
        assert_eq!(denials(&outcome), [Some(rule)]);
        assert_eq!(device.features(), ["scan"]);
        assert_eq!(bench.live(sold), 1);
    }
}
