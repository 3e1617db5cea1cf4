//! Devices that were built to stock find their buyer with the shipment.
//!
//! What is on the device stays as it is: no set is written, nothing is activated again. Only whose
//! units these are changes, from the stock's to the buyer's.

use fleetgrant_core::domain::{EntitlementId, Scope};
use fleetgrant_core::event::{Event, EventKind};

use super::rows::Run;
use super::{Halt, Reason, refuse};
use crate::store::column::{Code, Micros};
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::{self, Stream};
use crate::store::order::{Order, OrderLine};
use crate::store::stock::{self, BuiltIn, Room};
use crate::store::{Db, StoreError, id, refresh};

/// Gives the buyer what was built into a device: as units of what the line sold of that product, or,
/// if the line sold none of it, as an entitlement of the buyer's that grows with the shipments.
pub(super) fn give_to_buyer(
    db: &mut Db,
    run: &Run<'_>,
    device: &str,
    (order, line): (&Order, &OrderLine),
) -> Result<(), Halt> {
    let built = stock::on_device(db, device)?;
    if built.is_empty() {
        return Ok(());
    }
    let sold = entitlement::of_order_line(db, line.id)?;
    for built in &built {
        let of_line = sold
            .iter()
            .find(|e| e.product_id == built.stock.product_id && e.source.0 != built.stock.source.0);
        let (target, room) = match of_line {
            Some(sold) => (sold.clone(), Room::Sold),
            None => (part(db, run, &built.stock, order, line)?, Room::Grows),
        };
        if !stock::hand_over(db, built, target.id, room, run.now())? {
            let reason = Reason::Unfit(format!(
                "the device {device} has {} units of {} built in, and the line has fewer left of \
                 {}; amend the order first",
                built.units, built.stock.reference, target.reference
            ));
            return refuse("serials", reason);
        }
        if !says_the_same(&built.stock, &target) {
            refresh::mark(db, &[device.to_owned()], run.actor(), run.now())?;
        }
        note(db, run, device, built, &target)?;
    }
    Ok(())
}

/// What a buyer has of a stock by an order line; made when the first device ships.
fn part(
    db: &mut Db,
    run: &Run<'_>,
    stock: &Entitlement,
    order: &Order,
    line: &OrderLine,
) -> Result<Entitlement, StoreError> {
    let reference = format!("{}@{}/{}", stock.reference, order.reference, line.line);
    if let Some(known) = entitlement::by_reference(db, &stock.system, &reference)? {
        return Ok(known);
    }
    let part = Entitlement {
        id: id::fresh::<EntitlementId>(run.now()),
        reference,
        owner_id: Some(order.end_user_id),
        // The quantity of the line does not count it.
        order_line_id: None,
        scope: Code(Scope::Device),
        unlimited: false,
        units: 0,
        overdraft: 0,
        live_units: 0,
        pending_credit: 0,
        created_at: Micros(run.now()),
        changed_at: Micros(run.now()),
        ..stock.clone()
    };
    entitlement::insert(db, &part)?;
    super::fulfilment::note(db, run.occasion(), EventKind::EntitlementCreated, &part)?;
    Ok(part)
}

/// Whether a device is told the same of both, so that its set needs no other content.
fn says_the_same(one: &Entitlement, other: &Entitlement) -> bool {
    let runs = |e: &Entitlement| {
        let is_endless = e.term.is_none() && e.ends_at.is_none();
        let starts = (!is_endless).then_some((e.start_basis, e.starts_at, e.latest_start_at));
        (e.term.clone(), e.ends_at, e.grace_seconds, starts)
    };
    one.model_kind == other.model_kind && runs(one) == runs(other)
}

fn note(
    db: &mut Db,
    run: &Run<'_>,
    device: &str,
    built: &BuiltIn,
    target: &Entitlement,
) -> Result<(), StoreError> {
    let told = |of: EntitlementId| {
        Event::new(EventKind::UnitsHandedOver)
            .about(built.activation, of)
            .with("device", device)
            .with("from", built.stock.reference.as_str())
            .with("to", target.reference.as_str())
            .with("units", built.units.unsigned_abs())
            .with_some("owner", target.owner_id.map(|owner| owner.0))
    };
    for id in [built.stock.id.0, target.id.0] {
        event::append(db, Stream::Entitlement(id), run.occasion(), &[told(id)])?;
    }
    let here = told(target.id.0);
    event::append(db, Stream::Device(device), run.occasion(), &[here])
}
