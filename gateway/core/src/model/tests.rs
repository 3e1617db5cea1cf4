//! Whatever the interleaving: random lives of a small fleet whose broker loses, repeats, delays
//! and reorders everything, with operators and time at work.
//!
//! After every step hold:
//!
//! - the invariants of [`crate::invariant`];
//! - *no unit in two places*: for each entitlement, the units of what each device has or could
//!   still install, at its worst, are together no more than there are, and those that were written
//!   off with devices declared dead. This looks at the devices and at what was sent, not at the
//!   gateway's own books;
//! - *an allowance of their own*: temporary licences that run, at the worst, are no more than were
//!   counted within the time one runs; and what was given unasked within a year, of a quota, is no
//!   more than the policy allowed when it was given;
//! - *a credit waits for returns*: an entitlement has what was sold last, or what is in use, if
//!   that is more;
//! - *units before are units after*: all that came of an order, by splits, transfers, sales of devices
//!   and upgrades, has together what was ordered last, and the overdraft; and of all that together no
//!   more could be in use than there is, so that no device runs an old right beside the one in its
//!   place;
//! - *what is sold is as it was*: a device that is sold on has the same rights in the same state, all
//!   of its new owner, and a party that became another has nothing;
//! - *a new board proves nothing of the old one*: what a board had that was replaced, and the new one
//!   never got, is as if the device had it still; and a key that was given up changes nothing;
//! - *nothing new for a party on hold*: meanwhile nothing of it is reserved, nor put in a set for the
//!   first time;
//! - *what is revoked is off*: no set written from then on has anything of it;
//! - *twice is once*: the same message again changes no activation and no unit.
//!
//! And when the broker behaves again, every device comes to hold exactly what it should, nothing
//! stays published or removing, and no device waits for an upgrade that it could have.
//!
//! A run fails in which too little came of some kind of operation, so that it cannot rot into
//! refusing all.
//!
//! What is no failure: a device frozen as a suspected clone gets nothing new; a unit of a silent
//! device stays taken.
#![allow(clippy::unwrap_used)]

mod attacks;
mod check;
mod fleet;
mod happened;
mod op;
mod race;

use proptest::prelude::*;

use crate::domain::HoldReason;
use crate::lifecycle::EntitlementAct;

use fleet::Fleet;
use op::{Op, Pick, SplitOp};

fn pick() -> impl Strategy<Value = Pick> {
    (any::<prop::sample::Index>(), prop::bool::weighted(0.7))
        .prop_map(|(index, recent)| Pick { index, recent })
}

/// Mostly what can be undone, or little would be left to happen.
fn act() -> impl Strategy<Value = EntitlementAct> {
    let reason = || prop::sample::select(HoldReason::ALL);
    prop_oneof![
        4 => Just(EntitlementAct::Suspend),
        6 => Just(EntitlementAct::Resume),
        4 => reason().prop_map(EntitlementAct::Hold),
        6 => reason().prop_map(EntitlementAct::Release),
        3 => Just(EntitlementAct::KeepOn),
        1 => Just(EntitlementAct::Close),
    ]
}

fn index() -> impl Strategy<Value = prop::sample::Index> {
    any::<prop::sample::Index>()
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        56 => message(),
        10 => world(),
        14 => device_act(),
        8 => entitlement_act(),
        8 => hand_over(),
        10 => upgrade(),
    ]
}

fn device() -> std::ops::Range<usize> {
    0..fleet::DEVICES
}

fn message() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (device(), 0..6_u8, 0..4_u8).prop_map(|(device, reason, total)| {
            Op::Ask { device, reason, total }
        }),
        12 => (device(), 0..6_u8, 0..4_u8).prop_map(|(device, reason, total)| {
            Op::Visit { device, reason, total }
        }),
        2 => device().prop_map(Op::AskBound),
        1 => device().prop_map(Op::Redeem),
        12 => pick().prop_map(Op::ToGateway),
        4 => (pick(), pick()).prop_map(|(one, other)| Op::AtOnce(one, other)),
        12 => pick().prop_map(Op::ToDevice),
        2 => device().prop_map(Op::Push),
        1 => (index(), 0..6_u8, 0..4_u8).prop_map(|(which, reason, total)| {
            Op::AskOldBoard { which, reason, total }
        }),
    ]
}

fn world() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..12_u64).prop_map(Op::WaitDays),
        2 => (1..7_200_u64).prop_map(Op::WaitSeconds),
        1 => device().prop_map(Op::Tick),
        1 => device().prop_map(Op::Wipe),
        1 => device().prop_map(Op::LoseSeq),
        1 => (device(), any::<bool>()).prop_map(|(device, refuses)| Op::Refuse(device, refuses)),
        1 => (0..fleet::policies().len()).prop_map(Op::SetPolicy),
    ]
}

fn device_act() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (device(), index(), any::<bool>())
            .prop_map(|(device, which, now)| Op::Assign { device, which, now }),
        3 => (device(), index()).prop_map(|(device, index)| Op::Cancel(device, index)),
        1 => (device(), index()).prop_map(|(device, index)| Op::Revoke(device, index)),
        4 => device().prop_map(Op::Refresh),
        1 => (device(), any::<bool>())
            .prop_map(|(device, approved)| Op::Bury { device, approved }),
        2 => device().prop_map(Op::Readmit),
        2 => (device(), any::<bool>()).prop_map(|(device, early)| Op::Repair { device, early }),
        1 => device().prop_map(Op::RevokeKey),
        2 => (device(), 0..2_usize, any::<bool>(), any::<bool>()).prop_map(
            |(device, which, now, approved)| Op::GiveTemporary { device, which, now, approved }
        ),
        3 => (device(), index()).prop_map(|(device, index)| Op::TakeOver(device, index)),
    ]
}

fn entitlement_act() -> impl Strategy<Value = Op> {
    let party = 0..fleet::PARTIES.len();
    prop_oneof![
        4 => (index(), act()).prop_map(|(which, act)| Op::Act(which, act)),
        1 => (index(), 0..30_u64).prop_map(|(which, days)| Op::RevokeIn(which, days)),
        2 => (0..fleet::ORDERED, 0..5_u32).prop_map(|(which, sold)| Op::Resize(which, sold)),
        2 => (party, prop::bool::weighted(0.3)).prop_map(|(party, held)| Op::HoldParty(party, held)),
    ]
}

fn hand_over() -> impl Strategy<Value = Op> {
    let party = 0..fleet::PARTIES.len();
    let split = || {
        let to = prop::option::weighted(0.3, 0..fleet::PARTIES.len());
        (index(), 1..3_u32, to).prop_map(|(which, units, to)| SplitOp { which, units, to })
    };
    prop_oneof![
        3 => split().prop_map(Op::Split),
        3 => (split(), device(), any::<bool>()).prop_map(|(split, device, is_first)| {
            Op::SplitMeanwhile { split, device, is_first }
        }),
        1 => (index(), party.clone()).prop_map(|(which, to)| Op::Transfer { which, to }),
        4 => (device(), party.clone()).prop_map(|(device, to)| Op::SellOn { device, to }),
        1 => (party.clone(), party).prop_map(|(gone, heir)| Op::Merge { gone, heir }),
    ]
}

fn upgrade() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (device(), index()).prop_map(|(device, which)| Op::Upgrade { device, which }),
        3 => device().prop_map(Op::Follow),
        3 => (device(), index()).prop_map(|(device, which)| Op::UpgradeDevice { device, which }),
        2 => index().prop_map(Op::UpgradeRest),
        4 => Just(Op::Settle),
    ]
}

const CASES: u32 = 1_000;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    })]

    fn random_lives(ops in prop::collection::vec(op(), 1..150)) {
        let mut fleet = Fleet::new();
        for op in &ops {
            fleet.step(op);
            fleet.check();
            fleet.check_quotas();
            fleet.check_held();
        }
        fleet.calm();
        fleet.check_settled();
        happened::add(&fleet.happened);
    }
}

#[test]
fn no_unit_is_ever_in_two_places() {
    random_lives();
    happened::check();
}

/// Every order in which two devices can ask for, get and sign for the last unit.
#[test]
fn the_last_unit_is_given_once_in_every_interleaving() {
    // Each device: its request arrives, is answered, its acknowledgement arrives.
    let mut seen = 0;
    for order in interleavings(3, 3) {
        for at_once in [false, true] {
            let winners = race::race(&order, at_once);
            assert_eq!(winners, 1, "{order:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 2 * 20);
}

/// All ways to merge `left` steps of one with `right` steps of another.
fn interleavings(left: usize, right: usize) -> Vec<Vec<bool>> {
    if left == 0 || right == 0 {
        return vec![[vec![true; left], vec![false; right]].concat()];
    }
    let first = |step: bool, rest: Vec<Vec<bool>>| {
        rest.into_iter()
            .map(move |rest| [vec![step], rest].concat())
    };
    first(true, interleavings(left - 1, right))
        .chain(first(false, interleavings(left, right - 1)))
        .collect()
}
