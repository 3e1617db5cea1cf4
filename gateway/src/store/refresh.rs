//! Devices whose set is to be written anew, since something they have a right to has changed.
//!
//! Who changes it marks them in the same transaction, however many there are; each is then served
//! in one of its own.

use std::collections::BTreeSet;

use diesel::prelude::*;
use fleetgrant_core::domain::{ActivationState, DeviceId, EntitlementId, PartyId, Timestamp};

use super::column::{Code, Micros, Octets};
use super::condition::HoldsUnits;
use super::schema::{activations, devices, entitlement_links, entitlements, refreshes as table};
use super::{Db, StoreError};

/// A device to be looked at.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table, treat_none_as_default_value = false)]
pub struct Refresh {
    /// Which.
    pub device_id: String,
    /// Who changed what it has a right to, for the history.
    pub actor: String,
    /// When; it also tells one marking from the next.
    pub due_at: Micros,
    /// It gets a set though what it has stays as it is.
    pub anew: bool,
}

/// Marks every device that has something of an entitlement; how many there are.
pub fn mark_holders(
    db: &mut Db,
    entitlement: EntitlementId,
    actor: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let devices: Vec<String> = on!(db, c => activations::table
        .filter(activations::entitlement_id.eq(Octets(entitlement)))
        .filter(HoldsUnits)
        .select(activations::device_id)
        .distinct()
        .load(c))?;
    mark(db, &devices, actor, now)?;
    Ok(devices.len())
}

/// Marks every device that has something of an entitlement of which sets say something else from
/// now on; how many there are.
pub fn mark_holders_anew(
    db: &mut Db,
    entitlement: EntitlementId,
    actor: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let devices = mark_holders(db, entitlement, actor, now)?;
    let holders = activations::table
        .filter(activations::entitlement_id.eq(Octets(entitlement)))
        .filter(HoldsUnits)
        .select(activations::device_id);
    on!(db, c => diesel::update(table::table.filter(table::device_id.eq_any(holders)))
        .set(table::anew.eq(true))
        .execute(c))?;
    Ok(devices)
}

/// Marks every device on which something of a party's waits: what is reserved there of its
/// entitlements, or on a device of its, and upgrades under way; how many there are.
pub fn mark_waiting(
    db: &mut Db,
    party: PartyId,
    actor: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let own = || {
        entitlements::table
            .filter(entitlements::owner_id.eq(Octets(party)))
            .select(entitlements::id)
    };
    let own_devices = devices::table
        .filter(devices::owner_id.eq(Octets(party)))
        .select(devices::id);
    let reserved: Vec<String> = on!(db, c => activations::table
        .filter(activations::state.eq(Code(ActivationState::Reserved)))
        .filter(
            activations::entitlement_id.eq_any(own())
                .or(activations::device_id.eq_any(own_devices)),
        )
        .select(activations::device_id)
        .distinct()
        .load(c))?;
    let upgraded = entitlement_links::table
        .filter(entitlement_links::waiting_units.gt(0))
        .filter(entitlement_links::from_id.eq_any(own()))
        .select(entitlement_links::from_id);
    let upgrading: Vec<String> = on!(db, c => activations::table
        .filter(activations::entitlement_id.eq_any(upgraded))
        .filter(HoldsUnits)
        .select(activations::device_id)
        .distinct()
        .load(c))?;
    let waiting: BTreeSet<String> = reserved.into_iter().chain(upgrading).collect();
    let waiting: Vec<_> = waiting.into_iter().collect();
    mark(db, &waiting, actor, now)?;
    Ok(waiting.len())
}

/// Marks devices.
pub fn mark(
    db: &mut Db,
    devices: &[String],
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    for device in devices {
        let row = Refresh {
            device_id: device.clone(),
            actor: actor.to_owned(),
            due_at: Micros(now),
            anew: false,
        };
        // Whoever serves an earlier marking just now must not take this one for it.
        on!(db, c => diesel::insert_into(table::table)
            .values(&row)
            .on_conflict(table::device_id)
            .do_update()
            .set((table::actor.eq(&row.actor), table::due_at.eq(row.due_at)))
            .execute(c))?;
    }
    Ok(())
}

/// Has devices that are marked get a set though what they have stays as it is.
pub fn mark_anew(db: &mut Db, devices: &[String]) -> Result<(), StoreError> {
    for device in devices {
        on!(db, c => diesel::update(table::table.find(device))
            .set(table::anew.eq(true))
            .execute(c))?;
    }
    Ok(())
}

/// Marks a device to be looked at later, unless it is marked for sooner.
pub fn mark_later(
    db: &mut Db,
    device: &DeviceId,
    actor: &str,
    later: Timestamp,
) -> Result<(), StoreError> {
    let row = Refresh {
        device_id: device.as_str().to_owned(),
        actor: actor.to_owned(),
        due_at: Micros(later),
        anew: false,
    };
    on!(db, c => diesel::insert_into(table::table)
        .values(&row)
        .on_conflict_do_nothing()
        .execute(c))?;
    on!(db, c => diesel::update(table::table.find(&row.device_id))
        .filter(table::due_at.gt(row.due_at))
        .set(table::due_at.eq(row.due_at))
        .execute(c))?;
    Ok(())
}

/// Up to `limit` devices that are due, the longest due first.
pub fn due(db: &mut Db, now: Timestamp, limit: i64) -> Result<Vec<Refresh>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::due_at.le(Micros(now)))
        .order(table::due_at)
        .limit(limit)
        .select(Refresh::as_select())
        .load(c))?)
}

impl Refresh {
    /// The device.
    pub fn device(&self) -> Result<DeviceId, StoreError> {
        DeviceId::new(&self.device_id).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}

/// Puts off what is due of a device at `now`.
pub fn postpone(
    db: &mut Db,
    device: &str,
    now: Timestamp,
    later: Timestamp,
) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table.find(device))
        .filter(table::due_at.le(Micros(now)))
        .set(table::due_at.eq(Micros(later)))
        .execute(c))?;
    Ok(())
}

/// Ends a marking; one that came after it stays.
pub fn settle(db: &mut Db, refresh: &Refresh) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(table::table.find(&refresh.device_id))
        .filter(table::due_at.eq(refresh.due_at))
        .execute(c))?;
    Ok(())
}
