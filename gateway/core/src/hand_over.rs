//! Units of an entitlement that become another's: a part that is split off, what goes with a device
//! that is sold on, and an entitlement that nobody uses and that changes hands.
//!
//! Units before are units after, those beyond the quantity among them. What is in use leaves with
//! its device alone, what is credited goes back before it can be sold on, and while devices are
//! just getting another right, none of either entitlement leaves: how many units still come to the
//! new one is told by those that it has.

use crate::activation::Activation;
use crate::credit::Stock;
use crate::domain::{ActivationKind, ActivationState};

/// An entitlement, as far as it matters when its units become another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its units; where they are not counted, of those in use.
    pub stock: Stock,
    /// Whether it has as many as are asked for.
    pub unlimited: bool,
    /// Whether a device waits for another right in the place of what it has of this one, or the
    /// other way round.
    pub is_upgraded: bool,
}

/// An entitlement and a part of it that is one of its own from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parted {
    /// What is left of the whole.
    pub left: Stock,
    /// What the part has.
    pub part: Stock,
}

/// Why units stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// Not so many are free.
    #[error(
        "{units} units cannot be split off: {free} are free. What is in use goes with its device \
         (`fleetgrant devices transfer`), what is credited goes back first"
    )]
    NotFree {
        /// As many as were wanted.
        units: u32,
        /// As many as there are.
        free: u32,
    },
    /// It cannot leave the devices that use it.
    #[error(
        "{0} of its units are in use: transfer the devices (`fleetgrant devices transfer`), and \
         split the rest off"
    )]
    InUse(u32),
    /// Units of it are owed back.
    #[error("it has a pending credit: what is credited cannot be sold on")]
    Credited,
    /// Its devices are just getting another right, or this one.
    #[error("it is being upgraded on some devices: wait until all have the new right")]
    BeingUpgraded,
}

/// Splits free units off.
///
/// # Errors
/// [`HandOverError::NotFree`], also for none at all; [`HandOverError::BeingUpgraded`].
pub const fn split(whole: Whole, units: u32) -> Result<Parted, HandOverError> {
    let Whole {
        stock,
        unlimited,
        is_upgraded,
    } = whole;
    let free = if unlimited || stock.pending_credit > 0 {
        0
    } else {
        stock.units.saturating_sub(stock.live)
    };
    if units == 0 || units > free {
        return Err(HandOverError::NotFree { units, free });
    }
    if is_upgraded {
        return Err(HandOverError::BeingUpgraded);
    }
    Ok(Parted {
        left: Stock {
            units: stock.units - units,
            ..stock
        },
        part: Stock {
            units,
            ..Stock::NONE
        },
    })
}

/// Takes out what one device has, of which so many units are in use there. What it has beyond the
/// quantity, by overdraft, it has in the same way.
///
/// # Errors
/// [`HandOverError::Credited`], [`HandOverError::BeingUpgraded`].
pub const fn sell_on(whole: Whole, units: u32) -> Result<Parted, HandOverError> {
    let Whole {
        stock,
        unlimited,
        is_upgraded,
    } = whole;
    if stock.pending_credit > 0 {
        return Err(HandOverError::Credited);
    }
    if is_upgraded {
        return Err(HandOverError::BeingUpgraded);
    }
    let covered = if unlimited || units < stock.units {
        units
    } else {
        stock.units
    };
    let beyond = units - covered;
    Ok(Parted {
        left: Stock {
            units: if unlimited {
                stock.units
            } else {
                stock.units - covered
            },
            live: stock.live.saturating_sub(units),
            overdraft: stock.overdraft.saturating_sub(beyond),
            pending_credit: 0,
        },
        part: Stock {
            units: covered,
            pending_credit: 0,
            live: units,
            overdraft: beyond,
        },
    })
}

/// Whether an entitlement can change hands as a whole.
///
/// # Errors
/// [`HandOverError::InUse`], [`HandOverError::BeingUpgraded`].
pub const fn transfer(whole: Whole) -> Result<(), HandOverError> {
    if whole.stock.live > 0 {
        return Err(HandOverError::InUse(whole.stock.live));
    }
    if whole.is_upgraded {
        return Err(HandOverError::BeingUpgraded);
    }
    Ok(())
}

/// Whether an activation goes with its device to another owner: what the device is meant to have for
/// good. A temporary licence ends where it came from, and what is on its way out is of whoever gave
/// it back: its units are free there once that is proven.
#[must_use]
pub const fn goes_along(kind: ActivationKind, state: ActivationState) -> bool {
    matches!(kind, ActivationKind::Normal) && state.is_wanted()
}

impl Activation {
    /// See [`goes_along`].
    #[must_use]
    pub const fn goes_along(&self) -> bool {
        goes_along(self.kind, self.standing.state())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(units: u32, live: u32, overdraft: u32) -> Whole {
        Whole {
            stock: Stock {
                units,
                pending_credit: 0,
                live,
                overdraft,
            },
            unlimited: false,
            is_upgraded: false,
        }
    }

    #[test]
    fn free_units_are_split_off_and_no_others() {
        let parted = split(whole(5, 2, 1), 3).map(|parted| (parted.left, parted.part));
        let (left, part) = (whole(2, 2, 1).stock, whole(3, 0, 0).stock);
        assert_eq!(parted, Ok((left, part)));
        let not_free = |units, free| Err(HandOverError::NotFree { units, free });
        assert_eq!(split(whole(5, 2, 1), 4), not_free(4, 3));
        assert_eq!(split(whole(5, 2, 1), 0), not_free(0, 3));
        assert_eq!(split(whole(1, 2, 1), 1), not_free(1, 0));
        let unlimited = Whole {
            unlimited: true,
            ..whole(0, 2, 0)
        };
        assert_eq!(split(unlimited, 1), not_free(1, 0));
        let mut credited = whole(5, 2, 0);
        credited.stock.pending_credit = 1;
        assert_eq!(split(credited, 1), not_free(1, 0));
        assert_eq!(sell_on(credited, 1), Err(HandOverError::Credited));
    }

    #[test]
    fn what_a_device_has_beyond_the_quantity_it_takes_along_so() {
        let parted = sell_on(whole(2, 4, 2), 3).map(|parted| (parted.left, parted.part));
        let (left, part) = (whole(0, 1, 1).stock, whole(2, 3, 1).stock);
        assert_eq!(parted, Ok((left, part)));
        let unlimited = Whole {
            unlimited: true,
            ..whole(0, 4, 0)
        };
        let parted = sell_on(unlimited, 3).map(|parted| (parted.left, parted.part));
        assert_eq!(parted, Ok((whole(0, 1, 0).stock, whole(3, 3, 0).stock)));
    }

    #[test]
    fn nothing_leaves_while_devices_are_getting_another_right() {
        let upgraded = Whole {
            is_upgraded: true,
            ..whole(2, 1, 0)
        };
        assert_eq!(split(upgraded, 1), Err(HandOverError::BeingUpgraded));
        assert_eq!(sell_on(upgraded, 1), Err(HandOverError::BeingUpgraded));
        assert_eq!(transfer(upgraded), Err(HandOverError::InUse(1)));
        let unused = Whole {
            is_upgraded: true,
            ..whole(2, 0, 0)
        };
        assert_eq!(transfer(unused), Err(HandOverError::BeingUpgraded));
        assert_eq!(transfer(whole(2, 0, 0)), Ok(()));
    }

    #[test]
    fn only_what_a_device_is_meant_to_have_for_good_goes_along() {
        use ActivationState::{Activated, Orphaned, Published, Removing, Reserved, Suspended};
        for state in [Reserved, Published, Activated, Suspended] {
            assert!(goes_along(ActivationKind::Normal, state), "{state}");
            assert!(!goes_along(ActivationKind::Temporary, state), "{state}");
        }
        for state in [Removing, Orphaned, ActivationState::WrittenOff] {
            assert!(!goes_along(ActivationKind::Normal, state), "{state}");
        }
    }

    proptest! {
        /// Whatever leaves, and however often.
        #[test]
        fn units_before_are_units_after(
            units in 0..12_u32,
            overdraft in 0..4_u32,
            live in 0..16_u32,
            steps in prop::collection::vec((any::<bool>(), 0..6_u32), 0..20),
        ) {
            let mut left = whole(units, live.min(units + overdraft), overdraft);
            let before = left.stock;
            let mut parts = Vec::new();
            for (is_split, units) in steps {
                let parted = if is_split {
                    split(left, units)
                } else {
                    sell_on(left, units.min(left.stock.live))
                };
                if let Ok(parted) = parted {
                    left.stock = parted.left;
                    parts.push(parted.part);
                }
                let all = || parts.iter().chain([&left.stock]);
                prop_assert!(all().all(|stock| stock.live <= stock.units + stock.overdraft));
                prop_assert_eq!(all().map(|stock| stock.units).sum::<u32>(), before.units);
                prop_assert_eq!(all().map(|stock| stock.live).sum::<u32>(), before.live);
                prop_assert_eq!(all().map(|stock| stock.overdraft).sum::<u32>(), before.overdraft);
            }
        }
    }
}
