#![allow(clippy::unwrap_used)]

use crate::ask::Reason;
use crate::domain::{ActivationState, EntitlementId, EntitlementState};
use crate::entitlement::Term;
use crate::event::EventKind;
use crate::operator::{self, Publish};
use crate::testkit::{Bench, DAY, Handset, want};

/// A device with a unit that ends in ten days, with five days of grace.
fn subscribed() -> (Bench, EntitlementId, Handset) {
    let mut bench = Bench::new();
    let now = bench.now;
    let sold = bench.sell_as("scan", 1, |e| {
        e.term = Term::Until(now.plus_seconds(10 * DAY));
        e.rules.grace = 5 * DAY as u32;
    });
    let device = bench.activated("d", "scan", 1);
    (bench, sold, device)
}

#[test]
fn a_unit_is_free_when_no_set_lets_it_run_and_not_a_second_before() {
    let (mut bench, sold, device) = subscribed();
    bench.wait(10 * DAY + 5 * DAY + bench.policy.slack - 1);
    bench.tick(&device);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(bench.live(sold), 1);
    bench.wait(1);
    bench.tick(&device);
    assert_eq!(bench.states(&device), [ActivationState::Lapsed]);
    assert_eq!(bench.live(sold), 0);
    // Once.
    let outcome = bench.tick(&device);
    assert!(outcome.events.is_empty());
}

#[test]
fn a_perpetual_unit_of_a_silent_device_is_never_free() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let device = bench.activated("d", "scan", 1);
    bench.wait(100 * 365 * DAY);
    bench.tick(&device);
    assert_eq!(bench.live(sold), 1);
}

/// A set that the device may still have lets it run for longer than the latest.
#[test]
fn an_end_that_moved_nearer_does_not_free_earlier() {
    let (mut bench, sold, mut device) = subscribed();
    let now = bench.now;
    bench.world.entitlement_mut(sold).unwrap().term = Term::Until(now.plus_seconds(2 * DAY));
    let request = device.request(Reason::Renew, &[]);
    bench.receive(&device, &request);
    bench.wait(10 * DAY);
    bench.tick(&device);
    assert_eq!(bench.live(sold), 1);
    bench.wait(5 * DAY + bench.policy.slack);
    bench.tick(&device);
    assert_eq!(bench.live(sold), 0);
}

#[test]
fn an_end_that_moved_away_is_followed() {
    let (mut bench, sold, mut device) = subscribed();
    let now = bench.now;
    let later = now.plus_seconds(40 * DAY);
    bench.world.entitlement_mut(sold).unwrap().term = Term::Until(later);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(device.rights[0].2, Some(later.seconds() + 5 * DAY));
    bench.wait(20 * DAY);
    bench.tick(&device);
    assert_eq!(bench.live(sold), 1);
}

/// Between its grace and the slack it is out of the next set, and free by proof or by time.
#[test]
fn what_is_over_leaves_the_set() {
    let (mut bench, sold, mut device) = subscribed();
    bench.wait(15 * DAY);
    let request = device.request(Reason::Renew, &[]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    assert_eq!(bench.live(sold), 1);
    let ack = bench.deliver(&mut device, &outcome).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(sold), 0);
}

#[test]
fn a_contact_frees_what_has_lapsed_before_it_decides() {
    let (mut bench, sold, mut device) = subscribed();
    bench.wait(40 * DAY);
    let now = bench.now;
    bench.world.entitlement_mut(sold).unwrap().term = Term::Until(now.plus_seconds(40 * DAY));
    bench.ask(&mut device, Reason::Renew, &[want("scan", 1)]);
    assert_eq!(
        bench.states(&device),
        [ActivationState::Lapsed, ActivationState::Activated]
    );
    assert_eq!(bench.live(sold), 1);
}

#[test]
fn a_reservation_whose_time_is_over_is_undone() {
    let (mut bench, sold, _) = subscribed();
    bench.world.entitlement_mut(sold).unwrap().overdraft = 1;
    let other = bench.admitted("other");
    bench
        .operate(&other, |s, ctx, dice| {
            operator::assign(s, sold, 1, Publish::AtContact, ctx, dice)
        })
        .unwrap();
    bench.wait(15 * DAY - 1);
    bench.tick(&other);
    assert_eq!(bench.states(&other), [ActivationState::Reserved]);
    bench.wait(1);
    bench.tick(&other);
    assert_eq!(bench.states(&other), [ActivationState::Cancelled]);
}

/// What is suspended is not resumed after its end.
#[test]
fn a_reservation_whose_time_is_over_is_undone_though_it_is_suspended() {
    let (mut bench, sold, _) = subscribed();
    bench.world.entitlement_mut(sold).unwrap().overdraft = 1;
    let other = bench.admitted("other");
    bench
        .operate(&other, |s, ctx, dice| {
            operator::assign(s, sold, 1, Publish::AtContact, ctx, dice)
        })
        .unwrap();
    bench.world.entitlement_mut(sold).unwrap().state = EntitlementState::Suspended;
    bench.wait(15 * DAY);
    bench.tick(&other);
    assert_eq!(bench.states(&other), [ActivationState::Cancelled]);
}

#[test]
fn a_removal_without_proof_is_orphaned_and_keeps_its_unit() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let id = bench.activations(&device)[0].id;
    bench
        .operate(&device, |s, ctx, dice| operator::revoke(s, id, ctx, dice))
        .unwrap();
    bench.wait(bench.policy.orphan_after - 1);
    bench.tick(&device);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    bench.wait(1);
    bench.tick(&device);
    assert_eq!(bench.states(&device), [ActivationState::Orphaned]);
    assert_eq!(bench.count(EventKind::Orphaned), 1);
    assert_eq!(bench.live(sold), 1);
    // The proof may come after all.
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
    assert_eq!(bench.live(sold), 0);
}
