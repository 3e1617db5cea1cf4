//! One customer, and the whole history.

use std::collections::BTreeSet;

use fleetgrant_core::event::EventKind;

use super::*;
use crate::report::customer;
use crate::report::history::{self as export, HistoryFilter};
use crate::store::listing::Part;

#[test]
fn a_party_is_found_by_all_that_it_is_called() {
    let ledger = lived();
    let by = |called: &str| {
        let called = called.to_owned();
        ledger.read(move |db| listing::parties_called(db, &called))
    };
    let found = by("C-1");
    assert_eq!(found.len(), 1);
    assert_eq!(by(&found[0].to_string()), found);
    assert_eq!(by(&found[0].to_string().to_uppercase()), found);
    assert_eq!(by(&"0".repeat(32)), []);
}

#[test]
fn a_customers_history_is_what_its_events_tell() {
    let ledger = lived();
    let parties = ledger.read(|db| listing::parties_called(db, "C-1"));
    let party = parties[0].to_string();
    let customer = ledger.read(move |db| customer::customer(db, &parties, None));
    let customer = customer.unwrap();
    let events = history(&ledger);
    let sold = hand::sold(&events);
    let own = |id: &str| sold.get(id).is_some_and(|sold| sold.owner == party);
    let lines: BTreeSet<_> = sold
        .values()
        .filter(|sold| sold.owner == party)
        .map(|sold| sold.order_line.as_str())
        .collect();
    let orders: BTreeSet<_> = events
        .iter()
        .filter(|event| event.kind == "order-created" && lines.contains(event.text("order_line")))
        .map(|event| event.stream.as_str())
        .collect();
    let devices: BTreeSet<_> = events
        .iter()
        .filter(|event| event.kind == "device-expected" && event.text("owner") == party)
        .filter_map(Told::device)
        .collect();
    let by_hand: Vec<_> = events
        .iter()
        .filter(|event| {
            event.stream == format!("party:{party}")
                || orders.contains(event.stream.as_str())
                || event.stream.strip_prefix("entitlement:").is_some_and(own)
                || event
                    .device()
                    .is_some_and(|device| devices.contains(device))
                || own(event.text("entitlement"))
        })
        .map(|event| event.position)
        .collect();
    let reported: Vec<_> = customer.events.iter().map(|event| event.position).collect();
    assert_eq!(reported, by_hand);
    assert!(by_hand.len() > 40 && by_hand.len() < events.len());
    let counts = (
        customer.orders.len(),
        customer.shipments.len(),
        customer.entitlements.len(),
        customer.devices.len(),
        customer.activations.len(),
    );
    assert_eq!(counts, (1, 2, 1, 7, 6));
}

#[test]
fn the_export_is_all_there_is_and_filters() {
    let ledger = lived();
    let all = history(&ledger);
    let positions: Vec<_> = all.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=all.len() as i64).collect::<Vec<_>>());
    let counted = |filter: HistoryFilter| {
        ledger
            .read(move |db| export::page(db, &filter, &Part::default(), 10_000))
            .len()
    };
    let of = |stream: &str| HistoryFilter {
        stream: Some(stream.to_owned()),
        ..HistoryFilter::default()
    };
    let by_hand = |which: &dyn Fn(&&Told) -> bool| all.iter().filter(which).count();
    assert_eq!(
        counted(of("device:d-1")),
        by_hand(&|event| event.stream == "device:d-1")
    );
    assert_eq!(
        counted(of("device")),
        by_hand(&|event| event.device().is_some())
    );
    assert_eq!(
        counted(of("catalogue")),
        by_hand(&|event| event.stream == "catalogue")
    );
    let since = ledger.now.minus_seconds(44 * DAY);
    let filter = HistoryFilter {
        kinds: vec![EventKind::Activated],
        since: Some(since),
        ..HistoryFilter::default()
    };
    let is_late = |event: &&Told| event.kind == "activated" && event.at >= since.seconds() as f64;
    assert_eq!(counted(filter), by_hand(&is_late));
}
