//! One customer's whole history.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use fleetgrant_core::domain::{OrderId, PartyId, ShipmentState};

use super::history::Exported;
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::event::{Stored, Stream};
use crate::store::listing::{
    self, ActivationFilter, ActivationRow, DeviceFilter, DeviceRow, EntitlementFilter,
    EntitlementRow, OrderFilter, OrderRow,
};
use crate::store::schema::{events, order_lines, orders, shipments};
use crate::store::{Db, StoreError};

/// Bound values of one query, well below what any database takes.
const AT_ONCE: usize = 500;

/// All that the ledger says of a customer.
#[derive(Clone, Debug)]
pub struct Customer {
    /// What it paid or uses, in the order of import.
    pub orders: Vec<OrderRow>,
    /// What left the house for those orders, the oldest first.
    pub shipments: Vec<ShipmentRow>,
    /// What it owns.
    pub entitlements: Vec<EntitlementRow>,
    /// The devices it owns.
    pub devices: Vec<DeviceRow>,
    /// Units of its entitlements on devices, whoever owns those.
    pub activations: Vec<ActivationRow>,
    /// What happened to all of these, in order.
    pub events: Vec<Exported>,
}

/// What left the house for an order line.
#[derive(Clone, Debug, Queryable)]
pub struct ShipmentRow {
    /// What a system calls it.
    pub reference: String,
    /// What that system calls the order.
    pub order: String,
    /// Which line of it.
    pub line: String,
    /// Copies.
    pub quantity: i64,
    /// When it left.
    pub shipped_at: Micros,
    /// Where it stands.
    pub state: Code<ShipmentState>,
}

/// How much of a customer is read.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Orders, entitlements, devices and activations, of each.
    pub rows: usize,
    /// Events.
    pub events: usize,
}

/// Reads all that the ledger says of these parties; none, if that is more than is wanted.
pub fn customer(
    db: &mut Db,
    parties: &[PartyId],
    most: Option<Most>,
) -> Result<Option<Customer>, StoreError> {
    let one_more =
        |most: usize| i64::try_from(most).map_or(i64::MAX, |most| most.saturating_add(1));
    let all = most.map_or(i64::MAX, |most| one_more(most.rows));
    let filter = OrderFilter {
        parties: Some(parties.to_vec()),
        ..OrderFilter::default()
    };
    let orders = listing::orders(db, &filter, all)?;
    let filter = EntitlementFilter {
        owners: Some(parties.to_vec()),
        ..EntitlementFilter::default()
    };
    let entitlements = listing::entitlements(db, &filter, all)?;
    let filter = DeviceFilter {
        owners: Some(parties.to_vec()),
        ..DeviceFilter::default()
    };
    let devices = listing::devices(db, &filter, all)?;
    let filter = ActivationFilter {
        owners: Some(parties.to_vec()),
        ..ActivationFilter::default()
    };
    let activations = listing::activations(db, &filter, all)?;
    let longest = [
        orders.len(),
        entitlements.len(),
        devices.len(),
        activations.len(),
    ];
    if most.is_some_and(|most| longest.iter().any(|length| *length > most.rows)) {
        return Ok(None);
    }
    let order_ids: Vec<_> = orders.iter().map(|order| order.id).collect();
    let mut customer = Customer {
        shipments: shipments_of(db, &order_ids)?,
        orders,
        entitlements,
        devices,
        activations,
        events: Vec::new(),
    };
    let events = most.map_or(i64::MAX, |most| one_more(most.events));
    customer.events = happened(db, parties, &customer, events)?;
    let is_more = most.is_some_and(|most| customer.events.len() > most.events);
    Ok((!is_more).then_some(customer))
}

fn shipments_of(db: &mut Db, of: &[Octets<OrderId>]) -> Result<Vec<ShipmentRow>, StoreError> {
    let mut found = Vec::new();
    for some in of.chunks(AT_ONCE) {
        let rows: Vec<ShipmentRow> = on!(db, c => shipments::table
            .inner_join(order_lines::table.inner_join(orders::table))
            .filter(orders::id.eq_any(some))
            .select((
                shipments::reference,
                orders::reference,
                order_lines::line,
                shipments::quantity,
                shipments::shipped_at,
                shipments::state,
            ))
            .load(c))?;
        found.extend(rows);
    }
    found.sort_by_key(|shipment| shipment.shipped_at);
    Ok(found)
}

/// The streams of all that is the customer's, and of other devices what concerns it.
fn happened(
    db: &mut Db,
    parties: &[PartyId],
    customer: &Customer,
    limit: i64,
) -> Result<Vec<Exported>, StoreError> {
    let owned: BTreeSet<_> = customer.devices.iter().map(|row| row.id.as_str()).collect();
    let entitlements: BTreeSet<_> = customer
        .entitlements
        .iter()
        .map(|row| row.id.0.to_string())
        .collect();
    let streams = parties
        .iter()
        .map(|id| Stream::Party(*id).to_string())
        .chain(
            customer
                .orders
                .iter()
                .map(|row| Stream::Order(row.id.0).to_string()),
        )
        .chain(
            customer
                .entitlements
                .iter()
                .map(|row| Stream::Entitlement(row.id.0).to_string()),
        )
        .chain(owned.iter().map(|id| Stream::Device(id).to_string()));
    let streams: Vec<_> = streams.collect();
    let others: BTreeSet<_> = customer
        .activations
        .iter()
        .filter(|row| !owned.contains(row.device.as_str()))
        .map(|row| Stream::Device(&row.device).to_string())
        .collect();
    let others: Vec<_> = others.into_iter().collect();
    let concerns_it = |event: &Exported| {
        let of = event.body.get("entitlement").and_then(|of| of.as_str());
        of.is_some_and(|of| entitlements.contains(of))
    };
    let mut happened = BTreeMap::new();
    for event in of_streams(db, &streams, limit)? {
        happened.insert(event.position, event);
    }
    for event in of_streams(db, &others, limit)?
        .into_iter()
        .filter(concerns_it)
    {
        happened.insert(event.position, event);
    }
    Ok(happened.into_values().collect())
}

fn of_streams(db: &mut Db, streams: &[String], limit: i64) -> Result<Vec<Exported>, StoreError> {
    let mut found = Vec::new();
    for some in streams.chunks(AT_ONCE) {
        let left = limit.saturating_sub(found.len() as i64);
        let stored: Vec<Stored> = on!(db, c => events::table
            .filter(events::stream.eq_any(some))
            .limit(left)
            .select(Stored::as_select())
            .load(c))?;
        for event in stored {
            found.push(Exported::try_from(event)?);
        }
    }
    Ok(found)
}
