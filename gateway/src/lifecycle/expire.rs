//! An entitlement that has ended by its time.
//!
//! It is expired once its grace is over too, whatever its devices may go on with; a renewal, or another
//! end, makes it active again. Decisions go by its dates before and after, so that devices are told the
//! same.

use fleetgrant_core::domain::{EntitlementId, EntitlementState, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::lifecycle::{Posture, ended};

use crate::store::entitlement::{self, Entitlement};
use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError, entitlement_look, listing, policy_override};

/// What policy adds to a grace may change, so that it is looked at again each day, in seconds.
const AGAIN: u64 = 86_400;

/// Looks at up to `limit` entitlements that may have ended by now; how many were looked at.
pub(crate) fn expire_due(db: &mut Db, now: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let due = entitlement_look::due(db, now, limit)?;
    let looked_at = due.len();
    for id in due {
        let again = look(db, id, now)?;
        entitlement_look::put_off(db, id, again)?;
    }
    Ok(looked_at)
}

/// When to look again; none: not before something changes.
fn look(db: &mut Db, id: EntitlementId, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let Some(known) = entitlement::find(db, id)? else {
        return Ok(None);
    };
    let may_turn = [EntitlementState::Active, EntitlementState::Expired];
    if !may_turn.contains(&known.state.0) {
        return Ok(None);
    }
    let Some(end) = end(&known)? else {
        return Ok(None);
    };
    if end > now && known.state.0 == EntitlementState::Active {
        return Ok(Some(end));
    }
    let until = end.plus_seconds(grace(db, &known)?);
    let before = known.posture()?;
    match ended(before, until, now) {
        Some(after) => {
            put(db, &known, before, after, end, now)?;
            Ok((after.state == EntitlementState::Active).then_some(end))
        }
        None if until > now => Ok(Some(until.min(now.plus_seconds(AGAIN)))),
        None => Ok(None),
    }
}

/// Until when it runs, where that is one instant for all its devices.
fn end(known: &Entitlement) -> Result<Option<Timestamp>, StoreError> {
    if let Some(end) = known.ends_at {
        return Ok(Some(end.0));
    }
    listing::term_end(known.starts_at, known.term.as_deref(), &known.time_zone)
        .map_err(|what| StoreError::Corrupt(format!("{what} of entitlement {}", known.id.0)))
}

/// Seconds that it goes on after its end, by its model or by policy.
fn grace(db: &mut Db, known: &Entitlement) -> Result<u64, StoreError> {
    let owner = known.owner_id.map(|owner| owner.0);
    let policy = policy_override::of_right(db, owner, known.product_id.0, Some(known.id.0))?;
    Ok(known
        .grace_seconds
        .unsigned_abs()
        .max(policy.rules.grace.into()))
}

fn put(
    db: &mut Db,
    known: &Entitlement,
    before: Posture,
    after: Posture,
    end: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !entitlement::stand(db, known, after, now)? {
        // It has changed, so that it is looked at anew.
        return Ok(());
    }
    let mut told = match after.state {
        EntitlementState::Expired => Event::new(EventKind::EntitlementExpired)
            .with("reference", known.reference.as_str())
            .with("before", before.state.as_str())
            .with("state", after.state.as_str())
            .with("end", end.seconds())
            .with("in-use", known.live_units.unsigned_abs()),
        // What moved its end has an event of its own; this is what became of it.
        state => Event::new(EventKind::EntitlementAmended)
            .with("reference", known.reference.as_str())
            .with(
                "before",
                format!(r#"{{"state":"{}"}}"#, before.state).as_str(),
            )
            .with("after", format!(r#"{{"state":"{state}"}}"#).as_str()),
    };
    told.entitlement = Some(known.id.0);
    let occasion = Occasion {
        at: now,
        actor: "gateway",
        cause: &[],
    };
    event::append(db, Stream::Entitlement(known.id.0), occasion, &[told])
}

#[cfg(test)]
mod tests;
