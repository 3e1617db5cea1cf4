//! Rights of an older system that were brought over, and whether they were given up for it.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, LegacyKind, ProductLineId, Timestamp};

use super::column::{Code, Micros, Octets};
use super::schema::{entitlements, legacy_rights as table, products};
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct LegacyRight {
    /// The older system.
    pub system: String,
    /// What it called the right.
    pub reference: String,
    /// What it was bound to.
    pub kind: Code<LegacyKind>,
    /// What it was for, as it called that.
    pub product: String,
    /// The host or dongle, as it called that.
    pub host: Option<String>,
    /// Units that it gave.
    pub units: i64,
    /// What came of it.
    pub entitlement_id: Octets<EntitlementId>,
    /// The device that is to take its place.
    pub device_id: Option<String>,
    /// When it was brought over.
    pub created_at: Micros,
    /// When its place was taken: the device has signed for what came of it, or a person said so.
    pub surrendered_at: Option<Micros>,
}

/// Adds a right; whether it was not there.
pub fn insert(db: &mut Db, right: &LegacyRight) -> Result<bool, StoreError> {
    let added = on!(db, c => diesel::insert_into(table::table)
        .values(right)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(added > 0)
}

/// A device has signed for what came of a right: the older one is given up. What was given up before
/// stays so since then.
pub(super) fn surrender_on(
    db: &mut Db,
    entitlement: EntitlementId,
    device: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let right = table::table
        .filter(table::entitlement_id.eq(Octets(entitlement)))
        .filter(table::device_id.eq(device))
        .filter(table::surrendered_at.is_null());
    let surrendered = columns!(table {
        surrendered_at: Some(Micros(now))
    });
    Ok(on!(db, c => update!(right, surrendered).execute(c))? > 0)
}

/// A person says that a right is given up; false if there is none, or it was before.
pub fn surrender(
    db: &mut Db,
    system: &str,
    reference: &str,
    now: Timestamp,
) -> Result<Option<EntitlementId>, StoreError> {
    let found: Option<Octets<EntitlementId>> = on!(db, c => table::table
        .find((system, reference))
        .filter(table::surrendered_at.is_null())
        .select(table::entitlement_id)
        .first(c)
        .optional())?;
    if found.is_some() {
        on!(db, c => diesel::update(table::table.find((system, reference)))
            .set(table::surrendered_at.eq(Micros(now)))
            .execute(c))?;
    }
    Ok(found.map(|id| id.0))
}

/// Whether a right was brought over.
pub fn exists(db: &mut Db, system: &str, reference: &str) -> Result<bool, StoreError> {
    let right = table::table.find((system, reference));
    Ok(on!(db, c => diesel::select(diesel::dsl::exists(right)).get_result(c))?)
}

/// A right, as far as the progress of a migration depends on it.
#[derive(Clone, Debug, Queryable)]
pub struct Progress {
    /// The older system.
    pub system: String,
    /// What the rights were bound to.
    pub kind: Code<LegacyKind>,
    /// The code of the product here.
    pub product: String,
    /// Units of the right.
    pub units: i64,
    /// Units of what came of it that devices hold now.
    pub live: i64,
    /// When its place was taken.
    pub surrendered_at: Option<Micros>,
}

/// Every right that was brought over, or every one whose product is for devices of a line alone.
pub fn progress(db: &mut Db, within: Option<ProductLineId>) -> Result<Vec<Progress>, StoreError> {
    Ok(on!(db, c => {
        let mut rights = table::table
            .inner_join(entitlements::table.on(entitlements::id.eq(table::entitlement_id)))
            .inner_join(products::table.on(products::id.eq(entitlements::product_id)))
            .order((table::system, table::reference))
            .select((
                table::system,
                table::kind,
                products::code,
                table::units,
                entitlements::live_units,
                table::surrendered_at,
            ))
            .into_boxed();
        if let Some(line) = within {
            rights = rights.filter(products::product_line_id.eq(Octets(line)));
        }
        rights.load(c)
    })?)
}
