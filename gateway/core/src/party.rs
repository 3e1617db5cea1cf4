//! Parties on hold: nothing new is activated of what they own, nor on their devices.
//!
//! What runs goes on, and so do returns, renewals and acknowledgements. A hold is of one party alone: it
//! says nothing of those that are part of it, or that it is part of.

use std::collections::BTreeSet;

use crate::domain::{PartyId, PartyState};
use crate::entitlement::Entitlement;

/// Of the parties that a decision has to do with, those that are on hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnHold(BTreeSet<PartyId>);

impl FromIterator<PartyId> for OnHold {
    fn from_iter<T: IntoIterator<Item = PartyId>>(parties: T) -> Self {
        Self(parties.into_iter().collect())
    }
}

impl OnHold {
    /// Whether nothing new is activated of an entitlement on a device of this owner: one of both owners
    /// is on hold.
    #[must_use]
    pub fn forbids(&self, of_device: Option<PartyId>, entitlement: &Entitlement) -> bool {
        let mut owners = [of_device, entitlement.owner].into_iter().flatten();
        owners.any(|owner| self.0.contains(&owner))
    }
}

/// What an operator does to a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyAct {
    /// Nothing new is activated; what runs goes on.
    Hold,
    /// It is served again.
    Release,
}

/// Why it is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartyError {
    /// It is another party now.
    #[error("the party has become another: hold or release that one")]
    Merged,
}

/// Where a party stands afterwards; none, if it does so already.
///
/// # Errors
/// [`PartyError::Merged`] if it is no party of its own any more.
pub const fn after(state: PartyState, act: PartyAct) -> Result<Option<PartyState>, PartyError> {
    match (state, act) {
        (PartyState::Active, PartyAct::Hold) => Ok(Some(PartyState::Hold)),
        (PartyState::Hold, PartyAct::Release) => Ok(Some(PartyState::Active)),
        (PartyState::Active, PartyAct::Release) | (PartyState::Hold, PartyAct::Hold) => Ok(None),
        (PartyState::Merged, _) => Err(PartyError::Merged),
    }
}

/// A party that is to become another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub id: PartyId,
    /// Where it stands.
    pub state: PartyState,
    /// Which it has become.
    pub merged_into: Option<PartyId>,
}

/// Why a party gets nothing, or does not become another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// It is no party of its own, or the other gets nothing new.
    #[error("the party is {0}: it gets nothing")]
    NotActive(PartyState),
    /// Its hold would end with it.
    #[error(
        "the party is on hold, and what it has would be on hold no more: release it first, with \
         `fleetgrant parties release`"
    )]
    OnHold,
    /// It is itself already.
    #[error("a party cannot be merged into itself")]
    IntoItself,
}

/// Whether something can be given to a party.
///
/// # Errors
/// [`MergeError::NotActive`].
pub const fn takes(state: PartyState) -> Result<(), MergeError> {
    match state {
        PartyState::Active => Ok(()),
        PartyState::Hold | PartyState::Merged => Err(MergeError::NotActive(state)),
    }
}

/// Whether a party becomes another, which takes all that it has; false if it has already.
///
/// Whoever was merged takes nothing, so that no two can become each other.
///
/// # Errors
/// [`MergeError`].
pub fn merge(gone: Member, heir: PartyId, heir_state: PartyState) -> Result<bool, MergeError> {
    if gone.merged_into == Some(heir) {
        return Ok(false);
    }
    match gone.state {
        PartyState::Merged => return Err(MergeError::NotActive(gone.state)),
        PartyState::Hold => return Err(MergeError::OnHold),
        PartyState::Active => {}
    }
    if gone.id == heir {
        return Err(MergeError::IntoItself);
    }
    takes(heir_state).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_party_of_its_own_becomes_another_and_only_one_that_is_served() {
        use PartyState::{Active, Hold, Merged};
        let (one, other) = (PartyId([1; 16]), PartyId([2; 16]));
        let becomes = |state, merged_into, heir, heir_state| {
            let id = one;
            let gone = Member {
                id,
                state,
                merged_into,
            };
            merge(gone, heir, heir_state)
        };
        assert_eq!(becomes(Active, None, other, Active), Ok(true));
        assert_eq!(becomes(Merged, Some(other), other, Active), Ok(false));
        let not_active = |state| Err(MergeError::NotActive(state));
        let third = PartyId([3; 16]);
        assert_eq!(
            becomes(Merged, Some(third), other, Active),
            not_active(Merged)
        );
        assert_eq!(becomes(Active, None, other, Hold), not_active(Hold));
        assert_eq!(becomes(Active, None, other, Merged), not_active(Merged));
        assert_eq!(becomes(Hold, None, other, Active), Err(MergeError::OnHold));
        assert_eq!(
            becomes(Active, None, one, Active),
            Err(MergeError::IntoItself)
        );
    }

    #[test]
    fn a_party_is_held_and_released_once_each_and_one_that_is_no_more_is_not() {
        use PartyState::{Active, Hold, Merged};
        for (state, act, expected) in [
            (Active, PartyAct::Hold, Ok(Some(Hold))),
            (Hold, PartyAct::Hold, Ok(None)),
            (Hold, PartyAct::Release, Ok(Some(Active))),
            (Active, PartyAct::Release, Ok(None)),
            (Merged, PartyAct::Hold, Err(PartyError::Merged)),
            (Merged, PartyAct::Release, Err(PartyError::Merged)),
        ] {
            assert_eq!(after(state, act), expected, "{state} {act:?}");
        }
    }
}
