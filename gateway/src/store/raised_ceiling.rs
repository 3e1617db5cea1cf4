//! Entitlements that are maintained for longer, until every device that has to do with them is marked.
//!
//! They may be many, so they are marked in portions, each in a transaction of its own: those that have
//! something of it, since their sets say something else from now on, and those that refused it for
//! their firmware's build, since they may have it again.

use diesel::dsl::count;
use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationKind, ActivationState, EntitlementId, RemovalReason, Timestamp,
};

use super::column::{Code, Octets};
use super::condition::HoldsUnits;
use super::schema::{activations, raised_ceilings as table};
use super::{Db, StoreError, refresh, regrant};

/// What was raised, and how far its devices are marked.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct Raised {
    /// What is maintained.
    pub entitlement_id: Octets<EntitlementId>,
    /// Who had it maintained for longer, for the history.
    pub actor: String,
    /// Devices after this one are not marked yet.
    pub after_device: String,
}

/// A device that has to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub device: String,
    /// Whether it has something of it.
    pub holds: bool,
}

/// The activations of devices that have something of an entitlement, or refused it for their
/// firmware's build.
macro_rules! of_it {
    ($entitlement:expr) => {
        activations::table
            .filter(activations::entitlement_id.eq(Octets($entitlement)))
            .filter(
                activations::removal_reason
                    .eq(Code(RemovalReason::BuildCeiling))
                    .and(activations::kind.eq(Code(ActivationKind::Normal)))
                    .or(HoldsUnits),
            )
    };
}

/// Has every device that has to do with an entitlement be marked; how many there are.
pub fn add(db: &mut Db, entitlement: EntitlementId, actor: &str) -> Result<usize, StoreError> {
    let raised = Raised {
        entitlement_id: Octets(entitlement),
        actor: actor.to_owned(),
        after_device: String::new(),
    };
    on!(db, c => diesel::insert_into(table::table)
        .values(&raised)
        .on_conflict(table::entitlement_id)
        .do_update()
        .set((
            table::actor.eq(&raised.actor),
            table::after_device.eq(&raised.after_device),
        ))
        .execute(c))?;
    let devices: i64 = on!(db, c => of_it!(entitlement)
        .select(count(activations::device_id).aggregate_distinct())
        .first(c))?;
    Ok(usize::try_from(devices).unwrap_or(0))
}

/// One whose devices are not all marked yet.
pub fn next(db: &mut Db) -> Result<Option<Raised>, StoreError> {
    Ok(on!(db, c => table::table
        .order(table::entitlement_id)
        .select(Raised::as_select())
        .first(c)
        .optional())?)
}

/// The next devices of one, some `limit` of them, and whether these are the last.
pub fn devices(
    db: &mut Db,
    raised: &Raised,
    limit: i64,
) -> Result<(Vec<Reached>, bool), StoreError> {
    let rows: Vec<(String, Code<ActivationState>)> = on!(db, c => of_it!(raised.entitlement_id.0)
        .filter(activations::device_id.gt(&raised.after_device))
        .select((activations::device_id, activations::state))
        .distinct()
        .order((activations::device_id, activations::state))
        .limit(limit)
        .load(c))?;
    let is_last = i64::try_from(rows.len()).is_ok_and(|rows| rows < limit);
    let mut found: Vec<Reached> = Vec::new();
    for (device, state) in rows {
        let holds = state.0.holds_units();
        match found.last_mut() {
            Some(last) if last.device == device => last.holds |= holds,
            _ => found.push(Reached { device, holds }),
        }
    }
    if !is_last && found.len() > 1 {
        // Of the last some states may not have been read.
        found.pop();
    }
    Ok((found, is_last))
}

/// Marks a portion of its devices.
pub fn mark(
    db: &mut Db,
    raised: &Raised,
    portion: &[Reached],
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(last) = portion.last() else {
        return Ok(());
    };
    let devices: Vec<_> = portion
        .iter()
        .map(|reached| reached.device.clone())
        .collect();
    regrant::note(db, raised.entitlement_id.0, &devices)?;
    refresh::mark(db, &devices, &raised.actor, now)?;
    let holders = portion.iter().filter(|reached| reached.holds);
    let holders: Vec<_> = holders.map(|reached| reached.device.clone()).collect();
    refresh::mark_anew(db, &holders)?;
    // Unless it was raised once more, which begins again.
    on!(db, c => diesel::update(table::table.find(raised.entitlement_id))
        .filter(table::after_device.lt(&last.device))
        .filter(table::after_device.ge(&raised.after_device))
        .set(table::after_device.eq(&last.device))
        .execute(c))?;
    Ok(())
}

/// All devices up to this one are marked, and there are no others.
pub fn settle(db: &mut Db, raised: &Raised) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(table::table.find(raised.entitlement_id))
        .filter(table::after_device.eq(&raised.after_device))
        .execute(c))?;
    Ok(())
}
