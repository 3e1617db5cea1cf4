//! Lists for people: rows with the names of what they refer to, filtered, a page at a time.
//!
//! Every list is ordered by a key that only grows or is typed by people, and goes on after the
//! last key that was read, so that a list of any length is read without holding it.

mod activation;
mod case;
mod device;
mod entitlement;
mod order;
mod party;
mod product;

pub(crate) use activation::IsAside;
pub use activation::{ActivationFilter, ActivationRow, activations};
pub use case::{CaseFilter, cases};
pub use device::{CredentialRow, DeviceFilter, DeviceRow, credentials, devices};
pub use entitlement::{EntitlementFilter, EntitlementRow, entitlement_named, entitlements};
pub use order::{OrderFilter, OrderLineRow, OrderRow, Progress, decimal, order_lines, orders};
pub use party::{PartyFilter, parties};
pub use product::{ProductFilter, ProductRow, products};

use std::collections::BTreeSet;

use diesel::prelude::*;
use fleetgrant_core::domain::PartyId;

use super::column::Octets;
use super::dialect::Db;
use super::error::StoreError;
use super::schema::{parties as table, party_external_ids};

/// Parties of one name or external id, at most: more is no name to go by.
const MAX_PARTIES: i64 = 100;

/// The parties that people mean by a name, or that some system calls by this id.
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
    let found: BTreeSet<_> = named.into_iter().chain(known).map(|id| id.0).collect();
    Ok(found.into_iter().collect())
}
