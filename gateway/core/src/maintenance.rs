//! What maintenance means for what it covers: firmware that was built at its end or later does not
//! turn the covered features on, and older firmware keeps them.

use crate::domain::{EntitlementState, LicenseModel, PartyId, Timestamp};

/// One entitlement of maintenance, as far as what it covers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Where it stands.
    pub state: EntitlementState,
    /// Whether its term has begun, or ends at a date, so that an end is known if there is one.
    pub has_begun: bool,
    /// When it ends; none: never.
    pub end: Option<Timestamp>,
    /// From then on nothing of it runs.
    pub revoked_from: Option<Timestamp>,
}

/// Up to which build firmware turns something on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ceiling {
    /// Firmware built before this instant does.
    Before(Timestamp),
    /// Any firmware does.
    None,
}

/// Why one entitlement cannot be maintained by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaintenanceError {
    /// It is sold under another model.
    #[error("what maintains must be of the model maintenance, and not {0}")]
    NotMaintenance(LicenseModel),
    /// Maintenance is not maintained.
    #[error("maintenance covers other rights, and not maintenance")]
    OfMaintenance,
    /// They belong to two, or to nobody known.
    #[error("both must belong to the same party")]
    OtherOwner,
    /// It counts for nothing.
    #[error("maintenance that is {0} covers nothing new")]
    NotInForce(EntitlementState),
    /// Its end is not known.
    #[error("its term has not begun: there is no end yet up to which it maintains")]
    NotStarted,
}

/// Whether maintenance may cover something: that of one owner, under this model, the other's.
///
/// # Errors
/// [`MaintenanceError`].
pub fn may_cover(
    cover: &Cover,
    (model, owner): (LicenseModel, Option<PartyId>),
    (of_model, of_owner): (LicenseModel, Option<PartyId>),
) -> Result<(), MaintenanceError> {
    if model != LicenseModel::Maintenance {
        return Err(MaintenanceError::NotMaintenance(model));
    }
    if of_model == LicenseModel::Maintenance {
        return Err(MaintenanceError::OfMaintenance);
    }
    if owner.is_none() || owner != of_owner {
        return Err(MaintenanceError::OtherOwner);
    }
    match cover.state {
        EntitlementState::Active | EntitlementState::Hold | EntitlementState::Expired => {}
        state => return Err(MaintenanceError::NotInForce(state)),
    }
    if cover.has_begun {
        Ok(())
    } else {
        Err(MaintenanceError::NotStarted)
    }
}

/// The ceiling of what is covered by these, at `now`: the latest end. One that is suspended, revoked
/// or closed counts no longer: up to the day on which it stopped, and no further than what it had
/// covered `before`, so that firmware that was maintained runs on. What nothing covers has no
/// ceiling; what is covered by nothing that has begun keeps the one it has.
#[must_use]
pub fn ceiling(covers: &[Cover], before: Ceiling, now: Timestamp) -> Ceiling {
    if covers.is_empty() {
        return Ceiling::None;
    }
    covers
        .iter()
        .filter_map(|cover| cover.ceiling(before, now))
        .max()
        .unwrap_or(before)
}

impl Cover {
    /// None, if it covers nothing yet.
    fn ceiling(&self, before: Ceiling, now: Timestamp) -> Option<Ceiling> {
        if !self.has_begun {
            return None;
        }
        let of = |instant: Option<Timestamp>| instant.map_or(Ceiling::None, Ceiling::Before);
        let end = of(self.end).min(of(self.revoked_from));
        match self.state {
            EntitlementState::Active | EntitlementState::Hold | EntitlementState::Expired => {
                Some(end)
            }
            EntitlementState::Suspended | EntitlementState::Closed => {
                Some(end.min(before).min(Ceiling::Before(now)))
            }
            EntitlementState::Draft => None,
        }
    }
}

impl Ceiling {
    /// As the tables hold it.
    #[must_use]
    pub const fn instant(self) -> Option<Timestamp> {
        match self {
            Self::Before(instant) => Some(instant),
            Self::None => None,
        }
    }

    /// As it is read.
    #[must_use]
    pub fn of(instant: Option<Timestamp>) -> Self {
        instant.map_or(Self::None, Self::Before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EntitlementState::{Active, Closed, Draft, Expired, Hold, Suspended};

    const fn at(day: u64) -> Timestamp {
        Timestamp::from_seconds(day * 86_400)
    }

    const fn until(end: u64) -> Cover {
        Cover {
            state: Active,
            has_begun: true,
            end: Some(at(end)),
            revoked_from: None,
        }
    }

    const fn in_state(state: EntitlementState, end: u64) -> Cover {
        Cover {
            state,
            ..until(end)
        }
    }

    fn before(day: u64) -> Ceiling {
        Ceiling::Before(at(day))
    }

    #[test]
    fn the_latest_end_of_several_is_the_ceiling() {
        let now = at(10);
        for (covers, wanted) in [
            (&[][..], Ceiling::None),
            (&[until(20)], before(20)),
            (&[until(20), until(30), until(25)], before(30)),
            // It has ended, and what was built before runs on.
            (&[in_state(Expired, 5)], before(5)),
            (&[in_state(Hold, 20)], before(20)),
            (
                &[
                    Cover {
                        end: None,
                        ..until(0)
                    },
                    until(20),
                ],
                Ceiling::None,
            ),
            (&[in_state(Draft, 40), until(20)], before(20)),
        ] {
            // Whatever it was before.
            for old in [Ceiling::None, before(1), before(99)] {
                assert_eq!(ceiling(covers, old, now), wanted, "{covers:?}");
            }
        }
    }

    #[test]
    fn what_counts_no_longer_counts_up_to_the_day_it_stopped() {
        let now = at(10);
        for state in [Suspended, Closed] {
            let stopped = in_state(state, 30);
            assert_eq!(ceiling(&[stopped], before(30), now), before(10));
            assert_eq!(ceiling(&[stopped], Ceiling::None, now), before(10));
            // Another day, another change: it does not creep on.
            assert_eq!(ceiling(&[stopped], before(10), at(20)), before(10));
            // What had ended before, had.
            assert_eq!(ceiling(&[in_state(state, 5)], before(5), now), before(5));
            // Another one goes on.
            assert_eq!(ceiling(&[stopped, until(40)], before(40), now), before(40));
            assert_eq!(ceiling(&[stopped, until(8)], before(30), now), before(10));
        }
        let revoked = Cover {
            revoked_from: Some(at(15)),
            ..until(30)
        };
        assert_eq!(ceiling(&[revoked], before(30), now), before(15), "to come");
        let revoked = Cover {
            state: Closed,
            revoked_from: Some(at(7)),
            ..until(30)
        };
        assert_eq!(ceiling(&[revoked], before(30), now), before(7));
        // Resumed, it counts whole again.
        assert_eq!(ceiling(&[until(30)], before(10), at(20)), before(30));
    }

    #[test]
    fn what_has_not_begun_changes_nothing() {
        let awaited = Cover {
            has_begun: false,
            end: None,
            ..until(0)
        };
        assert_eq!(ceiling(&[awaited], before(9), at(10)), before(9));
        assert_eq!(
            ceiling(&[awaited, until(20)], before(9), at(10)),
            before(20)
        );
    }

    #[test]
    fn only_maintenance_in_force_covers_another_right_of_its_owner() {
        use LicenseModel::{Maintenance, Perpetual, Subscription};
        let (one, two) = (PartyId([1; 16]), PartyId([2; 16]));
        let by = (Maintenance, Some(one));
        let of = (Perpetual, Some(one));
        assert_eq!(may_cover(&until(20), by, of), Ok(()));
        for (cover, by, of, error) in [
            (
                until(20),
                (Subscription, Some(one)),
                of,
                MaintenanceError::NotMaintenance(Subscription),
            ),
            (
                until(20),
                by,
                (Maintenance, Some(one)),
                MaintenanceError::OfMaintenance,
            ),
            (
                until(20),
                by,
                (Perpetual, Some(two)),
                MaintenanceError::OtherOwner,
            ),
            (
                until(20),
                (Maintenance, None),
                (Perpetual, None),
                MaintenanceError::OtherOwner,
            ),
            (
                in_state(Suspended, 20),
                by,
                of,
                MaintenanceError::NotInForce(Suspended),
            ),
            (
                in_state(Closed, 20),
                by,
                of,
                MaintenanceError::NotInForce(Closed),
            ),
            (
                Cover {
                    has_begun: false,
                    ..until(20)
                },
                by,
                of,
                MaintenanceError::NotStarted,
            ),
        ] {
            assert_eq!(may_cover(&cover, by, of), Err(error));
        }
    }
}
