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
//! - *a new board proves nothing of the old one*: what a board had that was replaced, and the new one
//!   never got, is as if the device had it still; and a key that was given up changes nothing;
//! - *nothing new for a party on hold*: meanwhile nothing of it is reserved, nor put in a set for the
//!   first time;
//! - *what is revoked is off*: no set written from then on has anything of it;
//! - *twice is once*: the same message again changes no activation and no unit.
//!
//! And when the broker behaves again, every device comes to hold exactly what it should, and
//! nothing stays published or removing.
//!
//! What is no failure: a device frozen as a suspected clone gets nothing new; a unit of a silent
//! device stays taken.
#![allow(clippy::unwrap_used)]

mod check;
mod fleet;
mod op;
mod race;

use proptest::prelude::*;

use crate::domain::HoldReason;
use crate::lifecycle::EntitlementAct;

use fleet::Fleet;
use op::{Op, Pick};

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

fn op() -> impl Strategy<Value = Op> {
    let device = 0..fleet::DEVICES;
    prop_oneof![
        6 => (device.clone(), 0..6_u8, 0..4_u8).prop_map(|(device, reason, total)| {
            Op::Ask { device, reason, total }
        }),
        6 => (device.clone(), 0..6_u8, 0..4_u8).prop_map(|(device, reason, total)| {
            Op::Visit { device, reason, total }
        }),
        2 => device.clone().prop_map(Op::AskBound),
        1 => device.clone().prop_map(Op::Redeem),
        12 => pick().prop_map(Op::ToGateway),
        4 => (pick(), pick()).prop_map(|(one, other)| Op::AtOnce(one, other)),
        12 => pick().prop_map(Op::ToDevice),
        2 => device.clone().prop_map(Op::Push),
        2 => (0..12_u64).prop_map(Op::WaitDays),
        2 => (1..7_200_u64).prop_map(Op::WaitSeconds),
        1 => device.clone().prop_map(Op::Tick),
        1 => device.clone().prop_map(Op::Wipe),
        1 => device.clone().prop_map(Op::LoseSeq),
        1 => (device.clone(), 0..2_usize, any::<bool>())
            .prop_map(|(device, which, now)| Op::Assign { device, which, now }),
        1 => (device.clone(), any::<prop::sample::Index>()).prop_map(|(d, i)| Op::Cancel(d, i)),
        1 => (device.clone(), any::<prop::sample::Index>()).prop_map(|(d, i)| Op::Revoke(d, i)),
        2 => (0..fleet::SOLD, act()).prop_map(|(which, act)| Op::Act(which, act)),
        1 => (0..fleet::SOLD, 0..30_u64).prop_map(|(which, days)| Op::RevokeIn(which, days)),
        1 => any::<bool>().prop_map(Op::HoldParty),
        2 => device.clone().prop_map(Op::Refresh),
        2 => (0..fleet::SOLD, 0..5_u32).prop_map(|(which, sold)| Op::Resize(which, sold)),
        1 => (device.clone(), any::<bool>())
            .prop_map(|(device, refuses)| Op::Refuse(device, refuses)),
        1 => (device.clone(), any::<bool>())
            .prop_map(|(device, approved)| Op::Bury { device, approved }),
        1 => device.clone().prop_map(Op::Readmit),
        2 => (device.clone(), any::<bool>())
            .prop_map(|(device, early)| Op::Repair { device, early }),
        1 => device.clone().prop_map(Op::RevokeKey),
        1 => (any::<prop::sample::Index>(), 0..6_u8, 0..4_u8).prop_map(|(which, reason, total)| {
            Op::AskOldBoard { which, reason, total }
        }),
        1 => (device.clone(), 0..2_usize, any::<bool>(), any::<bool>()).prop_map(
            |(device, which, now, approved)| Op::GiveTemporary { device, which, now, approved }
        ),
        1 => (device.clone(), device, any::<prop::sample::Index>())
            .prop_map(|(device, from, index)| Op::TakeOver { device, from, index }),
        1 => (0..fleet::policies().len()).prop_map(Op::SetPolicy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_unit_is_ever_in_two_places(ops in prop::collection::vec(op(), 1..150)) {
        let mut fleet = Fleet::new();
        for op in &ops {
            fleet.step(op);
            fleet.check();
            fleet.check_quotas();
        }
        fleet.calm();
        fleet.check_settled();
    }
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
