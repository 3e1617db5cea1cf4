//! What was bought and shipped, and what of it is activated.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use fleetgrant_core::domain::{
    EntitlementId, EntitlementState, OrderLineId, Purpose, ShipmentId, ShipmentState, Timestamp,
};
use fleetgrant_core::event::EventKind;
use serde_cbor::Value;

use super::first::{self, Activated};
use super::lag::Batch;
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::schema::{
    entitlements, events, license_models, order_lines, orders, parties, products, shipment_serials,
    shipments,
};
use crate::store::{Db, StoreError, event};

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
pub(super) struct Shipped {
    pub(super) id: Octets<ShipmentId>,
    pub(super) line_id: Octets<OrderLineId>,
    pub(super) reference: String,
    pub(super) quantity: i64,
    pub(super) shipped_at: Micros,
}

/// All purchases with their shipments and first activations, the same state of all of them.
pub(super) struct Purchases {
    pub(super) all: Vec<Purchase>,
    /// Of each line, the oldest first.
    pub(super) shipped: HashMap<Octets<OrderLineId>, Vec<Shipped>>,
    /// The devices that each shipment names.
    devices: HashMap<Octets<ShipmentId>, BTreeSet<String>>,
    /// Since when each entitlement is active.
    active: HashMap<String, Timestamp>,
    /// Of each entitlement, the oldest first.
    pub(super) firsts: BTreeMap<Octets<EntitlementId>, Vec<Activated>>,
}

impl Purchases {
    /// What order-to-activation needs.
    pub(super) fn ordered(db: &mut Db) -> Result<Self, StoreError> {
        let mut firsts = BTreeMap::<_, Vec<_>>::new();
        for first in first::firsts(db)? {
            firsts.entry(first.entitlement).or_default().push(first);
        }
        Ok(Self {
            all: purchases(db)?,
            shipped: HashMap::new(),
            devices: HashMap::new(),
            active: HashMap::new(),
            firsts,
        })
    }

    /// What shipment-to-activation needs too.
    pub(super) fn shipped(db: &mut Db) -> Result<Self, StoreError> {
        let mut by_line = HashMap::<_, Vec<_>>::new();
        for shipment in shipments(db)? {
            by_line.entry(shipment.line_id).or_default().push(shipment);
        }
        Ok(Self {
            shipped: by_line,
            devices: devices(db)?,
            active: active_since(db)?,
            ..Self::ordered(db)?
        })
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

fn purchases(db: &mut Db) -> Result<Vec<Purchase>, StoreError> {
    Ok(on!(db, c => entitlements::table
        .inner_join(order_lines::table.inner_join(orders::table))
        .inner_join(products::table)
        .inner_join(license_models::table)
        .left_join(parties::table)
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
        .order((orders::ordered_at, entitlements::id))
        .load(c))?)
}

fn shipments(db: &mut Db) -> Result<Vec<Shipped>, StoreError> {
    Ok(on!(db, c => shipments::table
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

fn devices(db: &mut Db) -> Result<HashMap<Octets<ShipmentId>, BTreeSet<String>>, StoreError> {
    let mut devices = HashMap::<_, BTreeSet<String>>::new();
    on!(db, c => {
        let rows = shipment_serials::table
            .select((shipment_serials::shipment_id, shipment_serials::device_id))
            .load_iter::<(Octets<ShipmentId>, String), DefaultLoadingMode>(c)?;
        for row in rows {
            let (shipment, device) = row?;
            devices.entry(shipment).or_default().insert(device);
        }
    });
    Ok(devices)
}

/// When each entitlement became active, of the history; by its id in hex.
fn active_since(db: &mut Db) -> Result<HashMap<String, Timestamp>, StoreError> {
    const KINDS: [i16; 2] = [
        EventKind::EntitlementCreated.number(),
        EventKind::EntitlementAmended.number(),
    ];
    let mut active = HashMap::new();
    on!(db, c => {
        let rows = events::table
            .filter(events::kind.eq_any(KINDS))
            .order(events::position)
            .select((events::at, events::body))
            .load_iter::<(Micros, Vec<u8>), DefaultLoadingMode>(c)?;
        for row in rows {
            let (at, body) = row?;
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
