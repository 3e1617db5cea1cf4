//! A party that became another.

use fleetgrant_core::domain::{PartyId, PartyState, Timestamp};
use fleetgrant_core::event::{Event, EventKind};

use super::{EntitlementActError, split};
use crate::operator::{Attempt, Effects, Operator};
use crate::store::column::{Code, Micros, Octets};
use crate::store::event::{self, Occasion, Stream};
use crate::store::party::{self, Belongings, Party};
use crate::store::{Db, StoreError};

type Tried = Attempt<Belongings, EntitlementActError>;

impl Operator {
    /// Makes a party part of another: what it owns and what it is called by are the other's from
    /// now on. Its orders stay its own, as they were signed.
    ///
    /// # Errors
    /// See [`EntitlementActError`]; it is done whole or not at all.
    pub async fn merge_parties(
        &self,
        from: PartyId,
        into: PartyId,
        effects: Effects,
    ) -> Result<Belongings, EntitlementActError> {
        self.until_still("merge", effects, move |operator, db, now| {
            operator.attempt_merge(db, from, into, now)
        })
        .await
    }

    /// One try of [`merge_parties`](Self::merge_parties), within a transaction that the caller ends.
    pub(crate) fn attempt_merge(
        &self,
        db: &mut Db,
        from: PartyId,
        into: PartyId,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let Some(gone) = party::find(db, Octets(from))? else {
            return Ok(Tried::Refused(EntitlementActError::UnknownParty(from)));
        };
        if gone.merged_into_id == Some(Octets(into)) {
            return Ok(Tried::Done(Belongings::default()));
        }
        if gone.state.0 == PartyState::Merged {
            return Ok(Tried::Refused(EntitlementActError::PartyNotActive(
                gone.state.0,
            )));
        }
        if gone.state.0 == PartyState::Hold {
            return Ok(Tried::Refused(EntitlementActError::MergedOnHold));
        }
        if from == into {
            return Ok(Tried::Refused(EntitlementActError::MergedIntoItself));
        }
        // Whoever was merged takes nothing, so that no two can become each other.
        let heir = match split::new_owner(db, into)? {
            Ok(heir) => heir,
            Err(error) => return Ok(Tried::Refused(error)),
        };
        let belongings = party::hand_over(db, gone.id, heir.id, now)?;
        party::update(
            db,
            &Party {
                state: Code(PartyState::Merged),
                merged_into_id: Some(heir.id),
                parent_id: None,
                changed_at: Micros(now),
                ..gone
            },
        )?;
        let occasion = Occasion {
            at: now,
            actor: &self.actor,
            cause: &[],
        };
        let told = Event::new(EventKind::PartyMerged)
            .with("from", from)
            .with("into", into)
            .with("entitlements", belongings.entitlements as u64)
            .with("devices", belongings.devices as u64);
        for id in [from, into] {
            let told = std::slice::from_ref(&told);
            event::append(db, Stream::Party(id), occasion, told)?;
        }
        Ok(Tried::Done(belongings))
    }
}
