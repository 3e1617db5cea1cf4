//! Where the whole history of one thing stands: its own stream, and those of what belongs to it.

use diesel::prelude::*;
use fleetgrant_core::domain::{DeviceId, EntitlementId, OrderId, PartyId};

use crate::store::column::Octets;
use crate::store::dialect::on;
use crate::store::event::Stream;
use crate::store::schema::{activations, devices, entitlements, order_lines, orders};
use crate::store::{Db, StoreError};

/// What a history is wanted of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One device.
    Device(DeviceId),
    /// An entitlement, and what its units did on devices.
    Entitlement(EntitlementId),
    /// An order, and the entitlements it gave.
    Order(OrderId),
    /// A party, what it pays, uses and owns.
    Party(PartyId),
}

/// A stream, or what in it is about one entitlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The stream.
    pub stream: String,
    /// Only events about this entitlement; all, if none.
    pub only: Option<EntitlementId>,
}

impl Part {
    fn whole(stream: Stream<'_>) -> Self {
        Self {
            stream: stream.to_string(),
            only: None,
        }
    }
}

/// The parts of a history: the thing's own first, each stream once.
pub fn parts(db: &mut Db, subject: &Subject) -> Result<Vec<Part>, StoreError> {
    let mut parts = Vec::new();
    match subject {
        Subject::Device(id) => parts.push(Part::whole(Stream::Device(id.as_str()))),
        Subject::Entitlement(id) => of_entitlement(db, *id, &[], &mut parts)?,
        Subject::Order(id) => {
            parts.push(Part::whole(Stream::Order(*id)));
            for entitlement in given_by(db, *id)? {
                of_entitlement(db, entitlement, &[], &mut parts)?;
            }
        }
        Subject::Party(id) => of_party(db, *id, &mut parts)?,
    }
    Ok(parts)
}

fn of_party(db: &mut Db, party: PartyId, parts: &mut Vec<Part>) -> Result<(), StoreError> {
    let id = Octets(party);
    parts.push(Part::whole(Stream::Party(party)));
    let paid: Vec<Octets<OrderId>> = on!(db, c => orders::table
        .filter(orders::sold_to_id.eq(id).or(orders::end_user_id.eq(id)))
        .order(orders::id)
        .select(orders::id)
        .load(c))?;
    parts.extend(paid.iter().map(|id| Part::whole(Stream::Order(id.0))));
    let owned: Vec<String> = on!(db, c => devices::table
        .filter(devices::owner_id.eq(id))
        .order(devices::id)
        .select(devices::id)
        .load(c))?;
    parts.extend(owned.iter().map(|id| Part::whole(Stream::Device(id))));
    let entitled: Vec<Octets<EntitlementId>> = on!(db, c => entitlements::table
        .filter(entitlements::owner_id.eq(id))
        .order(entitlements::id)
        .select(entitlements::id)
        .load(c))?;
    for entitlement in entitled {
        of_entitlement(db, entitlement.0, &owned, parts)?;
    }
    Ok(())
}

/// `told` are devices, in order, whose whole streams are parts already.
fn of_entitlement(
    db: &mut Db,
    id: EntitlementId,
    told: &[String],
    parts: &mut Vec<Part>,
) -> Result<(), StoreError> {
    parts.push(Part::whole(Stream::Entitlement(id)));
    let on_devices: Vec<String> = on!(db, c => activations::table
        .filter(activations::entitlement_id.eq(Octets(id)))
        .order(activations::device_id)
        .select(activations::device_id)
        .distinct()
        .load(c))?;
    let untold = on_devices
        .into_iter()
        .filter(|device| told.binary_search(device).is_err());
    parts.extend(untold.map(|device| Part {
        stream: Stream::Device(&device).to_string(),
        only: Some(id),
    }));
    Ok(())
}

fn given_by(db: &mut Db, order: OrderId) -> Result<Vec<EntitlementId>, StoreError> {
    let lines = order_lines::table
        .filter(order_lines::order_id.eq(Octets(order)))
        .select(order_lines::id.nullable());
    let given: Vec<Octets<EntitlementId>> = on!(db, c => entitlements::table
        .filter(entitlements::order_line_id.eq_any(lines))
        .order(entitlements::id)
        .select(entitlements::id)
        .load(c))?;
    Ok(given.into_iter().map(|id| id.0).collect())
}
