//! Rights that are under a policy of their own: each place that decides looks at that one.
#![allow(clippy::unwrap_used)]

use std::num::{NonZeroU16, NonZeroU32};

use fleetgrant_schemas::Message as _;
use fleetgrant_schemas::grant::Grant;

use super::*;
use crate::ask::Reason;
use crate::domain::ActivationState;
use crate::entitlement::Term;
use crate::event::{EventKind, Field};
use crate::operator::{OperatorError, declare_dead};
use crate::outcome::Outcome;
use crate::quota::Leave;
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, Handset, denials, want};
use crate::tier::{Beyond, Causes, Mode, Permit, Quota, QuotaScope, Temporary, Window, standard};

/// Puts an entitlement under `standard` as it is shipped, changed, as `standard/1+entitlement:E-1`.
fn put(bench: &mut Bench, entitlement: EntitlementId, change: impl FnOnce(&mut TierRules)) {
    let mut policy = standard();
    policy.tag = policy.tag.under(Layer::Entitlement, "E-1");
    change(&mut policy.rules);
    bench.world.set_own_policy(entitlement, policy);
}

/// What the last event of a kind says of a field.
fn told(bench: &Bench, kind: EventKind, field: &str) -> Option<String> {
    let events = bench.world.events().filter(|(_, event)| event.kind == kind);
    match events.last()?.1.body.field(field)? {
        Field::Text(text) => Some(text.clone()),
        Field::Number(number) => Some(number.to_string()),
    }
}

fn upgrade(bench: &mut Bench, device: &mut Handset, total: u32) -> Outcome {
    bench.ask(device, Reason::Upgrade, &[want("scan", total)])
}

fn give_back(bench: &mut Bench, device: &mut Handset) -> Outcome {
    bench.ask(device, Reason::Return, &[want("scan", 0)]);
    bench.ask(device, Reason::Return, &[want("scan", 0)])
}

fn quota(units: u32) -> Permit {
    Permit::SelfService(Quota {
        units,
        per_units: None,
        window: Window::new(1, 0).unwrap(),
        scope: QuotaScope::Entitlement,
        beyond: Beyond::Refused,
    })
}

#[test]
fn a_name_has_each_layer_once_and_the_lowest_first() {
    let tag = standard().tag;
    let all = Layer::ALL.into_iter().rev();
    let named = all.fold(tag.clone(), |tag, layer| tag.under(layer, "R-1"));
    assert_eq!(
        named.to_string(),
        "standard/1+product:R-1+R-1+entitlement:R-1"
    );
    assert_eq!(tag.under(Layer::Contract, "C").to_string(), "standard/1+C");
}

#[test]
fn what_waits_by_its_own_policy_is_drawn_after_what_does_not() {
    for (own, rule) in [
        (Mode::Approval, Rule::ApprovalNeeded),
        (Mode::Refused, Rule::AssignedOnly),
    ] {
        let mut bench = Bench::new();
        let end = Term::Until(bench.now.plus_seconds(10 * DAY));
        // It ends first, so that it would go first.
        let waits = bench.sell_as("scan", 3, |e| e.term = end);
        let open = bench.sell("scan", 1);
        put(&mut bench, waits, |rules| rules.activation = own);
        let mut device = bench.admitted("d");
        upgrade(&mut bench, &mut device, 1);
        assert_eq!((bench.live(waits), bench.live(open)), (0, 1));
        let denied = upgrade(&mut bench, &mut device, 2);
        assert_eq!(denials(&denied), [Some(rule)]);
        let under = told(&bench, EventKind::Denied, "policy");
        assert_eq!(under.as_deref(), Some("standard/1+entitlement:E-1"));
        assert_eq!(denied.policy.to_string(), "standard/1");
    }
}

#[test]
fn what_is_open_by_its_own_policy_is_drawn_though_the_tier_gives_nothing_for_the_asking() {
    let mut bench = Bench::new();
    bench.allow(|rules| rules.activation = Mode::Refused);
    let open = bench.sell("scan", 1);
    bench.sell("print", 1);
    put(&mut bench, open, |_| {});
    let mut device = bench.admitted("d");
    upgrade(&mut bench, &mut device, 1);
    assert_eq!(device.features(), ["scan"]);
    let issued = told(&bench, EventKind::SetIssued, "own_policies");
    assert_eq!(issued.as_deref(), Some("standard/1+entitlement:E-1"));
    let denied = bench.ask(&mut device, Reason::Upgrade, &[want("print", 1)]);
    assert_eq!(denials(&denied), [Some(Rule::AssignedOnly)]);
    let under = told(&bench, EventKind::Denied, "policy");
    assert_eq!(under.as_deref(), Some("special/1"));
}

#[test]
fn a_return_is_by_the_policy_of_what_is_given_back() {
    for (own, rule) in [
        (Mode::Approval, Rule::ApprovalNeeded),
        (Mode::Refused, Rule::ReturnsNotOffered),
    ] {
        let mut bench = Bench::new();
        let kept = bench.sell("scan", 1);
        put(&mut bench, kept, |rules| rules.returns = own);
        let mut device = bench.activated("d", "scan", 1);
        let denied = give_back(&mut bench, &mut device);
        assert_eq!(denials(&denied), [Some(rule)]);
        assert_eq!(bench.states(&device), [ActivationState::Activated]);

        let mut bench = Bench::new();
        bench.allow(|rules| rules.returns = own);
        let free = bench.sell("scan", 1);
        put(&mut bench, free, |_| {});
        let mut device = bench.activated("d", "scan", 1);
        give_back(&mut bench, &mut device);
        assert!(device.features().is_empty());
    }
}

#[test]
fn a_move_draws_on_the_quota_of_its_own_policy() {
    let mut bench = Bench::new();
    bench.allow(|rules| rules.rehost = Some(quota(5)));
    let moved = bench.sell("scan", 1);
    put(&mut bench, moved, |rules| rules.rehost = Some(quota(1)));
    let mut devices = [bench.activated("a", "scan", 1), bench.admitted("b")];
    give_back(&mut bench, &mut devices[0]);
    upgrade(&mut bench, &mut devices[1], 1);
    assert_eq!(devices[1].features(), ["scan"]);
    let under = told(&bench, EventKind::QuotaUsed, "policy");
    assert_eq!(under.as_deref(), Some("standard/1+entitlement:E-1"));
    give_back(&mut bench, &mut devices[1]);
    let mut third = bench.admitted("c");
    let denied = upgrade(&mut bench, &mut third, 1);
    assert_eq!(denials(&denied), [Some(Rule::QuotaUsed)]);
}

#[test]
fn a_temporary_licence_is_by_its_own_policy_and_runs_as_long_as_that_says() {
    let mut bench = Bench::new();
    bench.allow(|rules| rules.temporary = None);
    let sold = bench.sell("scan", 1);
    put(&mut bench, sold, |rules| {
        rules.temporary = Some(Temporary {
            permit: quota(1),
            days: NonZeroU16::new(3).unwrap(),
            causes: Causes::Broken,
        });
    });
    bench.activated("broken", "scan", 1);
    let mut device = bench.admitted("d");
    bench.ask(&mut device, Reason::Temporary, &[want("scan", 1)]);
    assert_eq!(device.features(), ["scan"]);
    let end = bench.now.plus_seconds(3 * DAY);
    assert_eq!(device.rights[0].2, Some(end.seconds()));
    let mut other = bench.admitted("other");
    let denied = bench.ask(&mut other, Reason::Temporary, &[want("scan", 1)]);
    assert_eq!(denials(&denied), [Some(Rule::QuotaUsed)]);
}

#[test]
fn grace_and_lease_of_a_right_are_those_of_its_own_policy() {
    let mut bench = Bench::new();
    bench.allow(|rules| {
        rules.grace = 5 * DAY as u32;
        rules.renew_after = Some(20 * DAY as u32);
        rules.lease = NonZeroU32::new(40 * DAY as u32);
    });
    let end = bench.now.plus_seconds(10 * DAY);
    let own = bench.sell_as("scan", 1, |e| e.term = Term::Until(end));
    bench.sell_as("print", 1, |e| e.term = Term::Until(end));
    put(&mut bench, own, |rules| {
        rules.grace = 30 * DAY as u32;
        rules.lease = NonZeroU32::new(90 * DAY as u32);
    });
    let mut device = bench.activated("d", "scan", 1);
    bench.ask(&mut device, Reason::Upgrade, &[want("print", 1)]);
    let payload = bench.world.latest_set(&device.id).unwrap().payload.clone();
    let grant = Grant::decode(&payload).unwrap();
    let days = |seconds: u32| u64::from(seconds) / DAY;
    let lease = |end: u64| (end - bench.now.seconds()) / DAY;
    let mut said: Vec<_> = grant
        .entitlements
        .iter()
        .map(|right| {
            let grace = right.grace.map(days);
            (right.feature, grace, right.lease_end.map(lease))
        })
        .collect();
    said.sort_unstable();
    let expected = [("print", Some(5), Some(40)), ("scan", Some(30), Some(90))];
    assert_eq!(said, expected);
    // What the device says has ended goes on to the end of its own grace.
    bench.wait(11 * DAY);
    bench.ask(&mut device, Reason::Renew, &[]);
    let graces: Vec<_> = bench
        .activations(&device)
        .iter()
        .map(|a| a.run.unwrap().grace)
        .collect();
    assert!(graces.contains(&(30 * DAY as u32)), "{graces:?}");
}

#[test]
fn a_dead_device_is_written_off_by_the_policies_of_its_rights() {
    let bury = |bench: &mut Bench, device: &Handset| {
        bench.operate(device, |s, ctx, dice| {
            declare_dead(s, Leave::Policy, ctx, dice)
        })
    };
    let mut bench = Bench::new();
    bench.allow(|rules| rules.rehost_unconfirmed = None);
    let sold = bench.sell("scan", 2);
    put(&mut bench, sold, |rules| {
        rules.rehost_unconfirmed = Some(quota(1));
    });
    let [first, second] = ["a", "b"].map(|name| bench.activated(name, "scan", 1));
    bury(&mut bench, &first).unwrap();
    let Err(OperatorError::Limited(refusal)) = bury(&mut bench, &second) else {
        panic!("one is given");
    };
    assert_eq!(refusal.rule, Rule::QuotaUsed);
}

#[test]
fn uses_are_read_for_the_longest_window_of_any() {
    let mut policies = Policies::unassigned();
    let of_tier = policies.longest_window();
    let mut own = standard();
    own.rules.rehost = Some(Permit::SelfService(Quota {
        units: 1,
        per_units: None,
        window: Window::new(24, 0).unwrap(),
        scope: QuotaScope::Device,
        beyond: Beyond::Refused,
    }));
    policies.put(EntitlementId([1; 16]), Arc::new(own));
    assert!(policies.longest_window() > of_tier);
}
