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

#[cfg(test)]
mod tests {
    use super::*;

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
