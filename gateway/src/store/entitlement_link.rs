//! Which entitlement came of which, and what renewed it.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationKind, ActivationState, EntitlementId, LinkKind, RemovalReason, Timestamp,
};
use fleetgrant_core::succession;

use super::column::{Code, Micros, Octets};
use super::condition::HoldsUnits;
use super::schema::{activations, entitlement_links as links, entitlement_renewals as renewals};
use super::{Db, StoreError, id};

condition!(
    /// More units wait than are in use; [`units_waiting`] counts those.
    HasUnitsFreed = "entitlement_links.waiting_units > (SELECT COALESCE(SUM(held.units), 0) FROM activations AS held WHERE held.entitlement_id = entitlement_links.from_id AND held.kind = 1 AND held.state <= 6 AND COALESCE(held.removal_reason, 0) <> 4)"
);

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
    /// Of an upgrade: units whose devices have not got the new right.
    pub waiting_units: i64,
}

impl Link {
    /// With units that wait.
    #[must_use]
    pub fn waiting(self, waiting_units: i64) -> Self {
        Self {
            waiting_units,
            ..self
        }
    }

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
            waiting_units: 0,
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
        .filter(links::kind.ne(Code(LinkKind::Maintenance)))
        .select(Link::as_select())
        .first(c)
        .optional())?)
}

/// Up to `limit` upgrades of which units were freed that still wait.
pub fn with_units_freed(db: &mut Db, limit: i64) -> Result<Vec<Link>, StoreError> {
    Ok(on!(db, c => links::table
        .filter(links::waiting_units.gt(0))
        .filter(HasUnitsFreed)
        .order(links::id)
        .limit(limit)
        .select(Link::as_select())
        .load(c))?)
}

/// Upgrades under way of what a device holds.
pub fn under_way_on(db: &mut Db, device: &str) -> Result<Vec<Link>, StoreError> {
    let held = activations::table
        .filter(activations::device_id.eq(device))
        .filter(HoldsUnits)
        .select(activations::entitlement_id);
    Ok(on!(db, c => links::table
        .filter(links::waiting_units.gt(0))
        .filter(links::from_id.eq_any(held))
        .order(links::id)
        .select(Link::as_select())
        .load(c))?)
}

/// Whether an upgrade is under way that takes the place of an entitlement, or that it takes the place
/// of another by.
pub fn is_under_way(db: &mut Db, id: EntitlementId) -> Result<bool, StoreError> {
    let of = links::from_id
        .eq(Octets(id))
        .or(links::to_id.eq(Octets(id)));
    Ok(on!(db, c => diesel::select(diesel::dsl::exists(
        links::table.filter(of).filter(links::waiting_units.gt(0)),
    ))
    .get_result(c))?)
}

/// Writes how many units of an upgrade wait; false if another was faster.
pub fn set_waiting(db: &mut Db, link: &Link, waiting: i64) -> Result<bool, StoreError> {
    let changed = on!(db, c => diesel::update(links::table.find(link.id))
        .filter(links::waiting_units.eq(link.waiting_units))
        .set(links::waiting_units.eq(waiting))
        .execute(c))?;
    Ok(changed == 1)
}

/// Adds units that became another's by a link; false if another was faster.
pub fn grow(db: &mut Db, link: &Link, units: i64) -> Result<bool, StoreError> {
    let changed = on!(db, c => diesel::update(links::table.find(link.id))
        .filter(links::units.eq(link.units))
        .set(links::units.eq(link.units + units))
        .execute(c))?;
    Ok(changed == 1)
}

/// Units of an entitlement for which another right takes the place: those that one device is meant to
/// have ([`succession::is_followed`]), or those of all that [wait](succession::waits).
pub fn units_waiting(
    db: &mut Db,
    from: EntitlementId,
    device: Option<&str>,
) -> Result<i64, StoreError> {
    type Held = (
        i64,
        Code<ActivationKind>,
        Code<ActivationState>,
        Option<Code<RemovalReason>>,
    );
    let held: Vec<Held> = on!(db, c => {
        let mut query = activations::table
            .filter(activations::entitlement_id.eq(Octets(from)))
            .filter(HoldsUnits)
            .select((
                activations::units,
                activations::kind,
                activations::state,
                activations::removal_reason,
            ))
            .into_boxed();
        if let Some(device) = device {
            query = query.filter(activations::device_id.eq(device));
        }
        query.load(c)
    })?;
    let counts = |(_, kind, state, removal): &Held| match device {
        Some(_) => succession::is_followed(kind.0, state.0),
        None => succession::waits(kind.0, state.0, removal.map(|reason| reason.0)),
    };
    Ok(held
        .into_iter()
        .filter(counts)
        .map(|(units, ..)| units)
        .sum())
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
