//! Product lines of which there is little. What belongs to a line is far between in the order of all, so a
//! list of a small line would be read whole for a page; but it is little enough to be found by the line's
//! devices or products, and put in order. A large line is met often enough in the order of all.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, OrderId, PartyId, ProductId, ProductLineId, SkuId};

use crate::store::column::Octets;
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::schema::{devices, entitlements, order_lines, products, sku_contents};

/// Devices, entitlements, or lines of orders, of a small line at most.
const FEW: i64 = if cfg!(test) { 5 } else { 1_000 };

/// The line, if it has few devices.
pub(super) fn in_devices(
    db: &mut Db,
    line: Option<ProductLineId>,
) -> Result<Option<ProductLineId>, StoreError> {
    let Some(line) = line else {
        return Ok(None);
    };
    let beyond: Option<String> = on!(db, c => devices::table
        .filter(devices::product_line_id.eq(Octets(line)))
        .order(devices::id)
        .select(devices::id)
        .offset(FEW)
        .first(c)
        .optional())?;
    Ok(beyond.is_none().then_some(line))
}

/// The line, if it has few entitlements.
pub(super) fn in_entitlements(
    db: &mut Db,
    line: Option<ProductLineId>,
) -> Result<Option<ProductLineId>, StoreError> {
    let Some(line) = line else {
        return Ok(None);
    };
    let own = products_of(db, line)?;
    let beyond: Option<Octets<EntitlementId>> = on!(db, c => entitlements::table
        .filter(entitlements::product_id.eq_any(&own))
        .select(entitlements::id)
        .offset(FEW)
        .first(c)
        .optional())?;
    Ok(beyond.is_none().then_some(line))
}

/// The orders that have to do with the line, if they are few.
pub(super) fn orders(
    db: &mut Db,
    line: Option<ProductLineId>,
) -> Result<Option<Vec<Octets<OrderId>>>, StoreError> {
    let Some(line) = line else {
        return Ok(None);
    };
    let own = products_of(db, line)?;
    let skus: Vec<Octets<SkuId>> = on!(db, c => sku_contents::table
        .filter(sku_contents::product_id.eq_any(&own))
        .select(sku_contents::sku_id)
        .load(c))?;
    let orders: Vec<Octets<OrderId>> = on!(db, c => order_lines::table
        .filter(order_lines::sku_id.eq_any(&skus))
        .select(order_lines::order_id)
        .limit(FEW + 1)
        .load(c))?;
    Ok(few(orders))
}

/// Who owns devices or entitlements of the line, if those are few.
pub(super) fn owners(
    db: &mut Db,
    line: Option<ProductLineId>,
) -> Result<Option<Vec<Octets<PartyId>>>, StoreError> {
    let Some(line) = line else {
        return Ok(None);
    };
    let of_devices: Vec<Option<Octets<PartyId>>> = on!(db, c => devices::table
        .filter(devices::product_line_id.eq(Octets(line)))
        .select(devices::owner_id)
        .limit(FEW + 1)
        .load(c))?;
    let Some(mut owners) = few(of_devices) else {
        return Ok(None);
    };
    let own = products_of(db, line)?;
    let of_entitlements: Vec<Option<Octets<PartyId>>> = on!(db, c => entitlements::table
        .filter(entitlements::product_id.eq_any(&own))
        .select(entitlements::owner_id)
        .limit(FEW + 1)
        .load(c))?;
    let Some(of_entitlements) = few(of_entitlements) else {
        return Ok(None);
    };
    owners.extend(of_entitlements);
    let mut owners: Vec<_> = owners.into_iter().flatten().collect();
    owners.sort_unstable();
    owners.dedup();
    Ok(Some(owners))
}

fn few<T>(found: Vec<T>) -> Option<Vec<T>> {
    (found.len() as i64 <= FEW).then_some(found)
}

fn products_of(db: &mut Db, line: ProductLineId) -> Result<Vec<Octets<ProductId>>, StoreError> {
    Ok(on!(db, c => products::table
        .filter(products::product_line_id.eq(Octets(line)))
        .select(products::id)
        .load(c))?)
}
