//! A device that is dead, what takes its place, and how it comes back.

use super::*;
use crate::activation::Standing;
use crate::event::EventKind;
use crate::notice::NoticeCode;
use crate::quota::Leave;
use crate::testkit::{DAY, denials, noticed};
use crate::tier::{shipped, standard};

/// A bench whose owner is under a shipped tier.
fn bench(tier: &str) -> Bench {
    let mut bench = Bench::new();
    let policy = shipped().into_iter().find(|p| p.tag.tier.as_str() == tier);
    bench.allow(|rules| *rules = policy.unwrap().rules);
    bench
}

fn bury(bench: &mut Bench, device: &Handset, leave: Leave) -> Result<Outcome, OperatorError> {
    bench.operate(device, |s, ctx, dice| declare_dead(s, leave, ctx, dice))
}

#[test]
fn units_of_a_dead_device_go_to_another_at_once_within_the_allowance() {
    let mut bench = bench("strategic");
    let sold = bench.sell("scan", 1);
    let mut dead = bench.activated("dead", "scan", 1);
    let old = bench.activations(&dead)[0].id;
    bury(&mut bench, &dead, Leave::Policy).unwrap();
    assert_eq!(bench.states(&dead), [ActivationState::WrittenOff]);
    assert_eq!(bench.device(&dead).state, DeviceState::Tombstoned);
    assert_eq!(bench.live(sold), 0);

    let mut new = bench.admitted("new");
    bench.ask(&mut new, Reason::Rehost, &[want("scan", 1)]);
    assert_eq!(new.features(), ["scan"]);
    let predecessor = bench.activations(&new)[0].predecessor;
    assert_eq!(predecessor, Some(old));
    assert_eq!(bench.world.uses().count(), 1, "written off is counted once");

    // It is not dead after all, and hears nothing but that.
    let outcome = bench.ask(&mut dead, Reason::Boot, &[want("scan", 1)]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Revoked));
    // What it signs still counts as proof.
    let ack = bench.push(&mut dead).unwrap();
    bench.acknowledge(&dead, &ack);
    assert!(dead.features().is_empty());
    assert_eq!(bench.states(&dead), [ActivationState::Removed]);
    assert_eq!(bench.live(sold), 1, "its unit was free already");
    assert_eq!(bench.device(&dead).state, DeviceState::Tombstoned);
}

#[test]
fn the_allowance_is_used_up_and_time_gives_it_back() {
    let mut bench = bench("volume");
    bench.sell("scan", 2);
    let devices = [
        bench.activated("a", "scan", 1),
        bench.activated("b", "scan", 1),
    ];
    bury(&mut bench, &devices[0], Leave::Policy).unwrap();
    let Err(OperatorError::Limited(refusal)) = bury(&mut bench, &devices[1], Leave::Policy) else {
        panic!("one a year");
    };
    assert_eq!(refusal.rule, Rule::QuotaUsed);
    assert_eq!(refusal.lifts_at, Some(bench.now.plus_seconds(365 * DAY)));
    assert_eq!(bench.states(&devices[1]), [ActivationState::Activated]);
    // Somebody's approval passes over it, and is counted.
    bury(&mut bench, &devices[1], Leave::Approval).unwrap();
    assert_eq!(bench.world.uses().count(), 2);
}

#[test]
fn a_device_is_written_off_whole_or_not_at_all() {
    let mut bench = bench("volume");
    bench.sell("scan", 1);
    bench.sell("print", 2);
    let mut device = bench.activated("d", "scan", 1);
    bench.ask(&mut device, Reason::Upgrade, &[want("print", 2)]);
    let before = bench.activations(&device);
    assert!(
        bury(&mut bench, &device, Leave::Policy).is_err(),
        "two of print are too many"
    );
    assert_eq!(bench.activations(&device), before);
    assert_eq!(bench.device(&device).state, DeviceState::Admitted);
}

#[test]
fn what_waits_for_an_approval_is_not_done() {
    let mut bench = bench("standard");
    bench.sell("scan", 1);
    let device = bench.activated("d", "scan", 1);
    let refused = bury(&mut bench, &device, Leave::Policy);
    assert_eq!(
        refused,
        Err(OperatorError::Limited(Rule::ApprovalNeeded.into()))
    );
}

#[test]
fn what_no_device_may_give_back_is_not_written_off() {
    let mut bench = bench("strategic");
    let sold = bench.sell_as("scan", 1, |e| e.rules.returns_credit = false);
    let device = bench.activated("d", "scan", 1);
    bury(&mut bench, &device, Leave::Policy).unwrap();
    assert_eq!(bench.states(&device), [ActivationState::Removing]);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(bench.world.uses().count(), 0);
}

#[test]
fn the_dead_come_back_once_and_with_nothing() {
    let mut bench = bench("strategic");
    let sold = bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    let readmission = |bench: &mut Bench, device: &Handset| {
        bench.operate(device, |s, ctx, dice| readmit(s, ctx, dice))
    };
    assert_eq!(
        readmission(&mut bench, &device),
        Err(OperatorError::NotDead(DeviceState::Admitted))
    );
    bury(&mut bench, &device, Leave::Policy).unwrap();
    readmission(&mut bench, &device).unwrap();
    assert_eq!(
        assign_to(&mut bench, &device, sold, 1, Publish::Now),
        Err(OperatorError::OutOfService(DeviceState::Readmitted))
    );
    // Whatever it asks for, it gets the empty set until it has signed for one.
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Challenge));
    let request = device.request(Reason::Upgrade, &[want("scan", 1)]);
    let outcome = bench.receive(&device, &request);
    assert_eq!(denials(&outcome), [Some(Rule::EmptySetFirst)]);
    let ack = bench.deliver(&mut device, &outcome).unwrap();
    assert!(device.features().is_empty());
    assert_eq!(bench.device(&device).state, DeviceState::Readmitted);
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.device(&device).state, DeviceState::Admitted);
    assert_eq!(bench.states(&device), [ActivationState::Removed]);
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!(bench.live(sold), 1);
    assert_eq!(
        readmission(&mut bench, &device),
        Err(OperatorError::NotDead(DeviceState::Admitted)),
        "once"
    );
}

#[test]
fn a_device_that_comes_back_does_not_take_up_what_another_has() {
    let mut bench = bench("strategic");
    let sold = bench.sell("scan", 2);
    let mut dead = bench.activated("dead", "scan", 1);
    bury(&mut bench, &dead, Leave::Policy).unwrap();
    let mut new = bench.admitted("new");
    bench.ask(&mut new, Reason::Rehost, &[want("scan", 1)]);
    bench
        .operate(&dead, |s, ctx, dice| readmit(s, ctx, dice))
        .unwrap();
    bench.ask(&mut dead, Reason::Boot, &[]);
    let request = dead.request(Reason::Boot, &[]);
    let outcome = bench.receive(&dead, &request);
    // The acknowledgement is lost: the next request is the proof, and asks for a unit too.
    bench.deliver(&mut dead, &outcome).unwrap();
    bench.ask(&mut dead, Reason::Upgrade, &[want("scan", 1)]);
    assert_eq!(dead.features(), ["scan"]);
    assert_eq!(bench.activations(&dead).last().unwrap().predecessor, None);
    assert_eq!(bench.live(sold), 2);
}

#[test]
fn a_device_that_was_never_heard_can_die_and_come_back() {
    let mut bench = bench("strategic");
    let sold = bench.sell("scan", 1);
    let mut device = bench.expected("d");
    assign_to(&mut bench, &device, sold, 1, Publish::AtContact).unwrap();
    bury(&mut bench, &device, Leave::Policy).unwrap();
    assert_eq!(bench.states(&device), [ActivationState::Cancelled]);
    assert_eq!((bench.live(sold), bench.world.uses().count()), (0, 0));
    bench
        .operate(&device, |s, ctx, dice| readmit(s, ctx, dice))
        .unwrap();
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(bench.device(&device).state, DeviceState::Admitted);
}

fn stopgap(entitlement: EntitlementId, leave: Leave) -> Stopgap {
    Stopgap {
        entitlement,
        units: 1,
        leave,
    }
}

#[test]
fn an_unassigned_replacement_gets_a_temporary_licence_and_becomes_the_owners() {
    let mut bench = bench("strategic");
    let sold = bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let mut spare = bench.admitted("spare");
    bench.world.device_mut(&spare.id).unwrap().owner = None;
    let given = bench.operate_naming(&spare, sold, |s, ctx, dice| {
        give_temporary(s, stopgap(sold, Leave::Policy), Publish::Now, ctx, dice)
    });
    given.unwrap();
    // It is blank, and takes only what answers it.
    bench.ask(&mut spare, Reason::Boot, &[]);
    assert_eq!(spare.features(), ["scan"]);
    assert_eq!(bench.device(&spare).owner, Some(crate::testkit::OWNER));
    assert_eq!(bench.live(sold), 1);
    assert_eq!(bench.count(EventKind::DeviceAmended), 1);
}

#[test]
fn a_replacement_of_another_owner_gets_nothing() {
    let mut bench = bench("strategic");
    let sold = bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    let spare = bench.admitted("spare");
    bench.world.device_mut(&spare.id).unwrap().owner = Some(PartyId([7; 16]));
    let given = bench.operate_naming(&spare, sold, |s, ctx, dice| {
        give_temporary(s, stopgap(sold, Leave::Approval), Publish::Now, ctx, dice)
    });
    assert_eq!(given, Err(OperatorError::Denied(Rule::OtherOwner)));
}

#[test]
fn an_approval_passes_over_the_quota_and_not_over_the_rules() {
    let mut bench = bench("standard");
    let sold = bench.sell("scan", 1);
    bench.activated("broken", "scan", 1);
    for (leave, given) in [
        (Leave::Policy, true),
        (Leave::Policy, false),
        (Leave::Approval, true),
    ] {
        let spare = bench.admitted(&format!("spare-{}", bench.world.uses().count()));
        let result = bench.operate(&spare, |s, ctx, dice| {
            give_temporary(s, stopgap(sold, leave), Publish::Now, ctx, dice)
        });
        assert_eq!(result.is_ok(), given, "{leave:?}");
    }
    bench.world.entitlement_mut(sold).unwrap().state = EntitlementState::Suspended;
    let spare = bench.admitted("last");
    let result = bench.operate(&spare, |s, ctx, dice| {
        give_temporary(s, stopgap(sold, Leave::Approval), Publish::Now, ctx, dice)
    });
    assert_eq!(result, Err(OperatorError::Denied(Rule::Suspended)));
}

#[test]
fn a_replacement_takes_over_what_was_written_off_once() {
    let mut bench = bench("strategic");
    let sold = bench.sell("scan", 1);
    let dead = bench.activated("dead", "scan", 1);
    let old = bench.activations(&dead)[0].id;
    let mut new = bench.admitted("new");
    let take = |bench: &mut Bench, device: &Handset| {
        bench.operate(device, |s, ctx, dice| {
            take_over(s, old, Publish::Now, ctx, dice)
        })
    };
    assert_eq!(
        take(&mut bench, &new),
        Err(OperatorError::NothingToTakeOver)
    );
    bury(&mut bench, &dead, Leave::Policy).unwrap();
    take(&mut bench, &new).unwrap();
    bench.ask(&mut new, Reason::Boot, &[]);
    assert_eq!(new.features(), ["scan"]);
    assert_eq!(bench.activations(&new)[0].predecessor, Some(old));
    assert_eq!(
        take(&mut bench, &new),
        Err(OperatorError::NothingToTakeOver)
    );
    assert_eq!(bench.live(sold), 1);
    let written_off = bench.activations(&dead)[0].standing;
    assert!(
        matches!(written_off, Standing::WrittenOff(_)),
        "it may be out there"
    );
}

#[test]
fn an_operator_who_assigns_a_returned_unit_moves_it() {
    let mut bench = Bench::new();
    bench.allow(|rules| *rules = standard().rules);
    let sold = bench.sell("scan", 1);
    let mut old = bench.activated("old", "scan", 1);
    let first = bench.activations(&old)[0].id;
    bench.ask(&mut old, Reason::Return, &[want("scan", 0)]);
    let new = bench.admitted("new");
    assign_to(&mut bench, &new, sold, 1, Publish::Now).unwrap();
    assert_eq!(bench.activations(&new)[0].predecessor, Some(first));
}

/// What waits for an approval is done when somebody approves it, on what holds then.
#[test]
fn an_approval_does_what_the_device_asked_for() {
    let cases: [(Reason, u32, usize); 3] = [
        (Reason::Upgrade, 1, 1),
        (Reason::Temporary, 1, 1),
        (Reason::Return, 0, 0),
    ];
    for (reason, total, rights) in cases {
        let mut bench = Bench::new();
        let sold = bench.sell("scan", 1);
        let mut device = bench.admitted("d");
        match reason {
            Reason::Temporary => drop(bench.activated("broken", "scan", 1)),
            Reason::Return => drop(bench.ask(&mut device, Reason::Boot, &[want("scan", 1)])),
            _ => {}
        }
        bench.allow(|rules| {
            rules.activation = crate::tier::Mode::Approval;
            rules.returns = crate::tier::Mode::Approval;
            rules.temporary = rules.temporary.map(|temporary| crate::tier::Temporary {
                permit: crate::tier::Permit::Approval,
                ..temporary
            });
        });
        let denied = bench.ask(&mut device, reason, &[want("scan", total)]);
        assert_eq!(denials(&denied), [Some(Rule::ApprovalNeeded)], "{reason:?}");
        let approved = bench.operate(&device, |s, ctx, dice| {
            approve(s, reason, &want("scan", total), Publish::Now, ctx, dice)
        });
        approved.unwrap();
        bench.ask(&mut device, Reason::Boot, &[]);
        assert_eq!(device.features().len(), rights, "{reason:?}");
        let again = bench.operate(&device, |s, ctx, dice| {
            approve(s, reason, &want("scan", total), Publish::Now, ctx, dice)
        });
        assert_eq!(again, Err(OperatorError::NothingToApprove), "{reason:?}");
        assert!(bench.live(sold) <= 1);
    }
}

#[test]
fn nobody_can_approve_what_a_rule_denies() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.activated("other", "scan", 1);
    let device = bench.admitted("d");
    let approved = bench.operate(&device, |s, ctx, dice| {
        approve(
            s,
            Reason::Upgrade,
            &want("scan", 1),
            Publish::Now,
            ctx,
            dice,
        )
    });
    let Err(OperatorError::Limited(refusal)) = approved else {
        panic!("{approved:?}");
    };
    assert_eq!(refusal.rule, Rule::NoUnitsLeft);
}
