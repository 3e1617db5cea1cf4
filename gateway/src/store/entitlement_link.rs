//! Which entitlement came of which, and what renewed it.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, LinkKind, Timestamp};

use super::column::{Code, Micros, Octets};
use super::schema::{entitlement_links as links, entitlement_renewals as renewals};
use super::{Db, StoreError, id};

/// Units of one entitlement that became another's.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = links)]
pub struct Link {
    id: Octets<[u8; 16]>,
    /// From here.
    pub from_id: Octets<EntitlementId>,
    /// To there.
    pub to_id: Octets<EntitlementId>,
    /// How.
    pub kind: Code<LinkKind>,
    /// How many.
    pub units: i64,
    /// When.
    pub created_at: Micros,
}

impl Link {
    /// A link made now.
    #[must_use]
    pub fn new(
        from: EntitlementId,
        to: EntitlementId,
        kind: LinkKind,
        units: i64,
        now: Timestamp,
    ) -> Self {
        Self {
            id: id::fresh(now),
            from_id: Octets(from),
            to_id: Octets(to),
            kind: Code(kind),
            units,
            created_at: Micros(now),
        }
    }
}

/// Adds a link.
pub fn insert(db: &mut Db, link: &Link) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(links::table).values(link).execute(c))?;
    Ok(())
}

/// The link that made an entitlement of another.
pub fn to(db: &mut Db, made: EntitlementId) -> Result<Option<Link>, StoreError> {
    Ok(on!(db, c => links::table
        .filter(links::to_id.eq(Octets(made)))
        .select(Link::as_select())
        .first(c)
        .optional())?)
}

/// Units of an entitlement that became others'.
pub fn units_from(db: &mut Db, from: EntitlementId) -> Result<i64, StoreError> {
    // Added here: the databases differ in what a SUM of BIGINT is.
    let units: Vec<i64> = on!(db, c => links::table
        .filter(links::from_id.eq(Octets(from)))
        .select(links::units)
        .load(c))?;
    Ok(units.into_iter().sum())
}

/// A renewal.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = renewals)]
pub struct Renewal {
    /// Of what.
    pub entitlement_id: Octets<EntitlementId>,
    /// What the back office calls it.
    pub reference: String,
    /// Until when it ran.
    pub ended_at: Micros,
    /// Until when it runs.
    pub ends_at: Micros,
    /// When it was renewed.
    pub created_at: Micros,
}

/// A renewal of an entitlement by its reference.
pub fn renewal(
    db: &mut Db,
    entitlement: EntitlementId,
    reference: &str,
) -> Result<Option<Renewal>, StoreError> {
    Ok(on!(db, c => renewals::table
        .find((Octets(entitlement), reference))
        .select(Renewal::as_select())
        .first(c)
        .optional())?)
}

/// Adds a renewal.
pub fn insert_renewal(db: &mut Db, renewal: &Renewal) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(renewals::table).values(renewal).execute(c))?;
    Ok(())
}
