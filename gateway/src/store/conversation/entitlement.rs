//! Entitlements that a decision looks at, and the units it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use diesel::prelude::*;
use fleetgrant_core::ask::Want;
use fleetgrant_core::device::Device;
use fleetgrant_core::domain::{
    ActivationKind, ActivationState, EntitlementId, EntitlementState, FeatureName, LicenseModel,
    OrderLineId, PartyId, ProductId, ProductLineId, Purpose, StartBasis, Timestamp,
};
use fleetgrant_core::entitlement::{
    Binding, Code as ActivationCode, Entitlement, Feature, Quantity, Start, Term,
};
use fleetgrant_core::license::ModelRules;
use fleetgrant_core::outcome::EntitlementChange;
use jiff::tz::TimeZone;

use super::cache::View;
use super::{corrupt, unsigned};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::entitlement_usage as usage;
use crate::store::error::StoreError;
use crate::store::prepared::Fix as _;
use crate::store::schema::{
    activations, entitlement_usage, entitlements, features, product_features, products,
    shipment_serials, shipments,
};

/// Entitlements of one owner that one want is served from, at most.
pub(super) const MAX_POOL: i64 = 32;

condition!(
    /// The entitlement is active, or was until it ended, and has units left, as the partial index has
    /// it.
    IsFree = "entitlements.state IN (2, 5) AND (entitlements.unlimited \
              OR entitlements.live_units < entitlements.units + entitlements.overdraft)"
);

#[derive(Queryable, Selectable)]
#[diesel(table_name = entitlements)]
pub(super) struct Row {
    id: Octets<EntitlementId>,
    owner_id: Option<Octets<PartyId>>,
    product_id: Octets<ProductId>,
    order_line_id: Option<Octets<OrderLineId>>,
    state: Code<EntitlementState>,
    purpose: Code<Purpose>,
    model_kind: Code<LicenseModel>,
    model_rules: String,
    grace_seconds: i64,
    unlimited: bool,
    units: i64,
    units_per_device: i64,
    overdraft: i64,
    live_units: i64,
    returned_units: i64,
    start_basis: Code<StartBasis>,
    starts_at: Option<Micros>,
    latest_start_at: Option<Micros>,
    term: Option<String>,
    ends_at: Option<Micros>,
    time_zone: String,
    created_at: Micros,
    revoked_from_at: Option<Micros>,
    maintained_until_at: Option<Micros>,
}

/// Those of activations, each once; nothing binds them.
pub(super) fn of_activations(
    db: &mut Db,
    view: &View<'_>,
    held: Vec<Row>,
) -> Result<Vec<Entitlement>, StoreError> {
    let rows: BTreeMap<_, _> = held.into_iter().map(|row| (row.id, row)).collect();
    rows.into_values()
        .map(|row| whole(db, view, row, Binding::None))
        .collect()
}

/// Those held; those of the codes; those bound to the device; those of its owner that have a
/// wanted feature.
pub(super) fn candidates(
    db: &mut Db,
    view: &View<'_>,
    device: &Device,
    held: Vec<Row>,
    codes: &[ActivationCode],
    wants: &[Want],
) -> Result<Vec<Entitlement>, StoreError> {
    let mut rows = BTreeMap::new();
    let mut keep = |found: Vec<Row>| rows.extend(found.into_iter().map(|row| (row.id, row)));
    keep(held);
    for code in codes {
        keep(on!(db, c => entitlements::table
            .find(Octets(code.entitlement))
            .select(Row::as_select())
            .load(c))?);
    }
    let bound = bound(db, device)?;
    let bound_ids: BTreeSet<_> = bound.iter().map(|row| row.id).collect();
    keep(bound);
    if let Some(owner) = device.owner {
        for want in wants {
            if let Want::Feature { feature, .. } = want {
                keep(pool(db, owner, device.product_line, feature)?);
            }
        }
    }
    rows.into_values()
        .map(|row| {
            let is_bound = bound_ids.contains(&row.id);
            let binding = binding(device, row.owner_id.map(|owner| owner.0), is_bound);
            whole(db, view, row, binding)
        })
        .collect()
}

/// Those of the order line the device was made for, and of the order lines it was shipped with.
fn bound(db: &mut Db, device: &Device) -> Result<Vec<Row>, StoreError> {
    let shipped = shipment_serials::table
        .inner_join(shipments::table)
        .filter(shipment_serials::device_id.eq(device.id.as_str()))
        .select(shipments::order_line_id.nullable());
    let made_for = device.order_line.map(Octets);
    Ok(on!(db, c => entitlements::table
        .filter(
            entitlements::order_line_id.eq(made_for)
                .or(entitlements::order_line_id.eq_any(shipped)),
        )
        .select(Row::as_select())
        .fixed()
        .load(c))?)
}

/// An entitlement that is none of the [`candidates`], so that nothing binds it to the device.
pub(super) fn one(
    db: &mut Db,
    view: &View<'_>,
    device: &Device,
    id: EntitlementId,
) -> Result<Option<Entitlement>, StoreError> {
    let row: Option<Row> = on!(db, c => entitlements::table
        .find(Octets(id))
        .select(Row::as_select())
        .first(c)
        .optional())?;
    row.map(|row| {
        let binding = binding(device, row.owner_id.map(|owner| owner.0), false);
        whole(db, view, row, binding)
    })
    .transpose()
}

/// With what the catalogue says of its product.
fn whole(
    db: &mut Db,
    view: &View<'_>,
    row: Row,
    binding: Binding,
) -> Result<Entitlement, StoreError> {
    let product = row.product_id.0;
    Ok(Entitlement {
        product_line: view.product_line(db, product)?,
        requires: view.requires(db, product)?,
        ..entitlement(view.features(db, product)?, row, binding)?
    })
}

/// Adds the uses that were reported, where they are limited.
pub(super) fn count_uses(db: &mut Db, entitlements: &mut [Entitlement]) -> Result<(), StoreError> {
    let mut limited: Vec<&mut Entitlement> = entitlements
        .iter_mut()
        .filter(|entitlement| entitlement.rules.metered && entitlement.uses_allowed().is_some())
        .collect();
    for some in limited.chunks_mut(AT_ONCE) {
        // The last stands for those that are not there, so that the SQL is always the same.
        let ids = std::array::from_fn(|place| Octets(some[place.min(some.len() - 1)].id));
        let used = used(db, ids)?;
        for entitlement in some {
            let of = used.iter().find(|(id, _)| id.0 == entitlement.id);
            entitlement.used = of.map_or(0, |(_, used)| used.unsigned_abs());
        }
    }
    Ok(())
}

/// Entitlements whose uses are read together.
const AT_ONCE: usize = 8;

fn used(
    db: &mut Db,
    ids: [Octets<EntitlementId>; AT_ONCE],
) -> Result<Vec<(Octets<EntitlementId>, i64)>, StoreError> {
    let is = |place: usize| entitlement_usage::entitlement_id.eq(ids[place]);
    let one_of = is(0)
        .or(is(1))
        .or(is(2))
        .or(is(3))
        .or(is(4))
        .or(is(5))
        .or(is(6))
        .or(is(7));
    Ok(on!(db, c => entitlement_usage::table
        .filter(one_of)
        .select((entitlement_usage::entitlement_id, entitlement_usage::used))
        .fixed()
        .load(c))?)
}

/// The earliest to end first. Only where nothing is free for devices of this line, what is not: it
/// names the reason.
fn pool(
    db: &mut Db,
    owner: PartyId,
    line: Option<ProductLineId>,
    feature: &FeatureName,
) -> Result<Vec<Row>, StoreError> {
    let of_line = products::product_line_id.eq(line.map(Octets));
    let owned = || {
        entitlements::table
            .inner_join(
                product_features::table
                    .on(product_features::product_id.eq(entitlements::product_id)),
            )
            .inner_join(features::table.on(features::id.eq(product_features::feature_id)))
            .filter(features::name.eq(feature.as_str()))
            .filter(entitlements::owner_id.eq(Octets(owner)))
            .order((
                entitlements::ends_at.is_null(),
                entitlements::ends_at,
                entitlements::created_at,
            ))
            .limit(MAX_POOL)
    };
    let free: Vec<Row> = on!(db, c => owned()
        .inner_join(products::table.on(products::id.eq(entitlements::product_id)))
        .filter(products::product_line_id.is_null().or(of_line))
        .filter(IsFree)
        .select(Row::as_select())
        .fixed()
        .load(c))?;
    if !free.is_empty() {
        return Ok(free);
    }
    Ok(on!(db, c => owned().select(Row::as_select()).load(c))?)
}

fn entitlement(
    features: Arc<[Feature]>,
    row: Row,
    binding: Binding,
) -> Result<Entitlement, StoreError> {
    // How it was sold is other code's.
    let rules: ModelRules = serde_json::from_str(&row.model_rules).map_err(corrupt)?;
    Ok(Entitlement {
        id: row.id.0,
        owner: row.owner_id.map(|owner| owner.0),
        zone: TimeZone::get(&row.time_zone).map_err(corrupt)?,
        order_line: row.order_line_id.map(|line| line.0),
        product: row.product_id.0,
        features,
        product_line: None,
        requires: Arc::from([]),
        rules: ModelRules {
            model: row.model_kind.0,
            grace: unsigned("grace_seconds", row.grace_seconds)?,
            ..rules
        },
        state: row.state.0,
        purpose: row.purpose.0,
        quantity: if row.unlimited {
            Quantity::Unlimited
        } else {
            Quantity::Units(unsigned("units", row.units)?)
        },
        live: unsigned("live_units", row.live_units)?,
        returned: unsigned("returned_units", row.returned_units)?,
        overdraft: unsigned("overdraft", row.overdraft)?,
        used: 0,
        units_per_device: unsigned("units_per_device", row.units_per_device)?,
        start: start(&row),
        term: term(&row)?,
        revoked_from: row.revoked_from_at.map(|at| at.0),
        maintained_until: row.maintained_until_at.map(|at| at.0),
        binding,
        created_at: row.created_at.0,
    })
}

fn start(row: &Row) -> Start {
    let latest = row.latest_start_at.map(|at| at.0);
    match (row.starts_at, row.start_basis.0) {
        (Some(at), _) => Start::At(at.0),
        (None, StartBasis::FirstActivation) => Start::FirstActivation { latest },
        (None, StartBasis::EachActivation) => Start::EachActivation { latest },
        (None, StartBasis::Fixed | StartBasis::Order | StartBasis::Shipment) => Start::Awaited,
    }
}

/// A term is an ISO 8601 duration of years, months, weeks and days.
fn term(row: &Row) -> Result<Term, StoreError> {
    if let Some(end) = row.ends_at {
        return Ok(Term::Until(end.0));
    }
    let Some(text) = &row.term else {
        return Ok(Term::Perpetual);
    };
    let span: jiff::Span = text.parse().map_err(corrupt)?;
    let months = i32::from(span.get_years()) * 12 + span.get_months();
    let days = span.get_weeks() * 7 + span.get_days();
    Ok(Term::For {
        months: unsigned("term", months.into())?,
        days: unsigned("term", days.into())?,
    })
}

pub(super) fn binding(device: &Device, owner: Option<PartyId>, is_bound: bool) -> Binding {
    if is_bound {
        Binding::Device
    } else if owner.is_some() && owner == device.owner {
        Binding::Owner
    } else {
        Binding::None
    }
}

/// Takes or frees units; false if they are not there.
pub(super) fn apply(
    db: &mut Db,
    id: EntitlementId,
    change: &EntitlementChange,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = entitlements::table.find(Octets(id));
    if change.units != 0 {
        // Freeing always fits, even where a credit left more live than sold.
        let room = entitlements::units + entitlements::overdraft;
        let fits = (entitlements::live_units + change.units).le(room);
        let live_units = entitlements::live_units + change.units;
        if change.units > 0 {
            let values = columns!(entitlements {
                live_units: live_units,
                changed_at: Micros(now),
            });
            let fitting = row.filter(entitlements::unlimited.or(fits));
            let taken = on!(db, c => update!(fitting, values).execute(c))?;
            if taken == 0 {
                return Ok(false);
            }
        } else {
            let pending: Option<i64> = on!(db, c => diesel::update(row)
                .set((
                    entitlements::live_units.eq(live_units),
                    entitlements::changed_at.eq(Micros(now)),
                ))
                .returning(entitlements::pending_credit)
                .get_result(c)
                .optional())?;
            let Some(pending) = pending else {
                return Ok(false);
            };
            settle_credit(db, id, pending.min(-change.units))?;
        }
    }
    if change.returned != 0 {
        let fits = (entitlements::returned_units + change.returned).ge(0);
        let counted = on!(db, c => diesel::update(row)
            .filter(fits)
            .set(entitlements::returned_units.eq(entitlements::returned_units + change.returned))
            .execute(c))?;
        if counted == 0 {
            return Ok(false);
        }
    }
    if change.used > 0 {
        let known = usage::used(db, id)?;
        let more = i64::try_from(change.used).unwrap_or(i64::MAX);
        let used = known.unwrap_or(0).saturating_add(more);
        usage::put(db, id, known, used, now)?;
    }
    if let Some(start) = change.started_at {
        let waiting = row.filter(entitlements::starts_at.is_null());
        let changes = columns!(entitlements {
            starts_at: Some(Micros(start)),
            changed_at: Micros(now),
        });
        let started = on!(db, c => update!(waiting, changes).execute(c))?;
        if started == 0 {
            return Ok(false);
        }
        time_reservations(db, id)?;
    }
    Ok(true)
}

/// Writes anew when the reservations of an entitlement run out, since its dates have changed.
pub(in crate::store) fn time_reservations(
    db: &mut Db,
    id: EntitlementId,
) -> Result<(), StoreError> {
    let until = publishable_until(db, id)?;
    on!(db, c => diesel::update(activations::table)
        .filter(activations::entitlement_id.eq(Octets(id)))
        .filter(activations::state.eq(Code(ActivationState::Reserved)))
        .filter(activations::kind.eq(Code(ActivationKind::Normal)))
        .set(activations::runs_until_at.eq(until))
        .execute(c))?;
    Ok(())
}

/// When an entitlement starts, and how long it runs.
pub fn terms(db: &mut Db, id: EntitlementId) -> Result<(Start, Term), StoreError> {
    let row: Row = on!(db, c => entitlements::table
        .find(Octets(id))
        .select(Row::as_select())
        .first(c))?;
    Ok((start(&row), term(&row)?))
}

/// When a reservation of this entitlement runs out, unless it is published before.
pub(super) fn publishable_until(
    db: &mut Db,
    id: EntitlementId,
) -> Result<Option<Micros>, StoreError> {
    let row: Option<Row> = on!(db, c => entitlements::table
        .find(Octets(id))
        .select(Row::as_select())
        .first(c)
        .optional())?;
    let Some(row) = row else {
        return Err(corrupt(format_args!("entitlement {id} is not recorded")));
    };
    let entitlement = entitlement(Arc::from([]), row, Binding::None)?;
    Ok(entitlement.publishable_until().map(Micros))
}

/// Units that were credited while in use leave with the units that are freed.
fn settle_credit(db: &mut Db, id: EntitlementId, credited: i64) -> Result<(), StoreError> {
    if credited > 0 {
        on!(db, c => diesel::update(entitlements::table.find(Octets(id)))
            .set((
                entitlements::units.eq(entitlements::units - credited),
                entitlements::pending_credit.eq(entitlements::pending_credit - credited),
            ))
            .execute(c))?;
    }
    Ok(())
}
