#![allow(clippy::unwrap_used)]

mod exchange;
mod outage;
mod repair;

use fleetgrant_schemas::Message;
use fleetgrant_schemas::ack::{Outcome::Refused, OutcomeReason};
use fleetgrant_schemas::grant::Grant;

use super::*;
use crate::ask::{Exception, Reason};
use crate::domain::{ActivationState, EntitlementState, PartyId};
use crate::entitlement::{Entitlement, Start};
use crate::testkit::{Bench, DAY, Handset, want};

fn assign_to(
    bench: &mut Bench,
    device: &Handset,
    sold: EntitlementId,
    units: u32,
    publish: Publish,
) -> Result<Outcome, OperatorError> {
    bench.operate(device, |s, ctx, dice| {
        assign(s, sold, units, publish, ctx, dice)
    })
}

fn revoke_of(bench: &mut Bench, device: &Handset, place: usize) -> Result<Outcome, OperatorError> {
    let id = bench.activations(device)[place].id;
    bench.operate(device, |s, ctx, dice| revoke(s, id, ctx, dice))
}

#[test]
fn an_assignment_holds_its_units_and_goes_out_at_the_next_contact() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let mut device = bench.admitted("d");
    assign_to(&mut bench, &device, sold, 2, Publish::AtContact).unwrap();
    assert_eq!(bench.states(&device), [ActivationState::Reserved]);
    assert_eq!(bench.live(sold), 2);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn an_assignment_to_a_device_that_was_never_heard_waits_for_it() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let mut device = bench.expected("d");
    assert_eq!(
        assign_to(&mut bench, &device, sold, 1, Publish::Now),
        Err(OperatorError::NotAdmitted)
    );
    assert_eq!(bench.live(sold), 0);
    assign_to(&mut bench, &device, sold, 1, Publish::AtContact).unwrap();
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn an_assignment_can_be_pushed_at_once() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let mut device = bench.activated("d", "scan", 1);
    let outcome = assign_to(&mut bench, &device, sold, 1, Publish::Now).unwrap();
    assert_eq!(outcome.answer, Answer::None);
    assert_eq!(outcome.issued.unwrap().set.nonce, None);
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(device.features(), ["scan", "scan"]);
}

/// A recorded set must be useless after a reset.
#[test]
fn a_blank_device_does_not_take_what_was_pushed() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let mut device = bench.activated("d", "scan", 1);
    assign_to(&mut bench, &device, sold, 1, Publish::Now).unwrap();
    device.wipe();
    assert!(bench.push(&mut device).is_none());
}

#[test]
fn an_assignment_is_denied_by_the_rules_of_a_want() {
    type Change = fn(&mut Entitlement);
    let cases: [(Rule, Change); 4] = [
        (Rule::NoUnitsLeft, |e| e.live = 3),
        (Rule::OtherOwner, |e| e.owner = Some(PartyId([9; 16]))),
        (Rule::Hold, |e| e.state = EntitlementState::Hold),
        (Rule::Closed, |e| e.state = EntitlementState::Closed),
    ];
    for (rule, change) in cases {
        let mut bench = Bench::new();
        let sold = bench.sell("scan", 3);
        let device = bench.admitted("d");
        bench.world.bind(&device.id, sold);
        change(bench.world.entitlement_mut(sold).unwrap());
        assert_eq!(
            assign_to(&mut bench, &device, sold, 1, Publish::AtContact),
            Err(OperatorError::Denied(rule))
        );
    }
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let device = bench.admitted("d");
    let unknown = EntitlementId([99; 16]);
    let cases = [
        (sold, 0, OperatorError::NoUnits),
        (sold, 4, OperatorError::Denied(Rule::NoUnitsLeft)),
        (unknown, 1, OperatorError::UnknownEntitlement),
    ];
    for (entitlement, units, error) in cases {
        let result = assign_to(&mut bench, &device, entitlement, units, Publish::AtContact);
        assert_eq!(result, Err(error));
    }
}

#[test]
fn an_assignment_ahead_of_the_shipment_waits_for_it() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 1, |e| e.start = Start::Awaited);
    let mut device = bench.admitted("d");
    assign_to(&mut bench, &device, sold, 1, Publish::AtContact).unwrap();
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.states(&device), [ActivationState::Reserved]);
    let now = bench.now;
    bench.world.entitlement_mut(sold).unwrap().start = Start::At(now);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
}

#[test]
fn cancelling_undoes_what_was_not_published() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let mut device = bench.admitted("d");
    assign_to(&mut bench, &device, sold, 2, Publish::AtContact).unwrap();
    let id = bench.activations(&device)[0].id;
    bench
        .operate(&device, |s, ctx, _| cancel(s, id, ctx))
        .unwrap();
    assert_eq!(bench.states(&device), [ActivationState::Cancelled]);
    assert_eq!(bench.live(sold), 0);

    assign_to(&mut bench, &device, sold, 2, Publish::AtContact).unwrap();
    bench.ask(&mut device, Reason::Boot, &[]);
    let id = bench.activations(&device)[1].id;
    assert_eq!(
        bench.operate(&device, |s, ctx, _| cancel(s, id, ctx)),
        Err(OperatorError::AlreadyOut(ActivationState::Activated))
    );
}

#[test]
fn a_revoked_unit_is_free_only_when_its_absence_is_proven() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let outcome = revoke_of(&mut bench, &device, 0).unwrap();
    assert!(outcome.issued.is_some());
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    let mut other = bench.admitted("other");
    let denied = bench.ask(&mut other, Reason::Boot, &[want("scan", 1)]);
    assert_eq!(crate::testkit::denials(&denied), [Some(Rule::NoUnitsLeft)]);
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    bench.ask(&mut other, Reason::Boot, &[want("scan", 1)]);
    assert_eq!(other.features(), ["scan"]);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(
        revoke_of(&mut bench, &device, 0),
        Err(OperatorError::UnknownActivation),
        "it is history"
    );
}

#[test]
fn a_suspended_entitlement_switches_off_and_keeps_the_unit() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let set_state = |bench: &mut Bench, state| {
        bench.world.entitlement_mut(sold).unwrap().state = state;
    };
    set_state(&mut bench, EntitlementState::Suspended);
    bench
        .operate(&device, |s, ctx, dice| push(s, ctx, dice))
        .unwrap();
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert!(device.features().is_empty());
    assert_eq!(bench.states(&device), [ActivationState::Suspended]);
    assert_eq!(bench.live(sold), 1);

    set_state(&mut bench, EntitlementState::Active);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    assert_eq!(
        bench.count(EventKind::Activated),
        1,
        "it is no new activation"
    );
}

#[test]
fn a_hold_keeps_what_runs_and_lets_nothing_new_out() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 3);
    let mut device = bench.activated("d", "scan", 1);
    assign_to(&mut bench, &device, sold, 1, Publish::AtContact).unwrap();
    bench.world.entitlement_mut(sold).unwrap().state = EntitlementState::Hold;
    bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(
        bench.states(&device),
        [ActivationState::Activated, ActivationState::Reserved]
    );
    assert_eq!(device.features(), ["scan"]);
}

#[test]
fn a_revoked_entitlement_goes_from_every_device_and_is_free_when_that_is_proven() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 2);
    let mut device = bench.activated("d", "scan", 1);
    let now = bench.now;
    bench.world.entitlement_mut(sold).unwrap().revoked_from = Some(now);
    bench.operate(&device, must_refresh).unwrap();
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    assert_eq!(bench.live(sold), 1);
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
    assert_eq!(bench.live(sold), 0);
    let denied = bench.ask(&mut device, Reason::Boot, &[want("scan", 1)]);
    assert_eq!(crate::testkit::denials(&denied), [Some(Rule::Closed)]);
}

/// A machine without contact must not go on past the date, and no longer than to it.
#[test]
fn a_revocation_to_come_is_told_as_an_end_without_grace() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 2, |e| e.rules.grace = 86_400);
    let device = bench.activated("d", "scan", 1);
    let at = bench.now.plus_seconds(10 * 86_400);
    bench.world.entitlement_mut(sold).unwrap().revoked_from = Some(at);
    bench.operate(&device, must_refresh).unwrap();
    let run = bench.activations(&device)[0].run.unwrap();
    assert_eq!((run.end, run.grace), (Some(at), 0));
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
}

#[test]
fn what_has_not_changed_is_not_written_anew() {
    let mut bench = Bench::new();
    bench.sell("scan", 2);
    let device = bench.activated("d", "scan", 1);
    let before = bench.world.latest_set(&device.id).unwrap().set.key;
    assert_eq!(
        bench.operate(&device, must_refresh),
        Err(OperatorError::NothingToApprove)
    );
    assert_eq!(bench.world.latest_set(&device.id).unwrap().set.key, before);
}

fn must_refresh(
    snapshot: Snapshot,
    ctx: Context<'_>,
    dice: &mut crate::testkit::Dice<'_>,
) -> Result<Outcome, OperatorError> {
    refresh(snapshot, ctx, dice, false)?.ok_or(OperatorError::NothingToApprove)
}

/// A later end of its maintenance changes no activation, so only who changed it knows that a set is
/// due.
#[test]
fn what_is_maintained_longer_is_told_to_its_devices() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let ends = bench.now.plus_seconds(DAY);
    bench.world.entitlement_mut(sold).unwrap().maintained_until = Some(ends);
    let refreshed = |bench: &mut Bench, anew| {
        let snapshot = bench.world.snapshot(&device.id, None);
        bench
            .decide(|ctx, dice| refresh(snapshot, ctx, dice, anew))
            .unwrap()
    };
    assert_eq!(refreshed(&mut bench, false), None);
    let outcome = refreshed(&mut bench, true).unwrap();
    bench.apply(&outcome);
    let payload = outcome.issued.unwrap().payload;
    let grant = Grant::decode(&payload).unwrap();
    let right = grant.entitlements.iter().next().unwrap();
    assert_eq!(right.build_ceiling, Some(ends.seconds()));
    // The device's firmware is newer, and the unit goes back.
    let mut ack = bench.push(&mut device).unwrap();
    ack.ack.exceptions = vec![Exception {
        activation: bench.activations(&device)[0].id,
        outcome: Refused,
        reason: OutcomeReason::BuildCeiling,
    }];
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
}
