//! What operators do to entitlements, and what reaches devices of it.
//!
//! An act changes the entitlement and marks the devices that have something of it, in one
//! transaction; the [`refresh`](crate::refresh) then gives each a set of its own.

use fleetgrant_core::domain::{EntitlementId, EntitlementState, HoldReason, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::lifecycle::{self, EntitlementAct, LifecycleError, Posture};

use crate::operator::{ActError, Attempt, Effects, Operator};
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError, refresh};

/// What an act on an entitlement came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitlementChange {
    /// Of which.
    pub id: EntitlementId,
    /// What its system calls it.
    pub reference: String,
    /// Where it stood.
    pub before: Posture,
    /// Where it stands; as before, if it stood there already.
    pub after: Posture,
    /// Units of it that are in use.
    pub live: u32,
    /// Devices that get another set for it.
    pub devices: usize,
}

/// Why an act on an entitlement was not done.
#[derive(Debug, thiserror::Error)]
pub enum EntitlementActError {
    /// There is no such entitlement.
    #[error("there is no entitlement {0}: list them with `fleetgrant entitlements list`")]
    Unknown(EntitlementId),
    /// Where it stands does not allow it.
    #[error(transparent)]
    Refused(#[from] LifecycleError),
    /// It could not be done.
    #[error(transparent)]
    Act(#[from] ActError),
}

type Tried = Attempt<EntitlementChange, EntitlementActError>;

impl Operator {
    /// Does it, or only finds out what it would come to; a refusal leaves nothing behind.
    ///
    /// # Errors
    /// See [`EntitlementActError`].
    pub async fn act_on(
        &self,
        id: EntitlementId,
        act: EntitlementAct,
        effects: Effects,
    ) -> Result<EntitlementChange, EntitlementActError> {
        self.until_still("entitlement-act", effects, move |operator, db, now| {
            operator.attempt_on(db, id, act, now)
        })
        .await
    }

    /// One try, within a transaction that the caller ends.
    ///
    /// # Errors
    /// The database failed.
    pub fn attempt_on(
        &self,
        db: &mut Db,
        id: EntitlementId,
        act: EntitlementAct,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        match entitlement::find(db, id)? {
            Some(known) => put(db, &known, act, &self.actor, now),
            None => Ok(Tried::Refused(EntitlementActError::Unknown(id))),
        }
    }
}

/// Puts an entitlement where an act leads it, within a transaction that the caller ends.
pub(crate) fn put(
    db: &mut Db,
    known: &Entitlement,
    act: EntitlementAct,
    actor: &str,
    now: Timestamp,
) -> Result<Tried, StoreError> {
    let before = known.posture()?;
    let live = u32::try_from(known.live_units).unwrap_or(u32::MAX);
    let mut change = EntitlementChange {
        id: known.id.0,
        reference: known.reference.clone(),
        before,
        after: before,
        live,
        devices: 0,
    };
    change.after = match lifecycle::after(before, act, live, now) {
        Ok(Some(after)) => after,
        Ok(None) => return Ok(Tried::Done(change)),
        Err(reason) => return Ok(Tried::Refused(reason.into())),
    };
    if !entitlement::stand(db, known, change.after, now)? {
        return Ok(Tried::Stale);
    }
    if lifecycle::reaches_devices(before, change.after) {
        change.devices = refresh::mark_holders(db, known.id.0, actor, now)?;
    }
    let occasion = Occasion {
        at: now,
        actor,
        cause: &[],
    };
    event::append(
        db,
        Stream::Entitlement(known.id.0),
        occasion,
        &[told(&change, act)],
    )?;
    Ok(Tried::Done(change))
}

/// Closes what was to be revoked by now, and marks its devices; up to `limit` of it.
pub(crate) fn close_revoked(db: &mut Db, now: Timestamp, limit: i64) -> Result<(), StoreError> {
    for known in entitlement::to_close(db, now, limit)? {
        let act = EntitlementAct::Revoke { at: now };
        if let Tried::Stale = put(db, &known, act, "gateway", now)? {
            // The next round finds it again.
            tracing::debug!(entitlement = %known.id.0, "changed while it was to be closed");
        }
    }
    Ok(())
}

fn told(change: &EntitlementChange, act: EntitlementAct) -> Event {
    let kind = match act {
        EntitlementAct::Activate => EventKind::EntitlementActivated,
        EntitlementAct::Suspend => EventKind::EntitlementSuspended,
        EntitlementAct::Resume => EventKind::EntitlementResumed,
        EntitlementAct::Hold(_) => EventKind::EntitlementHeld,
        EntitlementAct::Release(_) => EventKind::EntitlementReleased,
        EntitlementAct::Revoke { .. } => EventKind::EntitlementRevoked,
        EntitlementAct::KeepOn => EventKind::EntitlementKept,
        EntitlementAct::Close => EventKind::EntitlementClosed,
    };
    let reason = match act {
        EntitlementAct::Hold(reason) | EntitlementAct::Release(reason) => Some(reason),
        _ => None,
    };
    let mut event = Event::new(kind)
        .with("reference", change.reference.as_str())
        .with("before", change.before.state.as_str())
        .with("state", change.after.state.as_str())
        .with_some("reason", reason.map(HoldReason::as_str))
        .with_some("from", change.after.revoked_from.map(Timestamp::seconds))
        .with("in-use", change.live)
        .with("devices", change.devices as u64);
    event.entitlement = Some(change.id);
    event
}

impl EntitlementChange {
    /// What people are told of it.
    #[must_use]
    pub fn summary(&self) -> String {
        let Self {
            reference, after, ..
        } = self;
        if self.before == self.after {
            return format!("{reference} is so already: {}", standing(*after));
        }
        let reaches = match self.devices {
            0 => "no device has anything of it".to_owned(),
            1 => "1 device gets another set".to_owned(),
            devices => format!("{devices} devices get another set"),
        };
        format!("{reference} is {}; {reaches}", standing(*after))
    }
}

fn standing(posture: Posture) -> String {
    let reasons: Vec<_> = posture.holds.iter().map(HoldReason::as_str).collect();
    let mut text = posture.state.to_string();
    if posture.state == EntitlementState::Hold {
        text.push_str(&format!(" ({})", reasons.join(", ")));
    }
    match posture.revoked_from {
        Some(from) if posture.state == EntitlementState::Closed => {
            text.push_str(&format!(", revoked at {from}"));
        }
        Some(from) => text.push_str(&format!(", to be revoked at {from}")),
        None => {}
    }
    text
}
