//! A party on hold, and one that is released.
//!
//! A hold changes nothing on devices. What waited meanwhile goes out once the party is released.

use fleetgrant_core::domain::{PartyId, PartyState, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::party::{self as core, PartyAct};

use super::EntitlementActError;
use crate::operator::{Attempt, Effects, Operator};
use crate::store::column::{Code, Micros, Octets};
use crate::store::event::{self, Occasion, Stream};
use crate::store::party::{self, Party};
use crate::store::{Db, StoreError, refresh};

/// What came of holding or releasing a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartyChange {
    /// Where it stands.
    pub state: PartyState,
    /// Whether it stood otherwise.
    pub changed: bool,
    /// Devices on which something waited for the release, and that are looked at now.
    pub devices: usize,
}

type Tried = Attempt<PartyChange, EntitlementActError>;

impl Operator {
    /// Holds or releases a party, or only finds out what it would come to.
    ///
    /// # Errors
    /// See [`EntitlementActError`].
    pub async fn act_on_party(
        &self,
        id: PartyId,
        act: PartyAct,
        effects: Effects,
    ) -> Result<PartyChange, EntitlementActError> {
        self.until_still("party-act", effects, move |operator, db, now| {
            operator.attempt_on_party(db, id, act, now)
        })
        .await
    }

    /// One try of [`act_on_party`](Self::act_on_party), within a transaction that the caller ends.
    pub(crate) fn attempt_on_party(
        &self,
        db: &mut Db,
        id: PartyId,
        act: PartyAct,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let Some(known) = party::find(db, Octets(id))? else {
            return Ok(Tried::Refused(EntitlementActError::UnknownParty(id)));
        };
        let state = known.state.0;
        let after = match core::after(state, act) {
            Ok(Some(after)) => after,
            Ok(None) => {
                return Ok(Tried::Done(PartyChange {
                    state,
                    changed: false,
                    devices: 0,
                }));
            }
            Err(reason) => return Ok(Tried::Refused(reason.into())),
        };
        let stands = Party {
            state: Code(after),
            changed_at: Micros(now),
            ..known
        };
        party::update(db, &stands)?;
        let occasion = Occasion {
            at: now,
            actor: &self.actor,
            cause: &[],
        };
        let devices = followed(db, id, (state, after), occasion)?;
        let kind = match act {
            PartyAct::Hold => EventKind::PartyHeld,
            PartyAct::Release => EventKind::PartyReleased,
        };
        let told = Event::new(kind)
            .with("before", state.as_str())
            .with("state", after.as_str())
            .with("devices", devices as u64);
        event::append(db, Stream::Party(id), occasion, &[told])?;
        Ok(Tried::Done(PartyChange {
            state: after,
            changed: true,
            devices,
        }))
    }
}

/// Has devices looked at for which a party's release is what they waited for; how many.
pub(crate) fn followed(
    db: &mut Db,
    party: PartyId,
    (before, after): (PartyState, PartyState),
    occasion: Occasion<'_>,
) -> Result<usize, StoreError> {
    match (before, after) {
        (PartyState::Hold, PartyState::Active) => {
            refresh::mark_waiting(db, party, occasion.actor, occasion.at)
        }
        _ => Ok(0),
    }
}
