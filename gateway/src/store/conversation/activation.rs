//! Rows of activations.

use diesel::prelude::*;
use fleetgrant_core::activation::{Activation, Run, Standing};
use fleetgrant_core::domain::{
    ActivationId, ActivationKind, ActivationState, CodeId, DeviceId, EntitlementId, LicenseModel,
    Origin, ProductId, RemovalReason, Timestamp,
};
use fleetgrant_core::entitlement::Entitlement;
use fleetgrant_core::license::Trial;
use fleetgrant_core::outcome::Change;
use fleetgrant_core::snapshot::Declined;

use super::entitlement::{self, publishable_until};
use super::{corrupt, memory, unsigned};
use crate::store::column::{Code, Micros, Octets};
use crate::store::condition::HoldsUnits;
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::prepared::Fix as _;
use crate::store::schema::{activations, entitlements};

condition!(
    /// The activation was lost with its device.
    IsWrittenOff = "activations.state = 10"
);
condition!(
    /// The activation is being removed.
    IsRemoving = "activations.state = 5"
);
condition!(
    /// The activation holds units, and nothing takes it from its device.
    IsStaying = "activations.ended_at IS NULL AND activations.removal_reason IS NULL"
);
condition!(
    /// The activation was removed or cancelled.
    WasDeclined = "activations.state IN (7, 8)"
);

#[derive(Queryable, Selectable)]
#[diesel(table_name = activations)]
struct Row {
    id: Octets<ActivationId>,
    entitlement_id: Octets<EntitlementId>,
    kind: Code<ActivationKind>,
    predecessor_id: Option<Octets<ActivationId>>,
    code_id: Option<Octets<CodeId>>,
    created_at: Micros,
    #[diesel(embed)]
    progress: Progress,
}

/// The columns that change.
#[derive(Queryable, Selectable)]
#[diesel(table_name = activations)]
struct Progress {
    origin: Code<Origin>,
    units: i64,
    state: Code<ActivationState>,
    removal_reason: Option<Code<RemovalReason>>,
    starts_at: Option<Micros>,
    ends_at: Option<Micros>,
    grace_seconds: Option<i64>,
    runs_until_at: Option<Micros>,
    removed_epoch: Option<i64>,
    removed_generation: Option<i64>,
    removing_since_at: Option<Micros>,
    usage_total: i64,
    activated_at: Option<Micros>,
    stranded: bool,
}

/// Activations, and the entitlements they are of, each as often as it occurs.
pub(super) struct Held {
    pub(super) activations: Vec<Activation>,
    pub(super) entitlements: Vec<entitlement::Row>,
}

/// Those that hold units, ascending by id.
pub(super) fn holding(db: &mut Db, device: &DeviceId) -> Result<Held, StoreError> {
    found(on!(db, c => activations::table
        .inner_join(entitlements::table.on(entitlements::id.eq(activations::entitlement_id)))
        .filter(activations::device_id.eq(device.as_str()))
        .filter(HoldsUnits)
        .order(activations::id)
        .select((Row::as_select(), entitlement::Row::as_select()))
        .fixed()
        .load(c))?)
}

/// Those of a device declared dead that it may still have.
pub(super) fn written_off(db: &mut Db, device: &DeviceId) -> Result<Held, StoreError> {
    found(on!(db, c => activations::table
        .inner_join(entitlements::table.on(entitlements::id.eq(activations::entitlement_id)))
        .filter(activations::device_id.eq(device.as_str()))
        .filter(IsWrittenOff)
        .select((Row::as_select(), entitlement::Row::as_select()))
        .load(c))?)
}

fn found(rows: Vec<(Row, entitlement::Row)>) -> Result<Held, StoreError> {
    let (rows, entitlements): (Vec<_>, _) = rows.into_iter().unzip();
    Ok(Held {
        activations: rows.into_iter().map(activation).collect::<Result<_, _>>()?,
        entitlements,
    })
}

fn activation(row: Row) -> Result<Activation, StoreError> {
    let Progress {
        origin,
        units,
        state,
        removal_reason,
        starts_at,
        ends_at,
        grace_seconds,
        runs_until_at,
        removed_epoch,
        removed_generation,
        removing_since_at,
        usage_total,
        activated_at,
        stranded,
    } = row.progress;
    let removed_in = removed_epoch
        .zip(removed_generation)
        .map(|(epoch, generation)| {
            memory::set_key(
                unsigned("removed_epoch", epoch)?,
                unsigned("removed_generation", generation)?,
            )
        })
        .transpose()?;
    let run = grace_seconds
        .map(|grace| {
            Ok::<_, StoreError>(Run {
                start: starts_at.map(|at| at.0),
                end: ends_at.map(|at| at.0),
                grace: unsigned("grace_seconds", grace)?,
                run_out: runs_until_at.map(|at| at.0),
            })
        })
        .transpose()?;
    Ok(Activation {
        id: row.id.0,
        entitlement: row.entitlement_id.0,
        units: unsigned("units", units)?,
        kind: row.kind.0,
        origin: origin.0,
        predecessor: row.predecessor_id.map(|id| id.0),
        code: row.code_id.map(|id| id.0),
        created_at: row.created_at.0,
        run,
        activated_at: activated_at.map(|at| at.0),
        usage: unsigned("usage_total", usage_total)?,
        stranded,
        standing: Standing::from_parts(
            state.0,
            removal_reason.map(|reason| reason.0),
            removed_in,
            removing_since_at.map(|at| at.0),
        )
        .map_err(corrupt)?,
    })
}

pub(super) fn write(
    db: &mut Db,
    device: &DeviceId,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    let activation = change.activation();
    let mut progress = progress(activation)?;
    if activation.standing == Standing::Reserved {
        progress.runs_until_at = match activation.kind {
            ActivationKind::Normal => publishable_until(db, activation.entitlement)?,
            ActivationKind::Temporary => Some(Micros(activation.temporary_at_the_latest())),
        };
    }
    let going_on = columns!(activations {
        origin: progress.origin,
        units: progress.units,
        state: progress.state,
        starts_at: progress.starts_at,
        ends_at: progress.ends_at,
        grace_seconds: progress.grace_seconds,
        runs_until_at: progress.runs_until_at,
        usage_total: progress.usage_total,
        activated_at: progress.activated_at,
        stranded: progress.stranded,
        changed_at: Micros(now),
    });
    let going = columns!(activations {
        removal_reason: progress.removal_reason,
        removed_epoch: progress.removed_epoch,
        removed_generation: progress.removed_generation,
        removing_since_at: progress.removing_since_at,
        ended_at: (!activation.holds_units()).then_some(Micros(now)),
    });
    match change {
        Change::New(_) => {
            let lineage = match activation.predecessor {
                Some(predecessor) => lineage_of(db, predecessor)?,
                None => Octets(activation.id),
            };
            let new = columns!(activations {
                id: Octets(activation.id),
                entitlement_id: Octets(activation.entitlement),
                device_id: device.as_str(),
                kind: Code(activation.kind),
                lineage_id: lineage,
                predecessor_id: activation.predecessor.map(Octets),
                code_id: activation.code.map(Octets),
                created_at: Micros(activation.created_at),
            });
            let row = (new, (going_on, going));
            on!(db, c => insert!(activations::table, row).execute(c))?;
        }
        Change::Updated(_) => {
            let own = activations::table.find(Octets(activation.id));
            // What is written is written into its indices too, whether it changes or not.
            if activation.holds_units() && activation.standing.removal().is_none() {
                let staying = own.filter(IsStaying);
                if on!(db, c => update!(staying, &going_on).execute(c))? > 0 {
                    return Ok(());
                }
            }
            on!(db, c => update!(own, (going_on, going)).execute(c))?;
        }
    }
    Ok(())
}

fn lineage_of(db: &mut Db, id: ActivationId) -> Result<Octets<ActivationId>, StoreError> {
    let lineage = on!(db, c => activations::table
        .find(Octets(id))
        .select(activations::lineage_id)
        .first(c)
        .optional())?;
    lineage.ok_or_else(|| corrupt(format_args!("predecessor {id} is not recorded")))
}

fn progress(activation: &Activation) -> Result<Progress, StoreError> {
    let run = activation.run.as_ref();
    let removal = activation.standing.removal();
    Ok(Progress {
        origin: Code(activation.origin),
        units: activation.units.into(),
        state: Code(activation.standing.state()),
        removal_reason: activation.standing.removal_reason().map(Code),
        starts_at: run.and_then(|run| run.start).map(Micros),
        ends_at: run.and_then(|run| run.end).map(Micros),
        grace_seconds: run.map(|run| run.grace.into()),
        runs_until_at: run.and_then(|run| run.run_out).map(Micros),
        removed_epoch: removal.map(|removal| removal.removed_in.epoch.0.into()),
        removed_generation: removal.map(|removal| removal.removed_in.generation.get() as i64),
        removing_since_at: removal.map(|removal| Micros(removal.since)),
        usage_total: i64::try_from(activation.usage).map_err(corrupt)?,
        activated_at: activation.activated_at.map(Micros),
        stranded: activation.stranded,
    })
}

/// Products of which the device ever had an evaluation; asked only where one could be given.
pub(super) fn evaluated(
    db: &mut Db,
    device: &DeviceId,
    candidates: &[Entitlement],
) -> Result<Vec<ProductId>, StoreError> {
    let is_trial = |e: &Entitlement| e.rules.trial == Trial::Once;
    if !candidates.iter().any(is_trial) {
        return Ok(Vec::new());
    }
    let products: Vec<Octets<ProductId>> = on!(db, c => activations::table
        .inner_join(entitlements::table.on(entitlements::id.eq(activations::entitlement_id)))
        .filter(activations::device_id.eq(device.as_str()))
        .filter(entitlements::model_kind.eq(Code(LicenseModel::Evaluation)))
        .select(entitlements::product_id)
        .distinct()
        .load(c))?;
    Ok(products.into_iter().map(|id| id.0).collect())
}

/// One of each entitlement and reason.
pub(super) fn declined(db: &mut Db, device: &DeviceId) -> Result<Vec<Declined>, StoreError> {
    type Found = (Octets<EntitlementId>, Option<Code<RemovalReason>>);
    let found: Vec<Found> = on!(db, c => activations::table
        .filter(activations::device_id.eq(device.as_str()))
        .filter(WasDeclined)
        .select((activations::entitlement_id, activations::removal_reason))
        .distinct()
        .fixed()
        .load(c))?;
    Ok(found
        .into_iter()
        .map(|(entitlement, reason)| Declined {
            entitlement: entitlement.0,
            reason: reason.map(|reason| reason.0),
        })
        .collect())
}

/// Devices with a right that can run no more, a reservation that ran out, or a removal that has
/// waited too long for proof: those of up to `limit` of each, the longest due first.
pub fn devices_to_tick(
    db: &mut Db,
    now: Timestamp,
    orphan_after: u64,
    limit: i64,
) -> Result<Vec<DeviceId>, StoreError> {
    let waited = now.minus_seconds(orphan_after);
    // One statement for each index: over both at once, SQLite would rather read every row.
    let mut devices: Vec<String> = on!(db, c => activations::table
        .filter(HoldsUnits)
        .filter(activations::runs_until_at.le(Micros(now)))
        .order(activations::runs_until_at)
        .limit(limit)
        .select(activations::device_id)
        .load(c))?;
    let unproven: Vec<String> = on!(db, c => activations::table
        .filter(IsRemoving)
        .filter(activations::removing_since_at.le(Micros(waited)))
        .order(activations::removing_since_at)
        .limit(limit)
        .select(activations::device_id)
        .load(c))?;
    devices.extend(unproven);
    devices.sort_unstable();
    devices.dedup();
    devices
        .iter()
        .map(|device| DeviceId::new(device).map_err(corrupt))
        .collect()
}

/// When each activation that is in force was first acknowledged, with its device, in the order in
/// which they were made.
pub fn acknowledged(db: &mut Db) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let rows: Vec<(String, Option<Micros>)> = on!(db, c => activations::table
        .filter(activations::state.eq(Code(ActivationState::Activated)))
        .order((activations::created_at, activations::id))
        .select((activations::device_id, activations::activated_at))
        .load(c))?;
    Ok(rows
        .into_iter()
        .filter_map(|(device, at)| Some((device, at?.0)))
        .collect())
}
