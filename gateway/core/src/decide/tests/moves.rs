//! Units that go from one device to another: what counts as a move, and how many there may be.

use crate::ask::Reason;
use crate::domain::{ActivationId, EntitlementId, Timestamp};
use crate::event::EventKind;
use crate::outcome::Outcome;
use crate::quota::{Leave, QuotaKind, QuotaUse, Uses};
use crate::rule::{Refusal, Rule};
use crate::testkit::{Bench, DAY, Handset, denials, want};
use crate::tier::{Beyond, Permit, Quota, QuotaScope, Window};

fn quota(units: u32, scope: QuotaScope, beyond: Beyond) -> Option<Permit> {
    Some(Permit::SelfService(Quota {
        units,
        per_units: None,
        window: Window::new(1, 0).unwrap(),
        scope,
        beyond,
    }))
}

/// A bench under a policy that gives so many moves a month.
fn bench(units: u32, scope: QuotaScope, beyond: Beyond) -> Bench {
    let mut bench = Bench::new();
    bench.allow(|rules| rules.rehost = quota(units, scope, beyond));
    bench
}

fn ask(bench: &mut Bench, device: &mut Handset, reason: Reason) -> Outcome {
    bench.ask(device, reason, &[want("scan", 1)])
}

fn give_back(bench: &mut Bench, device: &mut Handset) {
    // The first may only bring the challenge.
    bench.ask(device, Reason::Return, &[want("scan", 0)]);
    bench.ask(device, Reason::Return, &[want("scan", 0)]);
    assert!(device.features().is_empty());
}

fn last(bench: &Bench, device: &Handset) -> (ActivationId, Option<ActivationId>) {
    let last = bench.activations(device).pop().unwrap();
    (last.id, last.predecessor)
}

fn returned(bench: &Bench, sold: EntitlementId) -> u32 {
    bench.world.entitlement(sold).unwrap().returned
}

#[test]
fn a_returned_unit_moves_to_the_next_device_and_is_no_new_one() {
    for reason in [Reason::Upgrade, Reason::Rehost, Reason::Boot] {
        let mut bench = bench(1, QuotaScope::Entitlement, Beyond::Refused);
        let sold = bench.sell("scan", 1);
        let mut old = bench.activated("old", "scan", 1);
        let (first, _) = last(&bench, &old);
        give_back(&mut bench, &mut old);
        assert_eq!(returned(&bench, sold), 1);
        let mut new = bench.admitted("new");
        ask(&mut bench, &mut new, reason);
        assert_eq!(new.features(), ["scan"]);
        assert_eq!(last(&bench, &new).1, Some(first));
        assert_eq!((bench.live(sold), returned(&bench, sold)), (1, 0));
        assert_eq!(bench.count(EventKind::QuotaUsed), 1);
    }
}

#[test]
fn moves_beyond_the_quota_are_denied_until_the_window_has_moved_on() {
    let mut bench = bench(1, QuotaScope::Entitlement, Beyond::Refused);
    bench.sell("scan", 1);
    let mut devices = [bench.activated("a", "scan", 1), bench.admitted("b")];
    give_back(&mut bench, &mut devices[0]);
    let moved_at = bench.now;
    ask(&mut bench, &mut devices[1], Reason::Upgrade);
    bench.wait(DAY);
    give_back(&mut bench, &mut devices[1]);
    let mut third = bench.admitted("c");
    let outcome = ask(&mut bench, &mut third, Reason::Upgrade);
    assert_eq!(denials(&outcome), [Some(Rule::QuotaUsed)]);
    let Some(crate::outcome::WantVerdict::Denied { lifts_at, .. }) = outcome
        .decided
        .first()
        .map(|decided| decided.verdict.clone())
    else {
        panic!("it is denied");
    };
    // From noon on 1 December, a month.
    assert_eq!(lifts_at, Some(moved_at.plus_seconds(31 * DAY)));
    bench.now = lifts_at.unwrap();
    ask(&mut bench, &mut third, Reason::Upgrade);
    assert_eq!(third.features(), ["scan"]);
}

#[test]
fn what_lies_beyond_waits_for_an_approval_where_policy_says_so() {
    let mut bench = bench(0, QuotaScope::Entitlement, Beyond::Approval);
    bench.sell("scan", 1);
    let mut old = bench.activated("old", "scan", 1);
    give_back(&mut bench, &mut old);
    let mut new = bench.admitted("new");
    let outcome = ask(&mut bench, &mut new, Reason::Upgrade);
    assert_eq!(denials(&outcome), [Some(Rule::ApprovalNeeded)]);
}

#[test]
fn a_device_takes_up_what_it_gave_back_and_that_is_no_move() {
    let mut bench = bench(0, QuotaScope::Entitlement, Beyond::Refused);
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let (first, _) = last(&bench, &device);
    give_back(&mut bench, &mut device);
    ask(&mut bench, &mut device, Reason::Upgrade);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(last(&bench, &device).1, Some(first));
    assert_eq!(returned(&bench, sold), 0);
    assert_eq!(bench.count(EventKind::QuotaUsed), 0);
}

#[test]
fn fresh_units_go_first_and_are_no_move() {
    let mut bench = bench(0, QuotaScope::Entitlement, Beyond::Refused);
    bench.sell("scan", 3);
    let mut old = bench.activated("old", "scan", 1);
    give_back(&mut bench, &mut old);
    for name in ["a", "b"] {
        let mut new = bench.admitted(name);
        ask(&mut bench, &mut new, Reason::Upgrade);
        assert_eq!(new.features(), ["scan"], "{name}");
    }
    let mut third = bench.admitted("c");
    let outcome = ask(&mut bench, &mut third, Reason::Upgrade);
    assert_eq!(denials(&outcome), [Some(Rule::QuotaUsed)]);
}

#[test]
fn a_unit_that_is_not_returned_cannot_be_taken_over() {
    let mut bench = bench(5, QuotaScope::Entitlement, Beyond::Refused);
    bench.sell("scan", 2);
    let mut old = bench.activated("old", "scan", 1);
    let mut new = bench.admitted("new");
    let outcome = ask(&mut bench, &mut new, Reason::Rehost);
    assert_eq!(denials(&outcome), [Some(Rule::NotReturned)]);
    // It is on its way out, and not proven to be gone.
    let request = old.request(Reason::Return, &[want("scan", 0)]);
    bench.receive(&old, &request);
    let outcome = ask(&mut bench, &mut new, Reason::Rehost);
    assert_eq!(denials(&outcome), [Some(Rule::NotReturned)]);
}

#[test]
fn a_request_that_names_an_activation_takes_over_that_one() {
    let mut bench = bench(5, QuotaScope::Entitlement, Beyond::Refused);
    bench.sell("scan", 2);
    let mut olds = [
        bench.activated("a", "scan", 1),
        bench.activated("b", "scan", 1),
    ];
    let ids = [0, 1].map(|old| last(&bench, &olds[old]).0);
    olds.iter_mut().for_each(|old| give_back(&mut bench, old));
    let mut new = bench.admitted("new");
    let named = new.request_as(Reason::Rehost, &[want("scan", 1)], |ask| {
        ask.concerned = vec![ids[1]];
    });
    let outcome = bench.receive(&new, &named);
    bench.deliver(&mut new, &outcome).unwrap();
    assert_eq!(last(&bench, &new).1, Some(ids[1]));
    let unknown = new.request_as(Reason::Rehost, &[want("scan", 2)], |ask| {
        ask.concerned = vec![ActivationId([9; 16])];
    });
    let outcome = bench.receive(&new, &unknown);
    assert_eq!(denials(&outcome), [Some(Rule::NotReturned)]);
}

#[test]
fn the_scope_says_whose_moves_are_counted_together() {
    for (scope, denied) in [
        (QuotaScope::Entitlement, None),
        (QuotaScope::Customer, Some(Rule::QuotaUsed)),
        (QuotaScope::Device, Some(Rule::QuotaUsed)),
    ] {
        let mut bench = bench(1, scope, Beyond::Refused);
        bench.sell("scan", 1);
        bench.sell("print", 1);
        let mut old = bench.activated("old", "scan", 1);
        bench.ask(&mut old, Reason::Upgrade, &[want("print", 1)]);
        bench.ask(
            &mut old,
            Reason::Return,
            &[want("scan", 0), want("print", 0)],
        );
        let mut new = bench.admitted("new");
        ask(&mut bench, &mut new, Reason::Upgrade);
        let outcome = bench.ask(&mut new, Reason::Upgrade, &[want("print", 1)]);
        assert_eq!(denials(&outcome), [denied], "{scope:?}");
    }
}

#[test]
fn no_moves_where_policy_has_none() {
    let mut bench = Bench::new();
    bench.allow(|rules| {
        rules.rehost = None;
        rules.rehost_unconfirmed = None;
    });
    bench.sell("scan", 1);
    let mut old = bench.activated("old", "scan", 1);
    give_back(&mut bench, &mut old);
    let mut new = bench.admitted("new");
    let outcome = ask(&mut bench, &mut new, Reason::Upgrade);
    assert_eq!(denials(&outcome), [Some(Rule::RehostNotOffered)]);
    ask(&mut bench, &mut old, Reason::Upgrade);
    assert_eq!(old.features(), ["scan"]);
}

#[test]
fn a_part_of_what_was_given_back_leaves_the_rest_to_be_taken_up() {
    let mut bench = bench(3, QuotaScope::Entitlement, Beyond::Refused);
    let sold = bench.sell("scan", 3);
    let mut old = bench.activated("old", "scan", 3);
    give_back(&mut bench, &mut old);
    let mut new = bench.admitted("new");
    bench.ask(&mut new, Reason::Upgrade, &[want("scan", 2)]);
    assert_eq!((bench.live(sold), returned(&bench, sold)), (2, 1));
    ask(&mut bench, &mut old, Reason::Upgrade);
    assert_eq!((bench.live(sold), returned(&bench, sold)), (3, 0));
}

/// Two replicas decide on the last move of the quota at the same moment.
#[test]
fn two_that_decide_at_once_do_not_both_get_the_last_of_a_quota() {
    let mut bench = bench(1, QuotaScope::Entitlement, Beyond::Refused);
    bench.sell("scan", 2);
    let mut old = bench.activated("old", "scan", 2);
    give_back(&mut bench, &mut old);
    let mut news = [bench.admitted("a"), bench.admitted("b")];
    let outcomes = news.each_mut().map(|new| {
        let request = new.request(Reason::Upgrade, &[want("scan", 1)]);
        let snapshot = bench.world.snapshot(&new.id, Some(&request.ask));
        bench.decide(|ctx, dice| crate::request::on_request(snapshot, &request, ctx, dice))
    });
    bench.apply(&outcomes[0]);
    assert!(bench.world.apply(&outcomes[1], bench.now).is_err());
    assert_eq!(bench.world.uses().count(), 1);
}

/// Of two uses the later one would count no more first, a month after it: what is counted must be all
/// since some instant, or no guard would ever fit.
#[test]
fn no_use_ends_before_an_earlier_one() {
    let mut bench = bench(2, QuotaScope::Entitlement, Beyond::Refused);
    let sold = bench.sell("scan", 5);
    let device = bench.admitted("d");
    let device = bench.device(&device).clone();
    let entitlement = bench.world.entitlement(sold).unwrap();
    let at = |text: &str| {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    };
    let used = ["2027-01-28T12:00:00Z", "2027-01-31T10:00:00Z"].map(|text| QuotaUse {
        kind: QuotaKind::Rehost,
        entitlement: sold,
        owner: device.owner,
        device: device.id.clone(),
        units: 1,
        leave: Leave::Policy,
        at: at(text),
    });
    let permit = |units, now: &str| {
        let uses = Uses {
            device: &device,
            stored: &used,
            leave: Leave::Policy,
            now: at(now),
        };
        let quota = quota(units, QuotaScope::Entitlement, Beyond::Refused);
        uses.permit(QuotaKind::Rehost, quota, entitlement, 1, &[])
    };
    let refused = permit(2, "2027-02-28T11:00:00Z").unwrap_err();
    assert_eq!(refused.lifts_at, Some(at("2027-02-28T12:00:00Z")));
    let guard = permit(3, "2027-02-28T11:00:00Z").unwrap().guard.unwrap();
    assert_eq!((guard.seen, guard.allowance), (2, 3));
    assert!(guard.after < used[0].at);
    let guard = permit(2, "2027-02-28T12:00:00Z").unwrap().guard.unwrap();
    assert_eq!(guard.seen, 0);
    assert!(guard.after > used[1].at);
}

#[test]
fn a_refusal_that_no_time_lifts_says_none() {
    let refusal = Refusal::from(Rule::NotReturned);
    assert_eq!(refusal.lifts_at, None);
}

/// The request that proves a return can take up the unit again, and that is no move either.
#[test]
fn a_unit_proven_and_taken_up_by_the_same_request_is_no_move() {
    let mut bench = bench(0, QuotaScope::Entitlement, Beyond::Refused);
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let (first, _) = last(&bench, &device);
    let request = device.request(Reason::Return, &[want("scan", 0)]);
    let outcome = bench.receive(&device, &request);
    // The acknowledgement is lost.
    bench.deliver(&mut device, &outcome).unwrap();
    ask(&mut bench, &mut device, Reason::Upgrade);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(last(&bench, &device).1, Some(first));
    assert_eq!((bench.live(sold), returned(&bench, sold)), (1, 0));
}

#[test]
fn what_its_model_keeps_where_it_is_goes_back_to_its_own_device_only() {
    let mut bench = bench(9, QuotaScope::Entitlement, Beyond::Refused);
    let sold = bench.sell_as("scan", 1, |e| e.rules.rehost = false);
    let mut old = bench.activated("old", "scan", 1);
    give_back(&mut bench, &mut old);
    assert_eq!((bench.live(sold), returned(&bench, sold)), (0, 1));
    let mut new = bench.admitted("new");
    let outcome = ask(&mut bench, &mut new, Reason::Upgrade);
    assert_eq!(denials(&outcome), [Some(Rule::RehostNotOffered)]);
    ask(&mut bench, &mut old, Reason::Upgrade);
    assert_eq!(old.features(), ["scan"]);
    assert_eq!(bench.count(EventKind::QuotaUsed), 0);
}
