//! Where the whole history of one thing stands: its own stream, and those of what belongs to it.

use std::collections::HashMap;

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

/// A stream, or what in it is about some entitlements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The stream.
    pub stream: String,
    /// Only events about these entitlements, in hex; all, if there are none.
    pub only: Vec<String>,
}

impl Part {
    /// Whether an event of the stream, about this entitlement, belongs to the history.
    #[must_use]
    pub fn has(&self, entitlement: Option<&str>) -> bool {
        let about = |id: &str| self.only.iter().any(|only| only == id);
        self.only.is_empty() || entitlement.is_some_and(about)
    }
}

/// Parts, each stream once, in the order in which they were first named.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    places: HashMap<String, usize>,
}

impl Parts {
    fn whole(&mut self, stream: Stream<'_>) {
        self.add(stream, Vec::new());
    }

    /// A whole stream has what is about the entitlement already.
    fn about(&mut self, stream: Stream<'_>, entitlement: EntitlementId) {
        let id = entitlement.to_string();
        match self.places.get(&stream.to_string()) {
            Some(place) => {
                let only = &mut self.parts[*place].only;
                if !only.is_empty() {
                    only.push(id);
                }
            }
            None => self.add(stream, vec![id]),
        }
    }

    fn add(&mut self, stream: Stream<'_>, only: Vec<String>) {
        let stream = stream.to_string();
        self.places.insert(stream.clone(), self.parts.len());
        self.parts.push(Part { stream, only });
    }
}

/// The parts of a history: the thing's own first, each stream once.
pub fn parts(db: &mut Db, subject: &Subject) -> Result<Vec<Part>, StoreError> {
    let mut parts = Parts::default();
    match subject {
        Subject::Device(id) => parts.whole(Stream::Device(id.as_str())),
        Subject::Entitlement(id) => of_entitlement(db, *id, &mut parts)?,
        Subject::Order(id) => {
            parts.whole(Stream::Order(*id));
            for entitlement in given_by(db, *id)? {
                of_entitlement(db, entitlement, &mut parts)?;
            }
        }
        Subject::Party(id) => of_party(db, *id, &mut parts)?,
    }
    Ok(parts.parts)
}

fn of_party(db: &mut Db, party: PartyId, parts: &mut Parts) -> Result<(), StoreError> {
    let id = Octets(party);
    parts.whole(Stream::Party(party));
    let paid: Vec<Octets<OrderId>> = on!(db, c => orders::table
        .filter(orders::sold_to_id.eq(id).or(orders::end_user_id.eq(id)))
        .order(orders::id)
        .select(orders::id)
        .load(c))?;
    for order in paid {
        parts.whole(Stream::Order(order.0));
    }
    let owned: Vec<String> = on!(db, c => devices::table
        .filter(devices::owner_id.eq(id))
        .order(devices::id)
        .select(devices::id)
        .load(c))?;
    for device in &owned {
        parts.whole(Stream::Device(device));
    }
    let entitled: Vec<Octets<EntitlementId>> = on!(db, c => entitlements::table
        .filter(entitlements::owner_id.eq(id))
        .order(entitlements::id)
        .select(entitlements::id)
        .load(c))?;
    for entitlement in entitled {
        of_entitlement(db, entitlement.0, parts)?;
    }
    Ok(())
}

fn of_entitlement(db: &mut Db, id: EntitlementId, parts: &mut Parts) -> Result<(), StoreError> {
    parts.whole(Stream::Entitlement(id));
    let on_devices: Vec<String> = on!(db, c => activations::table
        .filter(activations::entitlement_id.eq(Octets(id)))
        .order(activations::device_id)
        .select(activations::device_id)
        .distinct()
        .load(c))?;
    for device in &on_devices {
        parts.about(Stream::Device(device), id);
    }
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
