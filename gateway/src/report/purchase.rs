//! What was bought and shipped, and what of it is activated.

use std::collections::{BTreeSet, HashMap};

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::domain::{
    EntitlementId, EntitlementState, OrderLineId, ProductLineId, Purpose, ShipmentId,
    ShipmentState, Timestamp,
};
use fleetgrant_core::event::EventKind;
use serde_cbor::Value;

use super::first::{Activated, Lineages};
use super::lag::Batch;
use super::walk::{self, Place, Walk};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::event::{self, Stream};
use crate::store::schema::{
    entitlements, events, license_models, order_lines, orders, parties, products, shipment_serials,
    shipments,
};
use crate::store::{Db, StoreError};

/// An entitlement that an order line became, for production and with a number of units.
#[derive(Clone, Debug, Queryable)]
pub(super) struct Purchase {
    pub(super) entitlement: Octets<EntitlementId>,
    pub(super) units: i64,
    pub(super) units_per_copy: i64,
    pub(super) made_at: Micros,
    pub(super) line_id: Octets<OrderLineId>,
    pub(super) line: String,
    pub(super) order: String,
    pub(super) ordered_at: Micros,
    pub(super) product: String,
    pub(super) model: String,
    pub(super) owner: Option<String>,
}

/// What left the house for an order line, and was not a return.
#[derive(Clone, Debug, Queryable)]
struct Shipped {
    id: Octets<ShipmentId>,
    line_id: Octets<OrderLineId>,
    reference: String,
    quantity: i64,
    shipped_at: Micros,
}

/// Purchases, a portion at a time.
pub(super) struct Portions {
    lineages: Lineages,
    with_shipments: bool,
    walk: Walk,
}

/// Some purchases with their shipments and first activations.
pub(super) struct Portion {
    pub(super) purchases: Vec<Purchase>,
    /// Of each line, the oldest first.
    shipped: HashMap<Octets<OrderLineId>, Vec<Shipped>>,
    /// The devices that each shipment names.
    devices: HashMap<Octets<ShipmentId>, BTreeSet<String>>,
    /// Since when each entitlement is active.
    active: HashMap<String, Timestamp>,
    /// Of each entitlement, the oldest first.
    firsts: HashMap<Octets<EntitlementId>, Vec<Activated>>,
}

impl Portions {
    /// With what order-to-activation needs.
    pub(super) fn ordered(db: &mut Db, line: Option<ProductLineId>) -> Result<Self, StoreError> {
        Ok(Self {
            lineages: Lineages::read(db, true, None)?,
            with_shipments: false,
            walk: Walk::new(db, line)?,
        })
    }

    /// With what shipment-to-activation needs too.
    pub(super) fn shipped(db: &mut Db, line: Option<ProductLineId>) -> Result<Self, StoreError> {
        Ok(Self {
            with_shipments: true,
            ..Self::ordered(db, line)?
        })
    }

    /// Those after the last.
    pub(super) fn next(&mut self, db: &mut Db) -> Result<Option<Portion>, StoreError> {
        let next = self.walk.next(db, purchases, |one| one.entitlement)?;
        let Some((purchases, span)) = next else {
            return Ok(None);
        };
        let firsts = self.lineages.firsts(db, span)?;
        let mut portion = Portion {
            purchases,
            shipped: HashMap::new(),
            devices: HashMap::new(),
            active: HashMap::new(),
            firsts,
        };
        if self.with_shipments {
            portion.read_shipments(db)?;
        }
        Ok(Some(portion))
    }
}

impl Portion {
    fn read_shipments(&mut self, db: &mut Db) -> Result<(), StoreError> {
        let mut lines: Vec<_> = self.purchases.iter().map(|one| one.line_id).collect();
        lines.sort_unstable();
        lines.dedup();
        let shipments = shipments(db, &lines)?;
        self.devices = devices(db, shipments.iter().map(|shipment| shipment.id))?;
        for shipment in shipments {
            let of_line = self.shipped.entry(shipment.line_id).or_default();
            of_line.push(shipment);
        }
        self.active = active_since(db, &self.purchases)?;
        Ok(())
    }

    /// The first activations of a purchase, the oldest first.
    pub(super) fn firsts_of(&self, purchase: &Purchase) -> impl Iterator<Item = &Activated> {
        let firsts = self.firsts.get(&purchase.entitlement);
        firsts.into_iter().flatten()
    }

    /// The units of a purchase, which wait since they were ordered.
    pub(super) fn order_of(purchase: &Purchase) -> Batch {
        Batch {
            subject: format!("order {} line {}", purchase.order, purchase.line),
            from: purchase.ordered_at.0,
            units: purchase.units.unsigned_abs(),
            devices: BTreeSet::new(),
        }
    }

    /// The units of a purchase that were shipped, which wait since then, or since they could be
    /// activated. What was shipped beyond the quantity, as before a credit, waits for nothing.
    pub(super) fn shipments_of(&self, purchase: &Purchase) -> Vec<Batch> {
        let key = purchase.entitlement.0.to_string();
        let active = self.active.get(&key).copied();
        let active = active.unwrap_or(purchase.made_at.0);
        let mut left = purchase.units;
        let shipped = self.shipped.get(&purchase.line_id);
        let batches = shipped.into_iter().flatten().map(|shipment| {
            let units = shipment
                .quantity
                .saturating_mul(purchase.units_per_copy)
                .min(left);
            left -= units;
            Batch {
                subject: format!(
                    "shipment {} of order {} line {}",
                    shipment.reference, purchase.order, purchase.line
                ),
                from: shipment.shipped_at.0.max(active),
                units: units.unsigned_abs(),
                devices: self.devices.get(&shipment.id).cloned().unwrap_or_default(),
            }
        });
        batches.collect()
    }
}

fn purchases(db: &mut Db, place: Place) -> Result<Vec<Purchase>, StoreError> {
    Ok(on!(db, c => {
        let mut query = entitlements::table
            .inner_join(order_lines::table.inner_join(orders::table))
            .inner_join(products::table)
            .inner_join(license_models::table)
            .left_join(parties::table)
            .filter(entitlements::id.gt(place.after))
            .filter(entitlements::purpose.eq(Code(Purpose::Production)))
            .filter(entitlements::state.ne(Code(EntitlementState::Draft)))
            .filter(entitlements::unlimited.eq(false))
            .select((
                entitlements::id,
                entitlements::units,
                entitlements::units_per_device,
                entitlements::created_at,
                order_lines::id,
                order_lines::line,
                orders::reference,
                orders::ordered_at,
                products::code,
                license_models::code,
                parties::name.nullable(),
            ))
            .order(entitlements::id)
            .limit(walk::PORTION)
            .into_boxed();
        if let Some(product) = place.product {
            query = query.filter(entitlements::product_id.eq(product));
        }
        query.load(c)
    })?)
}

/// Shipments of these order lines, the oldest first.
fn shipments(db: &mut Db, lines: &[Octets<OrderLineId>]) -> Result<Vec<Shipped>, StoreError> {
    Ok(on!(db, c => shipments::table
        .filter(shipments::order_line_id.eq_any(lines))
        .filter(shipments::state.eq(Code(ShipmentState::Shipped)))
        .select((
            shipments::id,
            shipments::order_line_id,
            shipments::reference,
            shipments::quantity,
            shipments::shipped_at,
        ))
        .order((shipments::shipped_at, shipments::id))
        .load(c))?)
}

fn devices(
    db: &mut Db,
    shipments: impl Iterator<Item = Octets<ShipmentId>>,
) -> Result<HashMap<Octets<ShipmentId>, BTreeSet<String>>, StoreError> {
    const TOGETHER: usize = 1_000;
    let mut devices = HashMap::<_, BTreeSet<String>>::new();
    let shipments: Vec<_> = shipments.collect();
    for shipments in shipments.chunks(TOGETHER) {
        on!(db, c => {
            let rows = shipment_serials::table
                .filter(shipment_serials::shipment_id.eq_any(shipments))
                .select((shipment_serials::shipment_id, shipment_serials::device_id))
                .load_iter::<(Octets<ShipmentId>, String), DefaultLoadingMode>(c)?;
            for row in rows {
                let (shipment, device) = row?;
                devices.entry(shipment).or_default().insert(device);
            }
        });
    }
    Ok(devices)
}

/// When each entitlement became active, of its history; by its id in hex.
fn active_since(
    db: &mut Db,
    purchases: &[Purchase],
) -> Result<HashMap<String, Timestamp>, StoreError> {
    let streams = purchases
        .iter()
        .map(|purchase| Stream::Entitlement(purchase.entitlement.0).to_string());
    let streams: Vec<_> = streams.collect();
    let mut active = HashMap::new();
    on!(db, c => {
        let rows = events::table
            .filter(events::stream.eq_any(streams))
            .order((events::stream, events::seq))
            .select((events::kind, events::at, events::body))
            .load_iter::<(Code<EventKind>, Micros, Vec<u8>), DefaultLoadingMode>(c)?;
        for row in rows {
            let (kind, at, body) = row?;
            if !matches!(kind.0, EventKind::EntitlementCreated | EventKind::EntitlementAmended) {
                continue;
            }
            let fields = event::fields(&body)?;
            let text = |name: &str| match fields.get(name) {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            if text("state") == Some(EntitlementState::Active.as_str())
                && let Some(entitlement) = text("entitlement")
            {
                active.entry(entitlement.to_owned()).or_insert(at.0);
            }
        }
    });
    Ok(active)
}
