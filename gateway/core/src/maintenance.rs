//! What maintenance means for what it covers: firmware that was built at its end or later does not
//! turn the covered features on, and older firmware keeps them.

use jiff::tz::TimeZone;

use crate::domain::{EntitlementState, LicenseModel, PartyId, Timestamp};
use crate::entitlement::{Start, Term};
use crate::term;

/// One entitlement of maintenance, as far as what it covers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Where it stands.
    pub state: EntitlementState,
    /// When it ends.
    pub end: End,
    /// From then on nothing of it runs.
    pub revoked_from: Option<Timestamp>,
}

/// When maintenance ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At this instant.
    At(Timestamp),
    /// Never.
    Never,
    /// It is not known before its term begins.
    NotKnown,
    /// Each of its activations has an end of its own.
    EachItsOwn,
}

impl End {
    /// The end of what starts and runs like this. What begins at an activation, and at a date at the
    /// latest, ends as if it began at that date, until it has begun: what is built after its real end
    /// is not built yet.
    #[must_use]
    pub fn of(start: Start, of: Term, zone: &TimeZone) -> Self {
        let known = |start| term::end(of, start, zone).map_or(Self::Never, Self::At);
        match (start, of) {
            (_, Term::Perpetual) => Self::Never,
            (_, Term::Until(end)) => Self::At(end),
            (Start::EachActivation { .. }, Term::For { .. }) => Self::EachItsOwn,
            (Start::At(start), _) => known(start),
            (Start::FirstActivation { latest }, _) => latest.map_or(Self::NotKnown, known),
            (Start::Awaited, _) => Self::NotKnown,
        }
    }
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
    /// It has no one end.
    #[error(
        "its term runs for each activation apart, so that there is no one end up to which it \
         maintains: sell it with a start that all its activations have in common"
    )]
    EachItsOwn,
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
    if cover.end == End::EachItsOwn {
        return Err(MaintenanceError::EachItsOwn);
    }
    Ok(())
}

/// The ceiling of what is covered by these, at `now`: the latest end. One that is suspended, revoked
/// or closed counts no longer: up to the day on which it stopped, and no further than what it had
/// covered `before`, so that firmware that was maintained runs on. What nothing covers has no
/// ceiling; what is covered by nothing that has a known end keeps the one it has.
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
    /// Whether it says up to which build something is on.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self.end, End::At(_) | End::Never) && self.state != EntitlementState::Draft
    }

    /// None, if it covers nothing yet.
    fn ceiling(&self, before: Ceiling, now: Timestamp) -> Option<Ceiling> {
        let end = match self.end {
            End::At(end) => Ceiling::Before(end),
            End::Never => Ceiling::None,
            End::NotKnown | End::EachItsOwn => return None,
        };
        let end = end.min(Ceiling::of(self.revoked_from));
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
            end: End::At(at(end)),
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
                        end: End::Never,
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
            end: End::NotKnown,
            ..until(0)
        };
        assert!(!awaited.counts());
        assert!(until(0).counts() && !in_state(Draft, 0).counts());
        assert_eq!(ceiling(&[awaited], before(9), at(10)), before(9));
        assert_eq!(
            ceiling(&[awaited, until(20)], before(9), at(10)),
            before(20)
        );
    }

    #[test]
    fn an_end_is_known_once_the_term_has_begun_or_must_have() {
        let days = Term::For { months: 0, days: 3 };
        let first = |latest| Start::FirstActivation { latest };
        let each = Start::EachActivation { latest: None };
        for (start, term, wanted) in [
            (Start::At(at(2)), days, End::At(at(5))),
            (Start::At(at(2)), Term::Perpetual, End::Never),
            (first(None), days, End::NotKnown),
            (first(Some(at(4))), days, End::At(at(7))),
            (first(None), Term::Perpetual, End::Never),
            (first(None), Term::Until(at(9)), End::At(at(9))),
            (Start::Awaited, days, End::NotKnown),
            (Start::Awaited, Term::Until(at(9)), End::At(at(9))),
            (each, days, End::EachItsOwn),
            (each, Term::Until(at(9)), End::At(at(9))),
            (each, Term::Perpetual, End::Never),
        ] {
            let end = End::of(start, term, &TimeZone::UTC);
            assert_eq!(end, wanted, "{start:?}, {term:?}");
        }
    }

    #[test]
    fn only_maintenance_in_force_covers_another_right_of_its_owner() {
        use LicenseModel::{Maintenance, Perpetual, Subscription};
        let (one, two) = (PartyId([1; 16]), PartyId([2; 16]));
        let by = (Maintenance, Some(one));
        let of = (Perpetual, Some(one));
        assert_eq!(may_cover(&until(20), by, of), Ok(()));
        let awaited = Cover {
            end: End::NotKnown,
            ..until(20)
        };
        assert_eq!(
            may_cover(&awaited, by, of),
            Ok(()),
            "it counts once it has begun"
        );
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
                    end: End::EachItsOwn,
                    ..until(20)
                },
                by,
                of,
                MaintenanceError::EachItsOwn,
            ),
        ] {
            assert_eq!(may_cover(&cover, by, of), Err(error));
        }
    }
}
