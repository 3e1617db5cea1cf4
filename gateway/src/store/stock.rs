//! Units that were built into devices before anybody bought them, and what they become when
//! somebody does.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    ActivationId, ActivationKind, ActivationState, EntitlementId, LinkKind, Origin, Source,
    Timestamp,
};

use super::column::{Code, Micros, Octets};
use super::condition::HoldsUnits;
use super::entitlement::Entitlement;
use super::entitlement_link::{self, Link};
use super::schema::{activations, entitlement_links as links, entitlements};
use super::{Db, StoreError};

/// An activation whose units nobody owns yet.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    /// Which.
    pub activation: ActivationId,
    /// Its units.
    pub units: i64,
    /// What they are of.
    pub stock: Entitlement,
}

/// What a device has that was built to stock.
pub fn on_device(db: &mut Db, device: &str) -> Result<Vec<BuiltIn>, StoreError> {
    let rows: Vec<(Octets<ActivationId>, i64, Entitlement)> = on!(db, c => activations::table
        .inner_join(entitlements::table.on(entitlements::id.eq(activations::entitlement_id)))
        .filter(activations::device_id.eq(device))
        .filter(activations::kind.eq(Code(ActivationKind::Normal)))
        .filter(HoldsUnits)
        .filter(entitlements::source.eq(Code(Source::Factory)))
        .filter(entitlements::owner_id.is_null())
        .order(activations::id)
        .select((activations::id, activations::units, Entitlement::as_select()))
        .load(c))?;
    let built = rows.into_iter().map(|(activation, units, stock)| BuiltIn {
        activation: activation.0,
        units,
        stock,
    });
    Ok(built.collect())
}

/// What an entitlement has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The units it was sold with.
    Sold,
    /// As many more as come.
    Grows,
}

/// Makes an activation one of another entitlement, with the units it holds; false, and nothing is
/// changed, if that has no room for them. Units before are units after, and none is free meanwhile.
pub fn hand_over(
    db: &mut Db,
    built: &BuiltIn,
    to: Octets<EntitlementId>,
    room: Room,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let more = match room {
        Room::Sold => 0,
        Room::Grows => built.units,
    };
    let live = entitlements::live_units + built.units;
    let limit = entitlements::units + entitlements::overdraft + more;
    let taken = on!(db, c => diesel::update(entitlements::table.find(to))
        .filter(entitlements::unlimited.or(live.le(limit)))
        .set((
            entitlements::units.eq(entitlements::units + more),
            entitlements::live_units.eq(entitlements::live_units + built.units),
            entitlements::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    if taken == 0 {
        return Ok(false);
    }
    let gone = if built.stock.unlimited {
        0
    } else {
        built.units
    };
    on!(db, c => diesel::update(entitlements::table.find(built.stock.id))
        .set((
            entitlements::units.eq(entitlements::units - gone),
            entitlements::live_units.eq(entitlements::live_units - built.units),
            entitlements::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    on!(db, c => diesel::update(activations::table.find(Octets(built.activation)))
        .set((
            activations::entitlement_id.eq(to),
            activations::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    link(db, built.stock.id, to, built.units, now)?;
    Ok(true)
}

/// One link between two entitlements counts all that was handed over.
fn link(
    db: &mut Db,
    from: Octets<EntitlementId>,
    to: Octets<EntitlementId>,
    units: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = links::table
        .filter(links::from_id.eq(from))
        .filter(links::to_id.eq(to))
        .filter(links::kind.eq(Code(LinkKind::Transfer)));
    let counted = on!(db, c => diesel::update(known)
        .set(links::units.eq(links::units + units))
        .execute(c))?;
    if counted == 0 {
        let first = Link::new(from.0, to.0, LinkKind::Transfer, units, now);
        entitlement_link::insert(db, &first)?;
    }
    Ok(())
}

/// Whether a device holds units of an entitlement.
pub fn has_units(
    db: &mut Db,
    device: &str,
    entitlement: EntitlementId,
) -> Result<bool, StoreError> {
    let held = activations::table
        .filter(activations::device_id.eq(device))
        .filter(activations::entitlement_id.eq(Octets(entitlement)))
        .filter(HoldsUnits);
    Ok(on!(db, c => diesel::select(diesel::dsl::exists(held)).get_result(c))?)
}

/// What is reserved for a device of an entitlement was brought over from an older system.
pub fn note_migration(
    db: &mut Db,
    device: &str,
    entitlement: EntitlementId,
) -> Result<(), StoreError> {
    on!(db, c => diesel::update(activations::table)
        .filter(activations::device_id.eq(device))
        .filter(activations::entitlement_id.eq(Octets(entitlement)))
        .filter(activations::state.eq(Code(ActivationState::Reserved)))
        .set(activations::origin.eq(Code(Origin::Migration)))
        .execute(c))?;
    Ok(())
}
