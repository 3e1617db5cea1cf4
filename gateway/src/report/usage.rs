//! How much of what was sold is in use: utilisation, and licence models in use.

mod tally;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationState, EntitlementId, EntitlementState, ProductLineId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::group::GroupBy;
use super::{walk, written};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::listing::IsAside;
use crate::store::schema::{
    activations, devices, entitlement_usage, entitlements, license_models, parties, products,
};
use crate::store::{Db, StoreError};
use tally::Tallies;

/// How much of what was sold is in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// The instant it is of.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By group, all of them last.
    pub groups: Vec<Usage>,
}

/// How much of a group of entitlements is in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Which group.
    pub group: String,
    /// Entitlements, drafts left out.
    pub entitlements: u64,
    /// Of those, entitlements whose units are not counted.
    pub unlimited: u64,
    /// Units of the others.
    pub units: u64,
    /// Units that activations hold, of all.
    pub holding: u64,
    /// Units that devices have signed for and are meant to have, of all.
    pub activated: u64,
    /// Devices with such an activation.
    pub devices: u64,
    /// Units held ÷ units, where units are counted; none if there are no units.
    pub utilisation: Option<f64>,
    /// Units that may still run on a device that is not meant to have them.
    pub at_risk: u64,
    /// Uses that devices reported, or that were imported.
    pub uses: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
struct Row {
    id: Octets<EntitlementId>,
    unlimited: bool,
    units: i64,
    product: String,
    model: String,
    owner: Option<String>,
    used: Option<i64>,
}

/// Units that are held, or were written off.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
struct Hold {
    entitlement: Octets<EntitlementId>,
    device: String,
    units: i64,
    state: Code<ActivationState>,
    runs_until: Option<Micros>,
}

/// Reads how much is in use, of the products of a product line or of all.
pub fn usage(
    db: &mut Db,
    line: Option<ProductLineId>,
    now: Timestamp,
    by: GroupBy,
) -> Result<UsageReport, StoreError> {
    let mut tallies = Tallies::new(by);
    rows(db, line, |row| tallies.add(row))?;
    tallies.settle();
    holds(db, line, |hold| tallies.hold(hold, now))?;
    if let Some(line) = line {
        holds_elsewhere(db, line, |hold| tallies.hold(hold, now))?;
    }
    Ok(UsageReport {
        at: now,
        groups: tallies.into_groups(),
    })
}

/// The states of units that nobody has proof of being gone.
const UNPROVEN: [i16; 3] = [
    ActivationState::Removing.number(),
    ActivationState::Orphaned.number(),
    ActivationState::WrittenOff.number(),
];

/// Units of an entitlement at risk.
pub(crate) fn at_risk_of(
    db: &mut Db,
    entitlement: EntitlementId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let held = of_risk(db, Some(entitlement), now)?;
    Ok(held.into_iter().map(|(_, units)| units).sum())
}

/// Units at risk, by entitlement.
pub(super) fn at_risk(
    db: &mut Db,
    now: Timestamp,
) -> Result<Vec<(Octets<EntitlementId>, u64)>, StoreError> {
    of_risk(db, None, now)
}

fn of_risk(
    db: &mut Db,
    of: Option<EntitlementId>,
    now: Timestamp,
) -> Result<Vec<(Octets<EntitlementId>, u64)>, StoreError> {
    let holds: Vec<Hold> = on!(db, c => {
        let mut query = activations::table
            .filter(IsAside)
            .filter(activations::state.eq_any(UNPROVEN))
            .select((
                activations::entitlement_id,
                activations::device_id,
                activations::units,
                activations::state,
                activations::runs_until_at,
            ))
            .into_boxed();
        if let Some(entitlement) = of {
            query = query.filter(activations::entitlement_id.eq(Octets(entitlement)));
        }
        query.load(c)
    })?;
    let risky = holds.into_iter().filter(|hold| hold.is_at_risk(now));
    Ok(risky
        .map(|hold| (hold.entitlement, hold.units.unsigned_abs()))
        .collect())
}

/// Every entitlement that is no draft, those of a product, or of all, in order of their ids.
fn rows(
    db: &mut Db,
    line: Option<ProductLineId>,
    mut each: impl FnMut(Row),
) -> Result<(), StoreError> {
    for product in walk::products_of(db, line)? {
        on!(db, c => {
            let mut query = entitlements::table
                .inner_join(products::table)
                .inner_join(license_models::table)
                .left_join(parties::table)
                .left_join(entitlement_usage::table)
                .filter(entitlements::state.ne(Code(EntitlementState::Draft)))
                .select((
                    entitlements::id,
                    entitlements::unlimited,
                    entitlements::units,
                    products::code,
                    license_models::code,
                    parties::name.nullable(),
                    entitlement_usage::used.nullable(),
                ))
                .order(entitlements::id)
                .into_boxed();
            if let Some(product) = product {
                query = query.filter(entitlements::product_id.eq(product));
            }
            for row in query.load_iter::<Row, DefaultLoadingMode>(c)? {
                each(row?);
            }
        });
    }
    Ok(())
}

const ENDED: [i16; 3] = [
    ActivationState::Cancelled.number(),
    ActivationState::Removed.number(),
    ActivationState::Lapsed.number(),
];

/// What is held and what was written off, that of one device after the other; on devices of a product
/// line, or on all.
fn holds(
    db: &mut Db,
    line: Option<ProductLineId>,
    mut each: impl FnMut(Hold),
) -> Result<(), StoreError> {
    let columns = (
        activations::entitlement_id,
        activations::device_id,
        activations::units,
        activations::state,
        activations::runs_until_at,
    );
    match line {
        None => on!(db, c => {
            let rows = activations::table
                .filter(activations::state.ne_all(ENDED))
                .order(activations::device_id)
                .select(columns)
                .load_iter::<Hold, DefaultLoadingMode>(c)?;
            for hold in rows {
                each(hold?);
            }
        }),
        Some(line) => on!(db, c => {
            let rows = activations::table
                .inner_join(devices::table)
                .filter(devices::product_line_id.eq(Octets(line)))
                .filter(activations::state.ne_all(ENDED))
                .order(devices::id)
                .select(columns)
                .load_iter::<Hold, DefaultLoadingMode>(c)?;
            for hold in rows {
                each(hold?);
            }
        }),
    }
    Ok(())
}

/// What is held of the products of a product line, and was written off, on devices of others: few,
/// since such a product is for devices of its line.
fn holds_elsewhere(
    db: &mut Db,
    line: ProductLineId,
    each: impl FnMut(Hold),
) -> Result<(), StoreError> {
    let mut found = Vec::<Hold>::new();
    for product in walk::products_of(db, Some(line))? {
        found.extend(on!(db, c => activations::table
            .inner_join(devices::table)
            .inner_join(entitlements::table)
            .filter(entitlements::product_id.nullable().eq(product))
            .filter(devices::product_line_id.ne(Octets(line)))
            .filter(activations::state.ne_all(ENDED))
            .select((
                activations::entitlement_id,
                activations::device_id,
                activations::units,
                activations::state,
                activations::runs_until_at,
            ))
            .load::<Hold>(c))?);
    }
    found.sort_by(|a, b| a.device.cmp(&b.device));
    found.into_iter().for_each(each);
    Ok(())
}
