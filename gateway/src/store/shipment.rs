//! What left the house, and with which serial numbers.

use std::collections::BTreeSet;

use diesel::prelude::*;
use fleetgrant_core::domain::{OrderLineId, ShipmentId, ShipmentState};

use super::column::{Code, Micros, Octets};
use super::schema::{shipment_serials, shipments};
use super::{Db, StoreError};

/// A shipment of one order line.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = shipments)]
pub struct Shipment {
    /// Its id.
    pub id: Octets<ShipmentId>,
    /// The system that made it.
    pub system: String,
    /// What that system calls it.
    pub reference: String,
    /// What it is of.
    pub order_line_id: Octets<OrderLineId>,
    /// How many copies.
    pub quantity: i64,
    /// When it left.
    pub shipped_at: Micros,
    /// Where it stands.
    pub state: Code<ShipmentState>,
    /// When it was imported.
    pub created_at: Micros,
    /// When it last changed here.
    pub changed_at: Micros,
}

#[derive(Insertable)]
#[diesel(table_name = shipment_serials)]
struct Serial<'a> {
    shipment_id: Octets<ShipmentId>,
    serial: &'a str,
    device_id: &'a str,
}

/// The shipment of an order line that a system calls by this reference.
pub fn by_reference(
    db: &mut Db,
    system: &str,
    reference: &str,
    line: Octets<OrderLineId>,
) -> Result<Option<Shipment>, StoreError> {
    Ok(on!(db, c => shipments::table
        .filter(shipments::system.eq(system))
        .filter(shipments::reference.eq(reference))
        .filter(shipments::order_line_id.eq(line))
        .select(Shipment::as_select())
        .first(c)
        .optional())?)
}

/// The serial numbers of a shipment.
pub fn serials(db: &mut Db, shipment: Octets<ShipmentId>) -> Result<BTreeSet<String>, StoreError> {
    let serials: Vec<String> = on!(db, c => shipment_serials::table
        .filter(shipment_serials::shipment_id.eq(shipment))
        .select(shipment_serials::serial)
        .load(c))?;
    Ok(serials.into_iter().collect())
}

/// Adds a shipment.
pub fn insert(db: &mut Db, shipment: &Shipment) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(shipments::table).values(shipment).execute(c))?;
    Ok(())
}

/// Changes a shipment.
pub fn update(db: &mut Db, shipment: &Shipment) -> Result<(), StoreError> {
    on!(db, c => diesel::update(shipments::table.find(shipment.id)).set(shipment).execute(c))?;
    Ok(())
}

/// Puts a device into a shipment; whether it was not there.
pub fn add_device(
    db: &mut Db,
    shipment: Octets<ShipmentId>,
    serial: &str,
    device_id: &str,
) -> Result<bool, StoreError> {
    let serial = Serial {
        shipment_id: shipment,
        serial,
        device_id,
    };
    let added = on!(db, c => diesel::insert_into(shipment_serials::table)
        .values(&serial)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(added > 0)
}
