//! One entitlement in the place of another, device by device: units before are units after.
//!
//! What is free of the old one is the new one's at once. What is in use *waits*: each device gets
//! the new right in the set that leaves the old one out, and in that transaction its units come to
//! the new one. The old one's units are taken until the device has proven that the old right is
//! gone, and then they are no more. What is freed of the old one in any other way comes to the new
//! one as well. So no unit of the new one is free while a device could still use the old in its
//! place.

use crate::activation::Activation;
use crate::credit::Stock;
use crate::domain::{ActivationKind, ActivationState, EntitlementState, RemovalReason};

/// An entitlement, as far as it matters whether another can take its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it stands.
    pub state: EntitlementState,
    /// Whether its revocation was ordered, for now or for later.
    pub is_to_be_revoked: bool,
    /// Whether its owner is on hold.
    pub is_on_hold: bool,
    /// Whether it has as many units as are asked for.
    pub unlimited: bool,
    /// Whether a device waits for it in the place of another.
    pub is_upgraded: bool,
}

/// Why no other takes the place of an entitlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// Only what is in use as it should be takes another's place.
    #[error("an entitlement that is {0} is not upgraded: it must be active, and not to be revoked")]
    NotUpgradable(EntitlementState),
    /// Its owner gets nothing new.
    #[error("the party is on hold: it gets nothing")]
    OnHold,
    /// Its units are not counted, so they cannot be moved.
    #[error("it has no number of units: end it, and sell another")]
    NotCounted,
    /// Its devices are just getting it.
    #[error("it is being upgraded on some devices: wait until all have the new right")]
    BeingUpgraded,
    /// Units of it are owed back.
    #[error("it has a pending credit: what is credited cannot be sold on")]
    Credited,
    /// What took its place so far takes no more: units would be nobody's there.
    #[error("what takes its place is closed: give it another name")]
    SuccessorClosed,
}

/// Whether an entitlement that took another's place on some devices takes more of its units.
///
/// # Errors
/// [`SuccessionError::SuccessorClosed`].
pub fn takes_more(state: EntitlementState) -> Result<(), SuccessionError> {
    match state {
        EntitlementState::Closed => Err(SuccessionError::SuccessorClosed),
        _ => Ok(()),
    }
}

impl Candidate {
    /// Whether another can take its place, of a product that there is a way to.
    ///
    /// # Errors
    /// [`SuccessionError`], but for a credit.
    pub fn check(self) -> Result<(), SuccessionError> {
        if self.state != EntitlementState::Active || self.is_to_be_revoked {
            Err(SuccessionError::NotUpgradable(self.state))
        } else if self.is_on_hold {
            Err(SuccessionError::OnHold)
        } else if self.unlimited {
            Err(SuccessionError::NotCounted)
        } else if self.is_upgraded {
            Err(SuccessionError::BeingUpgraded)
        } else {
            Ok(())
        }
    }
}

/// Whether the units of an activation of the old one come to the new one, either with the device's
/// new right or when they are freed. Those that a set left out for another right did already.
#[must_use]
pub fn waits(kind: ActivationKind, state: ActivationState, removal: Option<RemovalReason>) -> bool {
    kind == ActivationKind::Normal
        && state.holds_units()
        && removal != Some(RemovalReason::Supersede)
}

/// Whether a device gets another right in the place of one that stands so.
#[must_use]
pub fn is_followed(kind: ActivationKind, state: ActivationState) -> bool {
    kind == ActivationKind::Normal && state.is_wanted()
}

impl Activation {
    /// See [`waits`].
    #[must_use]
    pub fn waits(&self) -> bool {
        let standing = self.standing;
        waits(self.kind, standing.state(), standing.removal_reason())
    }

    /// See [`is_followed`].
    #[must_use]
    pub fn is_followed(&self) -> bool {
        is_followed(self.kind, self.standing.state())
    }
}

/// Units on their way from one entitlement to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    /// What was sold, and is sold in the end.
    pub sold: u32,
    /// Units of the old one: all of them owed, so that it ends with what is freed.
    pub old: Stock,
    /// Units of the new one.
    pub new: Stock,
    /// Units of the old one whose devices have not got the new right.
    pub waiting: u32,
}

impl Succession {
    /// Begins, with nothing moved but what is free, and what is left of the overdraft.
    ///
    /// # Errors
    /// [`SuccessionError::Credited`].
    pub fn begin(old: Stock) -> Result<Self, SuccessionError> {
        if old.pending_credit > 0 {
            return Err(SuccessionError::Credited);
        }
        let sold = old.sold();
        let beyond = old.live.saturating_sub(sold);
        Ok(Self {
            sold,
            old: old.resized(0),
            new: Stock {
                units: sold.saturating_sub(old.live),
                pending_credit: 0,
                live: 0,
                overdraft: old.overdraft.saturating_sub(beyond),
            },
            waiting: old.live,
        })
    }

    /// A device of which `units` of the old one are taken out gets room for as many of the new one.
    #[must_use]
    pub fn followed(self, units: u32) -> Self {
        self.moved(units.min(self.waiting))
    }

    /// Of the old one `units` are in use whose devices have not got the new right. What was freed
    /// otherwise comes to the new one.
    #[must_use]
    pub fn settled(self, units: u32) -> Self {
        self.moved(self.waiting.saturating_sub(units))
    }

    /// One device's units change sides, while others keep the old ones for as long as they like:
    /// the stock of either afterwards, before anything is taken of the new one. None if so many are
    /// not the old one's to give, since they were credited.
    ///
    /// The old one owes them until the device has proven that its right is gone.
    #[must_use]
    pub fn one(old: Stock, new: Stock, units: u32) -> Option<(Stock, Stock)> {
        let covered = units.min(old.sold());
        let beyond = units - covered;
        let left = Stock {
            overdraft: old.overdraft.checked_sub(beyond)?,
            ..old
        };
        let more = Stock {
            units: new.units.checked_add(covered)?,
            overdraft: new.overdraft.checked_add(beyond)?,
            ..new
        };
        Some((left.resized(old.sold() - covered), more))
    }

    /// What no device uses changes sides, but for `staying` units of devices that keep the old right:
    /// the stock of either afterwards, and how many. None if the new one cannot have so many.
    ///
    /// Units whose device has not proven yet that its right is gone are the new one's already; what
    /// is left of the old one owes them until then, as in [`one`](Self::one). What the new one owes in
    /// the same way, since its devices went on to a third, is settled with them.
    #[must_use]
    pub fn rest(old: Stock, new: Stock, staying: u32) -> Option<(Stock, Stock, u32)> {
        let units = old.sold().saturating_sub(staying);
        let more = new.resized(new.sold().checked_add(units)?);
        Some((old.resized(old.sold() - units), more, units))
    }

    /// What was in use beyond the quantity is so in the end, too.
    fn moved(self, units: u32) -> Self {
        let covered = units.min(self.sold.saturating_sub(self.new.units));
        Self {
            new: Stock {
                units: self.new.units + covered,
                overdraft: self.new.overdraft + (units - covered),
                ..self.new
            },
            waiting: self.waiting - units,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// What a device may run, by the gateway's books.
    #[derive(Clone, Copy, Debug, Default)]
    struct Device {
        old: u32,
        new: u32,
        /// Units of the old one that a set left out, without proof.
        leaving: u32,
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Follow(usize),
        Prove(usize),
        /// Returned, revoked or expired, and proven.
        Free(usize),
        Settle,
        Draw(usize, u32),
    }

    const DEVICES: usize = 4;

    fn op() -> impl Strategy<Value = Op> {
        let device = 0..DEVICES;
        prop_oneof![
            device.clone().prop_map(Op::Follow),
            device.clone().prop_map(Op::Prove),
            device.clone().prop_map(Op::Free),
            Just(Op::Settle),
            (device, 1..4_u32).prop_map(|(device, units)| Op::Draw(device, units)),
        ]
    }

    proptest! {
        #[test]
        fn units_before_are_units_after(
            sold in 0..12_u32,
            overdraft in 0..3_u32,
            held in prop::collection::vec(0..4_u32, DEVICES),
            ops in prop::collection::vec(op(), 0..60),
        ) {
            let mut devices = [Device::default(); DEVICES];
            let mut left = sold + overdraft;
            for (device, units) in devices.iter_mut().zip(held) {
                device.old = units.min(left);
                left -= device.old;
            }
            let live: u32 = devices.iter().map(|device| device.old).sum();
            let before = Stock { units: sold, pending_credit: 0, live, overdraft };
            let mut moving = Succession::begin(before).unwrap();
            let all = (0..DEVICES).flat_map(|n| [Op::Follow(n), Op::Prove(n)]);
            let all: Vec<_> = ops.into_iter().chain(all).chain([Op::Settle]).collect();
            for op in all {
                match op {
                    Op::Follow(n) if devices[n].old > 0 => {
                        let units = devices[n].old;
                        moving = moving.followed(units);
                        moving.new.live += units;
                        devices[n].leaving += units;
                        devices[n].new += units;
                        devices[n].old = 0;
                    }
                    Op::Prove(n) => {
                        moving.old = moving.old.freed(devices[n].leaving);
                        devices[n].leaving = 0;
                    }
                    Op::Free(n) => {
                        moving.old = moving.old.freed(devices[n].old);
                        devices[n].old = 0;
                    }
                    Op::Settle => {
                        moving = moving.settled(devices.iter().map(|device| device.old).sum());
                    }
                    Op::Draw(n, units)
                        if moving.new.live + units <= moving.new.units + moving.new.overdraft =>
                    {
                        moving.new.live += units;
                        devices[n].new += units;
                    }
                    Op::Draw(..) | Op::Follow(_) => {}
                }
                for stock in [moving.old, moving.new] {
                    prop_assert!(stock.live <= stock.units + stock.overdraft, "{moving:?}");
                }
                // A device runs the old right or the new one, never both.
                let run: u32 = devices.iter().map(|device| device.old + device.new).sum();
                prop_assert!(run <= sold + overdraft, "{run} run: {moving:?}");
            }
            prop_assert_eq!(moving.waiting, 0);
            prop_assert_eq!((moving.old.units, moving.old.live), (0, 0));
            prop_assert_eq!((moving.new.units, moving.new.overdraft), (sold, overdraft));
        }

        /// Device by device, in any order, with others that come and go, and a credit meanwhile.
        #[test]
        fn units_are_as_many_while_devices_go_over_one_by_one(
            sold in 0..12_u32,
            overdraft in 0..3_u32,
            credit in 0..3_u32,
            held in prop::collection::vec(0..4_u32, DEVICES),
            ops in prop::collection::vec(op(), 0..60),
        ) {
            let mut devices = [Device::default(); DEVICES];
            let mut left = sold + overdraft;
            for (device, units) in devices.iter_mut().zip(held) {
                device.old = units.min(left);
                left -= device.old;
            }
            let live: u32 = devices.iter().map(|device| device.old).sum();
            let sold_still = sold.saturating_sub(credit);
            let whole = Stock { units: sold, pending_credit: 0, live, overdraft };
            let mut old = whole.resized(sold_still);
            let mut new = Stock { units: 0, pending_credit: 0, live: 0, overdraft: 0 };
            for op in ops {
                match op {
                    Op::Follow(n) if devices[n].old > 0 => {
                        let units = devices[n].old;
                        let Some((left, more)) = Succession::one(old, new, units) else {
                            prop_assert!(credit > 0, "{old:?} refuses {units}");
                            continue;
                        };
                        (old, new) = (left, more);
                        new.live += units;
                        devices[n] = Device {
                            old: 0,
                            new: devices[n].new + units,
                            leaving: devices[n].leaving + units,
                        };
                    }
                    Op::Prove(n) => old = old.freed(std::mem::take(&mut devices[n].leaving)),
                    Op::Free(n) => old = old.freed(std::mem::take(&mut devices[n].old)),
                    Op::Draw(n, units) if old.live + units <= old.units + old.overdraft => {
                        old.live += units;
                        devices[n].old += units;
                    }
                    _ => {}
                }
                for stock in [old, new] {
                    prop_assert!(stock.live <= stock.units + stock.overdraft, "{stock:?}");
                }
                prop_assert_eq!(old.sold() + new.sold(), sold_still);
                prop_assert_eq!(old.overdraft + new.overdraft, overdraft);
            }
            // What nobody uses goes along in the end.
            let staying: u32 = devices.iter().map(|device| device.old).sum();
            let (left, more, moved) = Succession::rest(old, new, staying).unwrap();
            prop_assert_eq!(moved, old.sold().saturating_sub(staying));
            (old, new) = (left, more);
            prop_assert_eq!(old.sold() + new.sold(), sold_still);
            prop_assert!(old.live <= old.units + old.overdraft, "{old:?}");
            for device in devices {
                old = old.freed(device.leaving);
            }
            prop_assert!(old.units <= staying, "nothing is left that no device uses: {old:?}");
            // What runs in the end is within what was sold, or was credited while it was in use.
            prop_assert!(old.live + new.live <= sold_still + overdraft + old.pending_credit);
        }
    }
}
