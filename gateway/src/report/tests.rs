//! Each report equals a count by hand over the exported events.
#![allow(clippy::unwrap_used)]

mod campaigns;
mod delays;
mod hand;
mod hand_over;
mod history;
mod imported;
mod ledger;
mod lines;
mod lists_of_lines;
mod operations;
mod plans;
mod refused;
mod shares;
mod standing;
mod two_lines;
mod upgrades;

use std::time::Duration;

use fleetgrant_core::domain::{ActivationId, DeviceId, Origin, Timestamp};
use hand::{Figures, Told};
use ledger::{DAY, HOUR, Ledger};

use super::group::GroupBy;
use super::wait::Summary;
use crate::import::Kind;
use crate::store::listing;

const ORDERS: &str = "system,order,ordered_at,sold_to,line,sku,quantity,purpose\n\
    erp,O-1,2026-10-20,C-1,1,PUMP,5,production\n\
    erp,O-2,2026-10-25T09:30:00Z,C-2,1,SUITE,4,production\n\
    erp,O-2,2026-10-25T09:30:00Z,C-2,2,PUMP,2,demo\n\
    erp,O-3,2027-06-01,C-2,1,PUMP,2,production\n";

const SHIPMENTS: &str = "system,shipment,order,line,quantity,shipped_at,serials,state\n\
    erp,N-1,O-1,1,2,2026-10-28,1;2,shipped\n\
    erp,N-2,O-1,1,2,2026-11-02,,shipped\n\
    erp,N-3,O-2,1,1,2026-12-20,3,shipped\n\
    erp,N-4,O-2,1,1,2026-10-31,10,shipped\n\
    erp,N-5,O-2,1,1,2026-10-30,,returned\n";

/// Five weeks of two customers. What it holds: devices that wait, were denied, activated before
/// they shipped, offline, at the factory, for a demonstration, and twice rehosted; units that
/// came back, and a credit.
fn lived() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.import(
        Kind::Products,
        "product,title,feature\nP,Pump,pump\nQ,Scan,scan\nR,Net,net\n",
    );
    ledger.import(
        Kind::Skus,
        "sku,title,product,model,term,start_basis\nPUMP,Pump,P,perpetual,,fixed\n\
         SUITE,Suite,P,perpetual,,fixed\nSUITE,Suite,Q,subscription,P1Y,first-activation\n",
    );
    ledger.import(
        Kind::Parties,
        "system,party,name\nerp,C-1,Acme\nerp,C-2,Bright\n",
    );
    ledger.import(Kind::Orders, ORDERS);
    let mut manifest = "serial,system,owner,hwmodel\n".to_owned();
    for (serial, owner) in (1..).zip([1, 1, 2, 1, 1, 2, 1, 1, 1, 2, 2, 2]) {
        manifest.push_str(&format!("{serial},erp,C-{owner},pump-1\n"));
    }
    ledger.import(Kind::Manifest, &manifest);
    ledger.import(Kind::Shipments, SHIPMENTS);

    for device in [1, 2, 3] {
        ledger.runs(device, b"pump-2", "2.0");
    }
    ledger.runs(7, &[0, 0xff], "2.0");
    ledger.wait(DAY);
    ledger.ask(1, &[("pump", 1)]);
    ledger.wait(7);
    ledger.acknowledge(1);
    // It is answered and never signs.
    ledger.ask(2, &[("pump", 1)]);
    ledger.wait(HOUR);
    // Shipped later than this, says the file.
    ledger.activate(3, &[("pump", 2), ("scan", 1)]);
    ledger.wait(DAY);
    let signed = installed(&mut ledger, 4, "O-1/1/P/perpetual", Origin::Offline, 90);
    ledger.wait(HOUR);
    ledger.acknowledge_in_file(4, signed);
    assigned(&mut ledger, 5, "O-1/1/P/perpetual", Origin::Factory, 30);
    assigned(&mut ledger, 6, "O-2/2/P/perpetual", Origin::Field, 5);
    // The unit of 1 moves to 7, and on to 8.
    let moved = activation_on(&ledger, 1);
    let moved = rehost(&mut ledger, 1, moved, 7);
    rehost(&mut ledger, 7, moved, 8);
    for pause in [1, HOUR, DAY, 1] {
        ledger.ask(9, &[("net", 1), ("scan", 1)]);
        ledger.wait(pause);
    }
    // Nobody understands what it says, on two days.
    for (n, pause) in [(1, HOUR), (2, DAY), (3, 1)] {
        ledger.babble(9, n);
        ledger.wait(pause);
    }
    // One of two units comes back, and the device says so.
    ledger.give_back(3, &[("pump", 1)]);
    ledger.runs(3, b"pump-2", "2.1");
    ledger.activate(3, &[]);
    ledger.amend(
        Kind::Orders,
        "system,order,revision,ordered_at,sold_to,line,sku,quantity\n\
         erp,O-2,2,2026-10-25T09:30:00Z,C-2,1,SUITE,3\n",
    );
    // Activated before its order, says the file.
    assigned(&mut ledger, 11, "O-3/1/P/perpetual", Origin::Field, 2);
    // Carried to a device in a file, which nobody brought back.
    ledger.ask(12, &[]);
    ledger.assign(12, "O-2/1/P/perpetual", |a| a.origin = Origin::Offline);
    ledger.ask(12, &[]);
    // Taken away from a device that is silent since.
    let revoked = activation_on(&ledger, 11);
    ledger.revoke(11, revoked);
    ledger.wait(40 * DAY);
    ledger
}

/// A device gets a unit that came about like this, so many seconds before it signs.
fn assigned(ledger: &mut Ledger, device: u8, entitlement: &str, origin: Origin, seconds: u64) {
    installed(ledger, device, entitlement, origin, seconds);
    ledger.acknowledge(device);
}

/// As [`assigned`], up to the moment at which it signs.
fn installed(
    ledger: &mut Ledger,
    device: u8,
    entitlement: &str,
    origin: Origin,
    seconds: u64,
) -> Timestamp {
    ledger.ask(device, &[]);
    ledger.assign(device, entitlement, move |activation| {
        activation.origin = origin
    });
    ledger.ask(device, &[]);
    ledger.wait(seconds);
    ledger.now
}

/// An operator takes a unit from one device and gives it to another.
fn rehost(ledger: &mut Ledger, from: u8, activation: ActivationId, to: u8) -> ActivationId {
    rehost_of(ledger, "O-1/1/P/perpetual", from, activation, to)
}

fn rehost_of(
    ledger: &mut Ledger,
    entitlement: &str,
    from: u8,
    activation: ActivationId,
    to: u8,
) -> ActivationId {
    ledger.revoke(from, activation);
    ledger.wait(10);
    ledger.acknowledge(from);
    ledger.ask(to, &[]);
    let moved = ledger.assign(to, entitlement, move |moved| {
        moved.predecessor = Some(activation);
    });
    ledger.wait(DAY);
    ledger.activate(to, &[]);
    moved
}

fn activation_on(ledger: &Ledger, device: u8) -> ActivationId {
    let filter = listing::ActivationFilter {
        device: Some(ledger::device_id(device)),
        ..listing::ActivationFilter::default()
    };
    ledger.read(move |db| listing::activations(db, &filter, 1))[0]
        .id
        .0
}

fn history(ledger: &Ledger) -> Vec<Told> {
    hand::told(&ledger.exported())
}

fn seconds(ledger: &Ledger) -> f64 {
    ledger.now.seconds() as f64
}

fn reported(summary: &Summary) -> Figures {
    let seconds = |length: Option<Duration>| length.map(|length| length.as_secs_f64());
    (
        summary.over,
        summary.all,
        // To microseconds, as the report has it.
        seconds(summary.mean),
        seconds(summary.median),
        seconds(summary.p95),
    )
}

#[track_caller]
fn assert_same(summary: &Summary, by_hand: Figures) {
    let reported = reported(summary);
    let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-5,
        (a, b) => a == b,
    };
    let same = (reported.0, reported.1) == (by_hand.0, by_hand.1)
        && close(reported.2, by_hand.2)
        && close(reported.3, by_hand.3)
        && close(reported.4, by_hand.4);
    assert!(same, "reported {reported:?}, by hand {by_hand:?}");
}
