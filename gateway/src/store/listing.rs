//! Lists for people: rows with the names of what they refer to, filtered, a page at a time.
//!
//! Every list comes in an order that an index has, and goes on after the place of the last row that
//! was read, so that a list of any length is read without holding it.

mod activation;
mod case;
mod contract;
mod device;
mod entitlement;
mod order;
pub(crate) mod part;
mod party;
mod policy_override;
mod product;
mod run;
mod shipment;
mod sku;
mod small;

pub(crate) use activation::IsAside;
pub use activation::{ActivationFilter, ActivationRow, ActivationSort, activations};
pub use case::{CaseFilter, CaseSort, cases};
pub use contract::{ContractFilter, ContractRow, ContractSort, contracts};
pub use device::{CredentialRow, DeviceFilter, DeviceRow, DeviceSort, credentials, devices};
pub(crate) use entitlement::term_end;
pub use entitlement::{
    EntitlementFilter, EntitlementRow, EntitlementSort, entitlement_named, entitlements,
};
pub use order::{
    OrderFilter, OrderLineRow, OrderRow, OrderSort, Progress, decimal, order_lines, orders,
};
pub use part::{Column, Part, Place, Placed, Sort, SortBy, Unsortable, Value};
pub use party::{PartyFilter, PartySort, parties};
pub use policy_override::{
    OverrideOf, PolicyOverrideFilter, PolicyOverrideRow, PolicyOverrideSort, policy_overrides,
};
pub use product::{ProductFilter, ProductRow, ProductSort, products};
pub use run::{RunFilter, RunRow, RunSort, runs};
pub use shipment::{ShipmentFilter, ShipmentRow, ShipmentSort, shipments, shipped_devices};
pub use sku::{GivenRow, SkuFilter, SkuRow, SkuSort, skus};

use std::collections::BTreeSet;

use data_encoding::HEXLOWER_PERMISSIVE;
use diesel::prelude::*;
use fleetgrant_core::domain::PartyId;

use super::column::Octets;
use super::dialect::Db;
use super::error::StoreError;
use super::schema::{parties as table, party_external_ids};

/// Parties of one name or external id, at most: more is no name to go by.
const MAX_PARTIES: i64 = 100;

/// The parties that people mean by a name, by an id that some system calls them by, or by the id
/// that the lists show.
pub fn parties_called(db: &mut Db, called: &str) -> Result<Vec<PartyId>, StoreError> {
    let named: Vec<Octets<PartyId>> = on!(db, c => table::table
        .filter(table::name.eq(called))
        .select(table::id)
        .limit(MAX_PARTIES)
        .load(c))?;
    let known: Vec<Octets<PartyId>> = on!(db, c => party_external_ids::table
        .filter(party_external_ids::external_id.eq(called))
        .select(party_external_ids::party_id)
        .limit(MAX_PARTIES)
        .load(c))?;
    let own = HEXLOWER_PERMISSIVE.decode(called.as_bytes()).ok();
    let own: Option<Octets<PartyId>> = match own.and_then(|id| <[u8; 16]>::try_from(id).ok()) {
        Some(id) => on!(db, c => table::table
            .find(Octets(PartyId(id)))
            .select(table::id)
            .first(c)
            .optional())?,
        None => None,
    };
    let all = named.into_iter().chain(known).chain(own);
    let found: BTreeSet<_> = all.map(|id| id.0).collect();
    Ok(found.into_iter().collect())
}
