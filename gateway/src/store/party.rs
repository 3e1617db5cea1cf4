//! Customers, partners and contract manufacturers.

use diesel::prelude::*;
use fleetgrant_core::domain::{PartyId, PartyKind, PartyState, Timestamp};

use super::column::{Code, Micros, Octets};
use super::schema::{
    activation_codes, devices, entitlements, factory_batches, parties, party_external_ids,
};
use super::{Db, StoreError, contract};

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

/// Whether a party is on hold.
pub fn is_on_hold(db: &mut Db, id: PartyId) -> Result<bool, StoreError> {
    let state: Option<Code<PartyState>> = on!(db, c => parties::table
        .find(Octets(id))
        .select(parties::state)
        .first(c)
        .optional())?;
    Ok(state == Some(Code(PartyState::Hold)))
}

/// Changes a party. Since that names its tier, it draws the stamp of what is kept between transactions
/// (the migration `stamp_of_policies`), of which its state is part.
pub fn update(db: &mut Db, party: &Party) -> Result<(), StoreError> {
    on!(db, c => diesel::update(parties::table.find(party.id)).set(party).execute(c))?;
    Ok(())
}

/// How much changed hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Entitlements.
    pub entitlements: usize,
    /// Devices.
    pub devices: usize,
    /// Contracts, activation codes to be sold on, and batches that were built.
    pub others: usize,
}

/// Makes all that one party has another's: entitlements, devices, contracts, codes, batches, the
/// parties that are part of it or were merged into it, and what systems call it by.
pub fn hand_over(
    db: &mut Db,
    from: Octets<PartyId>,
    to: Octets<PartyId>,
    now: Timestamp,
) -> Result<Belongings, StoreError> {
    let entitlements = on!(db, c => diesel::update(entitlements::table)
        .filter(entitlements::owner_id.eq(from))
        .set((entitlements::owner_id.eq(to), entitlements::changed_at.eq(Micros(now))))
        .execute(c))?;
    let devices = on!(db, c => diesel::update(devices::table)
        .filter(devices::owner_id.eq(from))
        .set((devices::owner_id.eq(to), devices::changed_at.eq(Micros(now))))
        .execute(c))?;
    let contracts = contract::hand_over(db, from.0, to.0)?;
    let codes = on!(db, c => diesel::update(activation_codes::table)
        .filter(activation_codes::partner_id.eq(from))
        .set(activation_codes::partner_id.eq(to))
        .execute(c))?;
    let batches = on!(db, c => diesel::update(factory_batches::table)
        .filter(factory_batches::manufacturer_id.eq(from))
        .set(factory_batches::manufacturer_id.eq(to))
        .execute(c))?;
    on!(db, c => diesel::update(party_external_ids::table)
        .filter(party_external_ids::party_id.eq(from))
        .set(party_external_ids::party_id.eq(to))
        .execute(c))?;
    // The heir may have been part of it; it is its own then.
    on!(db, c => diesel::update(parties::table)
        .filter(parties::parent_id.eq(from))
        .filter(parties::id.ne(to))
        .set(parties::parent_id.eq(to))
        .execute(c))?;
    on!(db, c => diesel::update(parties::table.find(to))
        .filter(parties::parent_id.eq(from))
        .set(parties::parent_id.eq(None::<Octets<PartyId>>))
        .execute(c))?;
    on!(db, c => diesel::update(parties::table)
        .filter(parties::merged_into_id.eq(from))
        .set(parties::merged_into_id.eq(to))
        .execute(c))?;
    Ok(Belongings {
        entitlements,
        devices,
        others: contracts + codes + batches,
    })
}
