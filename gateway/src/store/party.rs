//! Customers, partners and contract manufacturers.

use diesel::prelude::*;
use fleetgrant_core::domain::{PartyId, PartyKind, PartyState};

use super::column::{Code, Micros, Octets};
use super::schema::{parties, party_external_ids};
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = parties, treat_none_as_null = true)]
pub struct Party {
    /// Its id.
    pub id: Octets<PartyId>,
    /// What it is to the maker.
    pub kind: Code<PartyKind>,
    /// What people call it.
    pub name: String,
    /// Which policy applies to it.
    pub tier: Option<String>,
    /// An IANA name: where its terms end.
    pub time_zone: String,
    /// The party it is part of.
    pub parent_id: Option<Octets<PartyId>>,
    /// The party it became.
    pub merged_into_id: Option<Octets<PartyId>>,
    /// Where it stands.
    pub state: Code<PartyState>,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
}

#[derive(Insertable)]
#[diesel(table_name = party_external_ids)]
struct ExternalId<'a> {
    system: &'a str,
    external_id: &'a str,
    party_id: Octets<PartyId>,
}

/// The party that a system calls by this id.
pub fn by_external_id(
    db: &mut Db,
    system: &str,
    external_id: &str,
) -> Result<Option<Party>, StoreError> {
    Ok(on!(db, c => party_external_ids::table
        .inner_join(parties::table)
        .filter(party_external_ids::system.eq(system))
        .filter(party_external_ids::external_id.eq(external_id))
        .select(Party::as_select())
        .first(c)
        .optional())?)
}

/// The party of this id.
pub fn find(db: &mut Db, id: Octets<PartyId>) -> Result<Option<Party>, StoreError> {
    Ok(on!(db, c => parties::table
        .find(id)
        .select(Party::as_select())
        .first(c)
        .optional())?)
}

/// The ids that systems call a party by: (system, id), in order.
pub fn external_ids(
    db: &mut Db,
    party: Octets<PartyId>,
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(on!(db, c => party_external_ids::table
        .filter(party_external_ids::party_id.eq(party))
        .order((party_external_ids::system, party_external_ids::external_id))
        .select((party_external_ids::system, party_external_ids::external_id))
        .load(c))?)
}

/// Adds a party under the id a system calls it by.
pub fn insert(
    db: &mut Db,
    party: &Party,
    system: &str,
    external_id: &str,
) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(parties::table).values(party).execute(c))?;
    let id = ExternalId {
        system,
        external_id,
        party_id: party.id,
    };
    on!(db, c => diesel::insert_into(party_external_ids::table).values(&id).execute(c))?;
    Ok(())
}

/// Changes a party.
pub fn update(db: &mut Db, party: &Party) -> Result<(), StoreError> {
    on!(db, c => diesel::update(parties::table.find(party.id)).set(party).execute(c))?;
    Ok(())
}
