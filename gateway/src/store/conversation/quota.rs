//! Units that wait to be taken up, and uses of quotas.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use fleetgrant_core::device::Device;
use fleetgrant_core::domain::{
    ActivationId, DeviceId, EntitlementId, PartyId, QuotaUseId, RemovalReason, Timestamp,
};
use fleetgrant_core::entitlement::Entitlement;
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::quota::{Leave, NewUse, QuotaKind, QuotaUse};
use fleetgrant_core::snapshot::{Moved, MovedFrom};

use super::{corrupt, unsigned};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::id;
use crate::store::schema::{activations, quota_uses};

/// Ended activations of one entitlement that are read, at most. What is not read moves as well,
/// only that it is not said from where.
const MAX_MOVED: i64 = 64;

condition!(
    /// The activation's units wait to be taken up, as the partial index has it.
    IsToTakeUp = "activations.state IN (8, 10) AND activations.kind = 1 \
                  AND activations.removal_reason IN (1, 3) \
                  AND activations.taken_up_units < activations.units"
);

type Found = (
    Octets<ActivationId>,
    Octets<EntitlementId>,
    String,
    i64,
    i64,
    Option<Code<RemovalReason>>,
);

const COLUMNS: (
    activations::id,
    activations::entitlement_id,
    activations::device_id,
    activations::units,
    activations::taken_up_units,
    activations::removal_reason,
) = (
    activations::id,
    activations::entitlement_id,
    activations::device_id,
    activations::units,
    activations::taken_up_units,
    activations::removal_reason,
);

/// What was given back or written off of those entitlements of which anything was.
pub(super) fn moved(
    db: &mut Db,
    device: &DeviceId,
    entitlements: &[Entitlement],
) -> Result<Vec<Moved>, StoreError> {
    let mut moved = Vec::new();
    for entitlement in entitlements.iter().filter(|e| e.returned > 0) {
        let found: Vec<Found> = on!(db, c => activations::table
            .filter(activations::entitlement_id.eq(Octets(entitlement.id)))
            .filter(IsToTakeUp)
            // UUIDv7: the oldest first.
            .order(activations::id)
            .limit(MAX_MOVED)
            .select(COLUMNS)
            .load(c))?;
        for row in found {
            moved.push(waiting(device, row)?);
        }
    }
    Ok(moved)
}

/// What one activation gave back or was written off with, if any of it waits to be taken up.
pub(super) fn moved_from(
    db: &mut Db,
    device: &DeviceId,
    from: ActivationId,
) -> Result<Option<Moved>, StoreError> {
    let found: Option<Found> = on!(db, c => activations::table
        .find(Octets(from))
        .filter(IsToTakeUp)
        .select(COLUMNS)
        .first(c)
        .optional())?;
    found.map(|row| waiting(device, row)).transpose()
}

/// The entitlement of an activation.
pub(super) fn entitlement_of(
    db: &mut Db,
    activation: ActivationId,
) -> Result<Option<EntitlementId>, StoreError> {
    let found: Option<Octets<EntitlementId>> = on!(db, c => activations::table
        .find(Octets(activation))
        .select(activations::entitlement_id)
        .first(c)
        .optional())?;
    Ok(found.map(|id| id.0))
}

fn waiting(device: &DeviceId, row: Found) -> Result<Moved, StoreError> {
    let (activation, entitlement, on, units, taken_up, reason) = row;
    Ok(Moved {
        activation: activation.0,
        entitlement: entitlement.0,
        units: unsigned("taken_up_units", units - taken_up)?,
        from: match reason.map(|reason| reason.0) {
            Some(RemovalReason::Rehost) => MovedFrom::WrittenOff,
            _ if on == device.as_str() => MovedFrom::ThisDevice,
            _ => MovedFrom::Elsewhere,
        },
    })
}

type UseRow = (
    Octets<QuotaUseId>,
    Code<QuotaKind>,
    Octets<EntitlementId>,
    Option<Octets<PartyId>>,
    String,
    i64,
    Code<Leave>,
    Micros,
);

const USE: (
    quota_uses::id,
    quota_uses::kind,
    quota_uses::entitlement_id,
    quota_uses::owner_id,
    quota_uses::device_id,
    quota_uses::units,
    quota_uses::leave,
    quota_uses::used_at,
) = (
    quota_uses::id,
    quota_uses::kind,
    quota_uses::entitlement_id,
    quota_uses::owner_id,
    quota_uses::device_id,
    quota_uses::units,
    quota_uses::leave,
    quota_uses::used_at,
);

/// Uses after `since` of the entitlements, the device and the owner.
pub(super) fn uses(
    db: &mut Db,
    device: &DeviceId,
    owner: Option<PartyId>,
    entitlements: &[Entitlement],
    since: Timestamp,
) -> Result<Vec<QuotaUse>, StoreError> {
    let mut rows: BTreeMap<Octets<QuotaUseId>, UseRow> = BTreeMap::new();
    let mut keep = |found: Vec<UseRow>| rows.extend(found.into_iter().map(|row| (row.0, row)));
    let recent = || {
        quota_uses::table
            .filter(quota_uses::used_at.gt(Micros(since)))
            .select(USE)
    };
    let named: BTreeSet<_> = entitlements
        .iter()
        .map(|entitlement| entitlement.id)
        .collect();
    for entitlement in named {
        keep(on!(db, c => recent()
            .filter(quota_uses::entitlement_id.eq(Octets(entitlement)))
            .load(c))?);
    }
    keep(on!(db, c => recent()
        .filter(quota_uses::device_id.eq(device.as_str()))
        .load(c))?);
    if let Some(owner) = owner {
        keep(on!(db, c => recent()
            .filter(quota_uses::owner_id.eq(Octets(owner)))
            .load(c))?);
    }
    rows.into_values().map(quota_use).collect()
}

fn quota_use(row: UseRow) -> Result<QuotaUse, StoreError> {
    let (_, kind, entitlement, owner, device, units, leave, at) = row;
    Ok(QuotaUse {
        kind: kind.0,
        entitlement: entitlement.0,
        owner: owner.map(|owner| owner.0),
        device: DeviceId::new(&device).map_err(corrupt)?,
        units: unsigned("units", units)?,
        leave: leave.0,
        at: at.0,
    })
}

/// Records what was taken up and what was used; false if that is not what was decided on.
pub(super) fn record(db: &mut Db, outcome: &Outcome, now: Timestamp) -> Result<bool, StoreError> {
    for (activation, units) in &outcome.taken_up {
        let units = i64::from(*units);
        let taken = on!(db, c => diesel::update(activations::table.find(Octets(*activation)))
            .filter((activations::taken_up_units + units).le(activations::units))
            .set(activations::taken_up_units.eq(activations::taken_up_units + units))
            .execute(c))?;
        if taken == 0 {
            return Ok(false);
        }
    }
    for used in &outcome.uses {
        if !is_current(db, outcome, used)? {
            return Ok(false);
        }
    }
    for used in &outcome.uses {
        match insert(db, &outcome.device, used, now) {
            // The schema counted more than was decided on.
            Err(StoreError::Stale) => return Ok(false),
            inserted => inserted?,
        }
    }
    Ok(true)
}

fn insert(db: &mut Db, device: &Device, used: &NewUse, now: Timestamp) -> Result<(), StoreError> {
    let id: Octets<QuotaUseId> = id::fresh(now);
    let guard = used.guard;
    on!(db, c => diesel::insert_into(quota_uses::table)
        .values((
            quota_uses::id.eq(id),
            quota_uses::kind.eq(Code(used.kind)),
            quota_uses::entitlement_id.eq(Octets(used.entitlement)),
            quota_uses::owner_id.eq(device.owner.map(Octets)),
            quota_uses::device_id.eq(device.id.as_str()),
            quota_uses::units.eq(i64::from(used.units)),
            quota_uses::leave.eq(Code(used.leave())),
            quota_uses::used_at.eq(Micros(now)),
            quota_uses::scope.eq(guard.map(|guard| Code(guard.scope))),
            quota_uses::allowance.eq(guard.map(|guard| i64::from(guard.allowance))),
            quota_uses::counted_from.eq(guard.map(|guard| Micros(guard.after))),
        ))
        .execute(c))?;
    Ok(())
}

/// Whether nobody used the quota since it was read.
fn is_current(db: &mut Db, outcome: &Outcome, used: &NewUse) -> Result<bool, StoreError> {
    let Some(guard) = used.guard else {
        return Ok(true);
    };
    let device = &outcome.device;
    let mut stored = 0_u64;
    let rows: Vec<UseRow> = on!(db, c => quota_uses::table
        .filter(quota_uses::used_at.gt(Micros(guard.after)))
        .filter(quota_uses::kind.eq(Code(used.kind)))
        .filter(
            quota_uses::entitlement_id.eq(Octets(used.entitlement))
                .or(quota_uses::device_id.eq(device.id.as_str()))
                .or(quota_uses::owner_id.eq(device.owner.map(Octets))),
        )
        .select(USE)
        .load(c))?;
    for row in rows {
        let other = quota_use(row)?;
        if other.is_within(guard.scope, used.entitlement, device.owner, &device.id) {
            stored += u64::from(other.units);
        }
    }
    Ok(stored == u64::from(guard.seen))
}
