//! A party that became another.

use fleetgrant_core::domain::{PartyId, PartyState, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::party::{self as parties, Member};

use super::EntitlementActError;
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
        let Some(heir) = party::find(db, Octets(into))? else {
            return Ok(Tried::Refused(EntitlementActError::UnknownParty(into)));
        };
        let member = Member {
            id: from,
            state: gone.state.0,
            merged_into: gone.merged_into_id.map(|party| party.0),
        };
        match parties::merge(member, into, heir.state.0) {
            Ok(true) => {}
            Ok(false) => return Ok(Tried::Done(Belongings::default())),
            Err(reason) => return Ok(Tried::Refused(reason.into())),
        }
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
