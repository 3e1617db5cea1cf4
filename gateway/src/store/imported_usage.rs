//! Uses of rights that another system counted, and what an entitlement was used in all.

use diesel::prelude::*;
use fleetgrant_core::domain::{DeviceId, EntitlementId, Timestamp};

use super::column::{Micros, Octets};
use super::schema::{
    activations, entitlements, features, imported_usage as table, product_features,
};
use super::{Db, StoreError, entitlement_usage};

/// Entitlements that a device may have of one feature, before one must be named.
const FEW: i64 = 64;

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct ImportedUsage {
    /// The system that counted.
    pub system: String,
    /// What it calls this count.
    pub reference: String,
    /// Of what.
    pub entitlement_id: Octets<EntitlementId>,
    /// By which device; none if it counts for all.
    pub device_id: Option<String>,
    /// From when on it counts; none where it told a total.
    pub since_at: Option<Micros>,
    /// Until when, exclusive.
    pub until_at: Option<Micros>,
    /// The uses that came with it.
    pub uses: i64,
    /// All that the system counted of this entitlement and device, these included.
    pub total: i64,
    /// When it was imported.
    pub created_at: Micros,
}

/// What a system told of one entitlement, and of one device or of none.
macro_rules! told {
    ($system:expr, $entitlement:expr, $device:expr) => {{
        let told = table::table
            .filter(table::entitlement_id.eq(Octets($entitlement)))
            .filter(table::system.eq($system))
            .into_boxed();
        match $device {
            Some(device) => told.filter(table::device_id.eq(device)),
            None => told.filter(table::device_id.is_null()),
        }
    }};
}

/// What was imported under a reference.
pub fn find(
    db: &mut Db,
    system: &str,
    reference: &str,
) -> Result<Option<ImportedUsage>, StoreError> {
    Ok(on!(db, c => table::table
        .find((system, reference))
        .select(ImportedUsage::as_select())
        .first(c)
        .optional())?)
}

/// What a system counted in all of an entitlement and a device, as far as it was imported.
pub fn total(
    db: &mut Db,
    system: &str,
    entitlement: EntitlementId,
    device: Option<&str>,
) -> Result<i64, StoreError> {
    let latest: Option<i64> = on!(db, c => told!(system, entitlement, device)
        .order(table::total.desc())
        .limit(1)
        .select(table::total)
        .first(c)
        .optional())?;
    Ok(latest.unwrap_or(0))
}

/// A count of the same system, entitlement and device whose period has an instant in common with
/// this one. No two that are stored have, so the last that begins before the end tells.
pub fn overlapping(db: &mut Db, given: &ImportedUsage) -> Result<Option<String>, StoreError> {
    let (Some(since), Some(until)) = (given.since_at, given.until_at) else {
        return Ok(None);
    };
    let (of, device) = (given.entitlement_id.0, given.device_id.as_deref());
    let last: Option<(String, Option<Micros>)> = on!(db, c => told!(&given.system, of, device)
        .filter(table::since_at.is_not_null())
        .filter(table::since_at.lt(until))
        .order(table::since_at.desc())
        .limit(1)
        .select((table::reference, table::until_at))
        .first(c)
        .optional())?;
    Ok(last
        .filter(|(_, ends)| ends.is_some_and(|ends| ends > since))
        .map(|(reference, _)| reference))
}

/// Adds a count, and its uses to what the entitlement was used in all; that sum, or none if it
/// would be too large.
pub fn insert(db: &mut Db, usage: &ImportedUsage) -> Result<Option<i64>, StoreError> {
    let id = usage.entitlement_id.0;
    let known = entitlement_usage::used(db, id)?;
    let Some(used) = known.unwrap_or(0).checked_add(usage.uses) else {
        return Ok(None);
    };
    on!(db, c => diesel::insert_into(table::table).values(usage).execute(c))?;
    entitlement_usage::put(db, id, known, used, usage.created_at.0)?;
    Ok(Some(used))
}

/// What was told of the same system, entitlement and device after a count: the reference, and whether
/// it was a total.
pub fn later(db: &mut Db, known: &ImportedUsage) -> Result<Vec<(String, bool)>, StoreError> {
    type Found = (String, Option<Micros>, i64);
    let (of, device) = (known.entitlement_id.0, known.device_id.as_deref());
    let found: Vec<Found> = on!(db, c => told!(&known.system, of, device)
        .filter(table::total.ge(known.total))
        .filter(table::reference.ne(&known.reference))
        .order((table::total, table::reference))
        .select((table::reference, table::since_at, table::total))
        .load(c))?;
    Ok(found
        .into_iter()
        // What added nothing has the total of what came before it.
        .filter(|(_, _, total)| *total > known.total || known.uses > 0)
        .map(|(reference, since, _)| (reference, since.is_none()))
        .collect())
}

/// Writes a count anew, with what was told `later`, and what the entitlement was used in all; that
/// sum, or none if it would be too large, or less than what devices have signed for.
pub fn correct(
    db: &mut Db,
    known: &ImportedUsage,
    given: &ImportedUsage,
    later: &[String],
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let id = known.entitlement_id.0;
    let more = given.uses - known.uses;
    let before = entitlement_usage::used(db, id)?;
    let Some(used) = before.unwrap_or(0).checked_add(more) else {
        return Ok(None);
    };
    if used < signed(db, id)? {
        return Ok(None);
    }
    let row = table::table.find((&known.system, &known.reference));
    on!(db, c => diesel::update(row)
        .set((table::uses.eq(given.uses), table::total.eq(given.total)))
        .execute(c))?;
    for reference in later {
        let row = table::table.find((&known.system, reference));
        on!(db, c => diesel::update(row)
            .set(table::total.eq(table::total + more))
            .execute(c))?;
    }
    entitlement_usage::put(db, id, before, used, now)?;
    Ok(Some(used))
}

/// Uses that devices have signed for, of all activations that there ever were.
fn signed(db: &mut Db, entitlement: EntitlementId) -> Result<i64, StoreError> {
    let totals: Vec<i64> = on!(db, c => activations::table
        .filter(activations::entitlement_id.eq(Octets(entitlement)))
        .filter(activations::usage_total.gt(0))
        .select(activations::usage_total)
        .load(c))?;
    Ok(totals.into_iter().fold(0, i64::saturating_add))
}

/// Entitlements with a feature that a device has, or had, activations of: a few at most.
pub fn of_feature_on(
    db: &mut Db,
    device: &DeviceId,
    feature: &str,
) -> Result<Vec<Octets<EntitlementId>>, StoreError> {
    Ok(on!(db, c => activations::table
        .inner_join(entitlements::table.on(entitlements::id.eq(activations::entitlement_id)))
        .inner_join(
            product_features::table
                .on(product_features::product_id.eq(entitlements::product_id)),
        )
        .inner_join(features::table.on(features::id.eq(product_features::feature_id)))
        .filter(activations::device_id.eq(device.as_str()))
        .filter(features::name.eq(feature))
        .select(entitlements::id)
        .distinct()
        .limit(FEW)
        .load(c))?)
}
