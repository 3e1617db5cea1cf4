//! Activations and their share of what was sold.

use std::collections::BTreeMap;

use super::*;
use crate::report::share::{self, Share, ShareQuery};

fn shares(ledger: &Ledger, by: &str, within: Option<u64>) -> BTreeMap<String, Share> {
    let query = ShareQuery {
        within: within.map(|days| Duration::from_secs(days * DAY)),
        by: by.parse().unwrap(),
        ..ShareQuery::default()
    };
    let now = ledger.now;
    let report = ledger.read(move |db| share::read(db, now, &query));
    let groups = report.groups.into_iter();
    groups.map(|share| (share.group.clone(), share)).collect()
}

#[test]
fn shares_are_the_count_by_hand() {
    let ledger = lived();
    let events = history(&ledger);
    let (sold, fresh) = (hand::sold(&events), hand::fresh(&events));
    let mut ordered = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == "order-created") {
        ordered.insert(event.text("order_line"), event.number("ordered_at") as f64);
    }
    for within in [None, Some(1), Some(9), Some(30)] {
        let limit = within.map_or(f64::MAX, |days| (days * DAY) as f64);
        let mut by_hand = BTreeMap::<&str, (u64, u64, u64)>::new();
        for (id, sold) in &sold {
            if sold.purpose != "production" {
                continue;
            }
            let mine: Vec<_> = fresh.iter().filter(|f| f.entitlement == *id).collect();
            let all: u64 = mine.iter().map(|fresh| fresh.units).sum();
            let at = ordered[&*sold.order_line];
            let in_time = mine.iter().filter(|fresh| fresh.at - at <= limit);
            let known = by_hand.entry(&sold.model).or_default();
            known.0 += all;
            if within.is_none() || at + limit <= seconds(&ledger) {
                let units: u64 = in_time.map(|fresh| fresh.units).sum();
                known.1 += units.min(sold.units);
                known.2 += sold.units;
            }
        }
        let reported = shares(&ledger, "model", within);
        for (model, counted) in &by_hand {
            let share = &reported[*model];
            assert_eq!(
                (share.activations, share.activated, share.of),
                *counted,
                "{model} {within:?}"
            );
        }
        let of: u64 = by_hand.values().map(|counted| counted.2).sum();
        assert_eq!(
            (reported["all"].of, reported.len()),
            (of, by_hand.len() + 1)
        );
    }
    assert_eq!(shares(&ledger, "", None)["all"].activations, 7);
}

#[test]
fn activations_are_told_apart_by_any_combination() {
    let ledger = lived();
    let activations = |by: &str| -> BTreeMap<String, u64> {
        let shares = shares(&ledger, by, None).into_iter();
        shares
            .map(|(group, share)| (group, share.activations))
            .collect()
    };
    let customers = activations("feature,customer");
    let pumps = ["pump / Acme", "pump / Bright", "scan / Bright"].map(|group| customers[group]);
    // Each of the seven has one feature here, and is counted once.
    assert_eq!(pumps.iter().sum::<u64>(), customers["all"]);
    // Demonstrations are told only where purposes are.
    let purposes = activations("purpose");
    assert_eq!(
        (purposes["production"], purposes["demo"], purposes["all"]),
        (7, 1, 8)
    );
    let events = history(&ledger);
    let of_3: u64 = hand::fresh(&events)
        .iter()
        .filter(|fresh| fresh.device == "d-3")
        .map(|fresh| fresh.units)
        .sum();
    let platforms = activations("platform");
    assert_eq!(platforms["pump-2 pump-os 2.1"], of_3);
    assert_eq!(
        activations("tier,product-line")["(no tier) / (all lines)"],
        7
    );
}
