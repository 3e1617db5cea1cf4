//! Shipments: what left the house, with serial numbers where they are known.

use std::collections::BTreeSet;

use fleetgrant_core::domain::{DeviceState, OrderLineId, PartyId, ShipmentState, Timestamp};
use fleetgrant_core::event::{Event, EventKind};

use super::cells::{Cells, Column};
use super::diff::{Changes, Diff, Maybe};
use super::rows::Run;
use super::{Effect, Halt, Reason, Row, SLACK, fulfilment, lookup, refuse, stock};
use crate::identity::IdPrefix;
use crate::store::column::{Code, Micros, Octets};
use crate::store::device::{self, Device};
use crate::store::event::{self, Stream};
use crate::store::order::{Order, OrderLine};
use crate::store::product_line::ProductLine;
use crate::store::shipment::{self, Shipment};
use crate::store::{Db, StoreError, id, party};
use crate::when::When;

pub(super) const COLUMNS: &[Column] = &[
    Column::required("system"),
    Column::required("shipment"),
    Column::required("order"),
    Column::required("line"),
    Column::required("quantity"),
    Column::required("shipped_at"),
    Column::optional("product_line"),
    Column::optional("serials"),
    Column::optional("state"),
];

/// Characters of all serial numbers of a row; more go into another shipment.
const MAX_SERIALS: usize = 60_000;

#[derive(Debug)]
pub(super) struct ShipmentRow {
    system: String,
    reference: String,
    order: String,
    line: String,
    quantity: i64,
    shipped_at: When,
    product_line: Option<String>,
    serials: BTreeSet<String>,
    state: ShipmentState,
}

impl Row for ShipmentRow {
    fn parse(cells: &mut Cells<'_>) -> Option<Self> {
        let system = cells.text("system", 32);
        let reference = cells.text("shipment", 64);
        let order = cells.text("order", 64);
        let line = cells.text("line", 32);
        let quantity = cells.number("quantity", 1, i64::from(u32::MAX));
        let shipped_at = cells.when("shipped_at");
        let product_line = cells.optional("product_line", 64);
        let serials = cells.optional("serials", MAX_SERIALS).unwrap_or_default();
        let state = cells.parsed_or("state", ShipmentState::Shipped);
        let serials = serials
            .split(';')
            .map(|serial| serial.trim().to_owned())
            .filter(|serial| !serial.is_empty())
            .collect();
        let row = Self {
            system: system?,
            reference: reference?,
            order: order?,
            line: line?,
            quantity: quantity?,
            shipped_at: shipped_at?,
            product_line,
            serials,
            state,
        };
        row.check(cells);
        Some(row)
    }

    fn apply(self, db: &mut Db, run: &mut Run<'_>) -> Result<Effect, Halt> {
        let (order, line) = lookup::order_line(db, &self.system, &self.order, &self.line)?;
        let end_user = party::find(db, order.end_user_id)?;
        let zone = lookup::zone_of(end_user.as_ref(), run.zone());
        let shipped_at = self.shipped_at.at(&zone);
        let known = shipment::by_reference(db, &self.system, &self.reference, line.id)?;
        let given = Shipment {
            id: known
                .as_ref()
                .map_or_else(|| id::fresh(run.now()), |known| known.id),
            system: self.system.clone(),
            reference: self.reference.clone(),
            order_line_id: line.id,
            quantity: self.quantity,
            shipped_at: Micros(shipped_at),
            state: Code(self.state),
            created_at: known
                .as_ref()
                .map_or(Micros(run.now()), |known| known.created_at),
            changed_at: Micros(run.now()),
        };
        // Dates without a time, and zones, may lie a day apart.
        let earliest = order.ordered_at.0.minus_seconds(SLACK);
        let is_news = known
            .as_ref()
            .is_none_or(|known| known.shipped_at != given.shipped_at);
        if is_news && shipped_at < earliest {
            let reason = Reason::OutOfOrder {
                given: shipped_at.to_string(),
                bound: order.ordered_at.0.to_string(),
                what: "when it was ordered",
            };
            return refuse("shipped_at", reason);
        }
        let (effect, kind, changes) = match known {
            None => {
                shipment::insert(db, &given)?;
                fulfilment::shipped(db, run.occasion(), line.id, shipped_at)?;
                (Effect::Created, EventKind::Shipped, Changes::default())
            }
            Some(known) => {
                let mut diff = Diff::default();
                diff.field("quantity", &known.quantity, &given.quantity);
                diff.field("shipped_at", &known.shipped_at.0, &given.shipped_at.0);
                diff.field("state", &known.state.0, &given.state.0);
                let stored = shipment::serials(db, known.id)?;
                diff.field("serials", &Serials(&stored), &Serials(&self.serials));
                let Some(changes) = diff.settle(run.amend(), "shipment-changed")? else {
                    return Ok(Effect::Unchanged);
                };
                if let Some(gone) = stored.iter().find(|serial| !self.serials.contains(*serial)) {
                    let reason = Reason::Fixed {
                        what: format!("the serial {gone} of a shipment"),
                        remedy: "import a shipment in state returned for it",
                    };
                    return refuse("serials", reason);
                }
                shipment::update(db, &given)?;
                (Effect::Amended, EventKind::ShipmentAmended, changes)
            }
        };
        if !self.serials.is_empty() {
            let product_line = lookup::product_line(db, self.product_line.as_deref())?;
            for serial in &self.serials {
                let device = put_device(db, run, &product_line, serial, &order, &line)?;
                if shipment::add_device(db, given.id, serial, &device)? {
                    self.note_device(db, run, &device, &line)?;
                    if self.state == ShipmentState::Shipped {
                        stock::give_to_buyer(db, run, &device, (&order, &line))?;
                    }
                }
            }
        }
        let happened = self.told(kind, &line, shipped_at);
        let happened = changes.told(happened);
        event::append(db, Stream::Order(order.id.0), run.occasion(), &[happened])?;
        Ok(effect)
    }
}

impl ShipmentRow {
    fn check(&self, cells: &mut Cells<'_>) {
        if let Some(long) = self.serials.iter().find(|serial| serial.len() > 128) {
            let reason = Reason::Invalid {
                value: long.chars().take(64).collect(),
                expected: "a serial number of at most 128 bytes".to_owned(),
            };
            cells.fault("serials", reason);
        }
        if self.serials.len() as i64 > self.quantity {
            let reason = Reason::Unfit(format!(
                "{} serial numbers are more than the quantity of {}",
                self.serials.len(),
                self.quantity
            ));
            cells.fault("serials", reason);
        }
    }

    fn told(&self, kind: EventKind, line: &OrderLine, shipped_at: Timestamp) -> Event {
        Event::new(kind)
            .with("system", self.system.as_str())
            .with("shipment", self.reference.as_str())
            .with("line", self.line.as_str())
            .with("order_line", line.id.0.to_string().as_str())
            .with("quantity", self.quantity.unsigned_abs())
            .with("shipped_at", shipped_at.seconds())
            .with("state", self.state.as_str())
    }

    /// Writes into the history of a device that it was in this shipment.
    fn note_device(
        &self,
        db: &mut Db,
        run: &Run<'_>,
        device: &str,
        line: &OrderLine,
    ) -> Result<(), StoreError> {
        let happened = Event::new(EventKind::Shipped)
            .with("system", self.system.as_str())
            .with("shipment", self.reference.as_str())
            .with("order_line", line.id.0.to_string().as_str());
        event::append(db, Stream::Device(device), run.occasion(), &[happened])
    }
}

/// The device of a serial number, expected from now on if it was not known, bound to what it was
/// shipped with and to who uses it.
fn put_device(
    db: &mut Db,
    run: &Run<'_>,
    product_line: &ProductLine,
    serial: &str,
    order: &Order,
    line: &OrderLine,
) -> Result<String, Halt> {
    let owner = Some(order.end_user_id);
    let known = device::by_serial(db, product_line.id, serial)?;
    let (mut device, kind) = match known {
        Some(known) => (known, EventKind::DeviceAmended),
        None => (
            expected(run, product_line, serial)?,
            EventKind::DeviceExpected,
        ),
    };
    if device.owner_id.is_some() && device.owner_id != owner {
        let reason = Reason::Unfit(format!(
            "the device {} belongs to another party; assign it to the end user of the order first",
            device.id
        ));
        return refuse("serials", reason);
    }
    if device.owner_id == owner && device.order_line_id.is_some() {
        return Ok(device.id);
    }
    let before = (device.owner_id, device.order_line_id);
    device.owner_id = owner;
    device.order_line_id = device.order_line_id.or(Some(line.id));
    device.changed_at = Micros(run.now());
    let mut diff = Diff::default();
    if kind == EventKind::DeviceExpected {
        device::insert(db, &device)?;
    } else {
        device::update(db, &device)?;
        let owner = |owner: Option<Octets<PartyId>>| Maybe(owner.map(|owner| owner.0));
        let line = |line: Option<Octets<OrderLineId>>| Maybe(line.map(|line| line.0));
        diff.field("owner", &owner(before.0), &owner(device.owner_id));
        diff.field("order_line", &line(before.1), &line(device.order_line_id));
    }
    let happened = Event::new(kind)
        .with("owner", order.end_user_id.0.to_string().as_str())
        .with("order_line", line.id.0.to_string().as_str());
    let happened = diff.applied().told(happened);
    event::append(db, Stream::Device(&device.id), run.occasion(), &[happened])?;
    Ok(device.id)
}

/// A device that was never heard, under the id that its certificate will prove.
pub(super) fn expected(
    run: &Run<'_>,
    product_line: &ProductLine,
    serial: &str,
) -> Result<Device, StoreError> {
    let prefix: IdPrefix = product_line.id_prefix.parse().map_err(|error| {
        StoreError::Corrupt(format!("product line {}: {error}", product_line.name))
    })?;
    let id = crate::identity::device_id(&prefix, serial.as_bytes());
    Ok(Device::new(
        id.as_str().to_owned(),
        product_line.id,
        serial.to_owned(),
        DeviceState::Expected,
        run.now(),
    ))
}

/// Serial numbers, of which a difference shows the first.
#[derive(PartialEq, Eq)]
struct Serials<'a>(&'a BTreeSet<String>);

impl std::fmt::Display for Serials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 10;
        if self.0.is_empty() {
            return f.write_str("empty");
        }
        let shown: Vec<_> = self.0.iter().take(SHOWN).map(String::as_str).collect();
        f.write_str(&shown.join(";"))?;
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
