//! Each report of a product line equals a count by hand over the events that belong to it, and those of
//! all lines, with what belongs to none, are the whole.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::two_lines::{LINES, each, ids, of_devices, of_products, of_two_lines};
use super::*;
use crate::report::activation::{self, ActivationReport};
use crate::report::delay::{Cohort, order_to_activation, shipment_to_activation};
use crate::report::operations;
use crate::report::share::{self, ShareQuery};
use crate::report::stuck::{Limits, stuck};
use crate::report::usage::usage;
use crate::report::{expiring, platform, uses};

fn added<K: Ord + Clone>(parts: &[&BTreeMap<K, u64>]) -> BTreeMap<K, u64> {
    let mut sum = BTreeMap::new();
    for (key, count) in parts.iter().copied().flatten() {
        *sum.entry(key.clone()).or_default() += count;
    }
    sum
}

#[test]
fn activation_of_a_line_is_the_count_by_hand() {
    let ledger = of_two_lines();
    let (now, all_events) = (ledger.now, history(&ledger));
    // The third has all by its time, and the first device by device.
    let ever = Timestamp::from_seconds(0);
    for since in [None, Some(now.minus_seconds(44 * DAY)), Some(ever)] {
        let (lines, all) = each(&ledger, move |db, line| {
            activation::read(db, line, now, since, &TimeZone::UTC)
        });
        let from = since.map_or(0.0, |since| since.seconds() as f64);
        let fresh = hand::fresh(&all_events);
        for ((_, prefix, _), report) in LINES.iter().zip(&lines) {
            let events = of_devices(&all_events, prefix);
            let own = fresh
                .iter()
                .filter(|fresh| fresh.device.starts_with(prefix));
            let units: u64 = own
                .filter(|fresh| fresh.at >= from)
                .map(|fresh| fresh.units)
                .sum();
            assert_eq!(report.activated.units, units, "{prefix} {since:?}");
            assert!(
                units > 0 && units < all.activated.units,
                "{prefix} {since:?}"
            );
            let mut by_state = BTreeMap::<String, u64>::new();
            for right in hand::rights(&events).values() {
                *by_state.entry(right.state.clone()).or_default() += right.units;
            }
            let named = |(state, units): (_, &u64)| (format!("{state}"), *units);
            let reported: BTreeMap<_, _> = report
                .units
                .iter()
                .map(|(state, units)| named((state, units)))
                .collect();
            assert_eq!(reported, by_state);
            let mut denied = BTreeSet::new();
            for event in events.iter().filter(|e| e.kind == "denied" && e.at >= from) {
                let day = (event.at / 86_400.0).floor() as i64;
                let rule = event.text("rule").to_owned();
                denied.insert((event.stream.clone(), event.text("feature"), rule, day));
            }
            let told: u64 = report.refusals.wants.values().sum();
            assert_eq!(told, denied.len() as u64, "{prefix} {since:?}");
            let mut waited = Vec::new();
            for contact in events
                .iter()
                .filter(|e| e.kind == "first-contact" && e.at >= from)
            {
                let mine = |fresh: &&hand::Fresh| Some(&*fresh.device) == contact.device();
                let first = fresh.iter().find(mine);
                waited.push(hand::Waited {
                    seconds: first.map_or(seconds(&ledger), |first| first.at) - contact.at,
                    is_over: first.is_some(),
                });
            }
            assert_same(&report.contact_to_activation, hand::figures(&waited));
        }
        assert!(all.refusals.decided > 0);
        let [a, b] = &lines;
        let sum = |of: fn(&ActivationReport) -> &BTreeMap<String, u64>| added(&[of(a), of(b)]);
        assert_eq!(sum(|report| &report.refusals.wants), all.refusals.wants);
        assert_eq!(sum(|report| &report.refusals.devices), all.refusals.devices);
        assert_eq!(added(&[&a.devices, &b.devices]), all.devices);
        assert_eq!(added(&[&a.units, &b.units]), all.units);
        assert_eq!(
            a.refusals.decided + b.refusals.decided,
            all.refusals.decided
        );
        assert_eq!(a.activated.units + b.activated.units, all.activated.units);
        assert_eq!(
            a.contact_to_activation.all + b.contact_to_activation.all,
            all.contact_to_activation.all
        );
    }
}

#[test]
fn delays_of_a_line_are_the_count_by_hand() {
    let ledger = of_two_lines();
    let (now, all_events) = (ledger.now, history(&ledger));
    let (ordered, all_ordered) = each(&ledger, move |db, line| {
        order_to_activation(db, line, now, Cohort::default(), GroupBy::Product)
    });
    let (shipped, all_shipped) = each(&ledger, move |db, line| {
        shipment_to_activation(db, line, now, Cohort::default(), GroupBy::All)
    });
    for (index, (name, prefix, products)) in LINES.iter().enumerate() {
        let events = of_products(&all_events, &ids(&ledger, products));
        let by_hand = hand::order_to_activation(&events, seconds(&ledger));
        let report = &ordered[index];
        let summary = &report.groups.last().unwrap().summary;
        assert_same(summary, hand::figures(&by_hand));
        assert!(summary.over > 0, "{name}");
        for group in &report.groups {
            assert!(
                group.group == "all" || products.contains(&&*group.group),
                "{group:?}"
            );
        }
        // A device of another line is not named, though it has a unit of this one.
        let named = report
            .data_errors
            .iter()
            .filter_map(|error| error.device.as_deref());
        assert!(
            named.into_iter().all(|device| device.starts_with(prefix)),
            "{report:?}"
        );
        let by_hand = hand::shipment_to_activation(&events, seconds(&ledger));
        let summary = &shipped[index].groups[0].summary;
        assert_same(summary, hand::figures(&by_hand));
        assert!(summary.all > 0, "{name}");
    }
    let hidden = |report: &crate::report::delay::DelayReport| {
        report
            .data_errors
            .iter()
            .map(|error| error.device.clone())
            .collect::<Vec<_>>()
    };
    assert!(hidden(&all_ordered).contains(&Some("v-106".to_owned())));
    assert_eq!(hidden(&ordered[0]), [None, None]);
    assert_eq!(ordered[0].data_errors_in_all, 2);
    let of = |report: &crate::report::delay::DelayReport| report.groups.last().unwrap().summary.all;
    // Three more are of what is for both lines; one of those was shipped.
    assert_eq!(of(&ordered[0]) + of(&ordered[1]) + 3, of(&all_ordered));
    assert_eq!(of(&shipped[0]) + of(&shipped[1]) + 1, of(&all_shipped));
}

#[test]
fn platforms_of_a_line_are_those_of_its_devices() {
    let ledger = of_two_lines();
    let events = history(&ledger);
    let (lines, all) = each(&ledger, platform::platforms);
    for ((_, prefix, _), platforms) in LINES.iter().zip(&lines) {
        let rights = hand::rights(&of_devices(&events, prefix));
        let active: Vec<_> = rights.values().filter(|r| r.state == "activated").collect();
        let devices: BTreeSet<_> = active.iter().map(|right| &right.device).collect();
        let units: u64 = active.iter().map(|right| right.units).sum();
        assert_eq!(
            platforms.iter().map(|used| used.devices).sum::<u64>(),
            devices.len() as u64
        );
        assert_eq!(platforms.iter().map(|used| used.units).sum::<u64>(), units);
    }
    // The lines have no platform in common.
    let both: BTreeSet<_> = lines.iter().flatten().map(|used| &used.platform).collect();
    assert_eq!(both.len(), lines[0].len() + lines[1].len());
    let mut told: Vec<_> = lines.into_iter().flatten().collect();
    told.sort_by(|a, b| {
        b.devices
            .cmp(&a.devices)
            .then_with(|| a.platform.cmp(&b.platform))
    });
    assert_eq!(told, all);
}

#[test]
fn what_of_a_line_is_in_use_is_the_count_by_hand() {
    let ledger = of_two_lines();
    let (now, events) = (ledger.now, history(&ledger));
    let (lines, all) = each(&ledger, move |db, line| {
        usage(db, line, now, GroupBy::Product)
    });
    let (sold, rights) = (hand::sold(&events), hand::rights(&events));
    for ((name, _, products), report) in LINES.iter().zip(&lines) {
        let ids = ids(&ledger, products);
        let mine = |id: &str| ids.contains(&sold[id].product);
        let of = |states: &[&str]| -> Vec<&hand::Right> {
            let own = rights.values().filter(|right| mine(&right.entitlement));
            own.filter(|right| states.contains(&&*right.state))
                .collect()
        };
        let units = |rights: &[&hand::Right]| rights.iter().map(|right| right.units).sum::<u64>();
        let used = report.groups.last().unwrap();
        let active = of(&["activated"]);
        let devices: BTreeSet<_> = active.iter().map(|right| &right.device).collect();
        assert_eq!(used.activated, units(&active), "{name}");
        assert_eq!(used.devices, devices.len() as u64, "{name}");
        let holding = of(&[
            "reserved",
            "published",
            "activated",
            "suspended",
            "removing",
        ]);
        assert_eq!(used.holding, units(&holding), "{name}");
        let own = sold.iter().filter(|(id, _)| mine(id));
        assert_eq!(used.entitlements, own.count() as u64, "{name}");
        let groups = report.groups.iter().map(|used| &*used.group);
        let groups: Vec<_> = groups.filter(|group| *group != "all").collect();
        assert_eq!(groups, *products);
        // Each product is told as it is among all.
        for used in report.groups.iter().filter(|used| used.group != "all") {
            assert!(all.groups.contains(used), "{used:?}");
        }
    }
    // A pump's right is on a valve.
    let elsewhere = rights
        .values()
        .find(|right| right.device == "v-106" && right.state == "activated");
    assert!(elsewhere.is_some());
}

#[test]
fn activations_and_sales_of_a_line_are_the_count_by_hand() {
    let ledger = of_two_lines();
    let (now, events) = (ledger.now, history(&ledger));
    let read = |by: &str| {
        let by: crate::report::dimension::Dimensions = by.parse().unwrap();
        each(&ledger, move |db, line| {
            let query = ShareQuery {
                by: by.clone(),
                line,
                ..ShareQuery::default()
            };
            share::read(db, now, &query)
        })
    };
    let (lines, all) = read("product");
    let (sold, fresh) = (hand::sold(&events), hand::fresh(&events));
    for ((name, _, products), report) in LINES.iter().zip(&lines) {
        let ids = ids(&ledger, products);
        let mine = |id: &str| ids.contains(&sold[id].product);
        let own = fresh.iter().filter(|fresh| mine(&fresh.entitlement));
        let units: u64 = own.map(|fresh| fresh.units).sum();
        let of: u64 = sold
            .iter()
            .filter(|(id, _)| mine(id))
            .map(|(_, sold)| sold.units)
            .sum();
        let told = report.groups.last().unwrap();
        assert_eq!((told.activations, told.of), (units, of), "{name}");
        for share in report.groups.iter().filter(|share| share.group != "all") {
            assert!(all.groups.contains(share), "{share:?}");
        }
    }
    let (lines, _) = read("platform");
    let names: Vec<_> = lines[0].groups.iter().map(|share| &*share.group).collect();
    assert!(names.contains(&"(another product line)"), "{names:?}");
    assert!(
        !names.iter().any(|name| name.contains("valve")),
        "{names:?}"
    );
}

#[test]
fn operations_of_a_line_are_the_count_by_hand() {
    let ledger = of_two_lines();
    let (now, events) = (ledger.now, history(&ledger));
    let (lines, all) = each(&ledger, move |db, line| {
        operations::read(db, line, now, Cohort::default(), GroupBy::All)
    });
    let sold = hand::sold(&events);
    for ((name, prefix, products), report) in LINES.iter().zip(&lines) {
        let ids = ids(&ledger, products);
        let of = |kind: &'static str| events.iter().filter(move |event| event.kind == kind);
        let mine = |event: &&Told| ids.contains(&sold[event.text("entitlement")].product);
        let returned = of("removed").filter(|event| event.text("reason") == "return");
        let returned: u64 = returned
            .filter(mine)
            .map(|event| event.number("units"))
            .sum();
        let told = report.groups.last().unwrap();
        assert_eq!((told.returned, returned), (1, 1), "{name}");
        let moved = of("quota-used").filter(|event| event.text("quota") == "rehost");
        let moved: u64 = moved.filter(mine).map(|event| event.number("units")).sum();
        assert_eq!(told.rehosted, moved, "{name}");
        let own = |event: &&Told| event.device().unwrap().starts_with(prefix);
        let resyncs = of("resynced").filter(own).count() as u64;
        assert_eq!(
            (report.resyncs.values().sum::<u64>(), resyncs),
            (1, 1),
            "{name}"
        );
        assert!(report.success.opened > 0, "{name}");
    }
    let [a, b] = &lines;
    assert_eq!(added(&[&a.resyncs, &b.resyncs]), all.resyncs);
    assert_eq!(a.success.opened + b.success.opened, all.success.opened);
    assert_eq!(
        a.success.activated + b.success.activated,
        all.success.activated
    );
    assert_eq!(
        a.clones_suspected + b.clones_suspected,
        all.clones_suspected
    );
}

#[test]
fn uses_and_ends_of_a_line_are_those_of_its_products() {
    let ledger = of_two_lines();
    let (now, events) = (ledger.now, history(&ledger));
    let (lines, all) = each(&ledger, move |db, line| {
        uses::read(db, line, now, GroupBy::Product)
    });
    let sold = hand::sold(&events);
    for ((name, _, products), report) in LINES.iter().zip(&lines) {
        let ids = ids(&ledger, products);
        let reported = events.iter().filter(|event| event.kind == "usage-reported");
        let mine = |event: &&Told| ids.contains(&sold[event.text("entitlement")].product);
        let uses: u64 = reported
            .filter(mine)
            .map(|event| event.number("uses"))
            .sum();
        let told = report.groups.last().unwrap();
        assert_eq!(told.uses, uses, "{name}");
        assert!(uses > 10, "{name}");
    }
    let uses = |report: &uses::UsesReport| report.groups.last().unwrap().uses;
    assert_eq!(uses(&lines[0]) + uses(&lines[1]), uses(&all));

    let until = now.plus_seconds(400 * DAY);
    let (lines, all) = each(&ledger, move |db, line| {
        expiring::read(db, line, now, until)
    });
    let names = |ends: &[expiring::Expiring]| -> Vec<String> {
        ends.iter().map(|end| end.entitlement.clone()).collect()
    };
    assert_eq!(names(&lines[0]), ["YEAR-P"]);
    assert_eq!(names(&lines[1]), ["YEAR-V"]);
    assert_eq!(names(&all), ["YEAR-P", "YEAR-V", "YEAR-A"]);
    let whole = now..until;
    let (pages, _) = each(&ledger, move |db, line| {
        expiring::page(db, line, &whole, &listing::Part::default(), 10)
    });
    assert_eq!(pages, lines);
}

#[test]
fn what_of_a_line_is_stuck_is_on_its_devices() {
    let ledger = of_two_lines();
    let now = ledger.now;
    let limits = Limits::default();
    let (lines, mut all) = each(&ledger, move |db, line| stuck(db, line, now, &limits, 100));
    for ((_, prefix, _), stuck) in LINES.iter().zip(&lines) {
        assert!(
            stuck.iter().all(|stuck| stuck.device.starts_with(prefix)),
            "{stuck:?}"
        );
        let steps: BTreeSet<_> = stuck.iter().map(|stuck| stuck.step.as_str()).collect();
        assert!(
            steps.is_superset(&BTreeSet::from(["shipped", "denied", "published"])),
            "{steps:?}"
        );
    }
    // What is oldest of another line takes no room.
    let (first, _) = each(&ledger, move |db, line| stuck(db, line, now, &limits, 1));
    assert!(first.iter().all(|stuck| stuck.len() >= 3), "{first:?}");
    let mut told: Vec<_> = lines.into_iter().flatten().collect();
    let key = |stuck: &crate::report::stuck::Stuck| {
        (stuck.step, stuck.device.clone(), stuck.what.clone())
    };
    told.sort_by_key(key);
    all.sort_by_key(key);
    assert_eq!(told, all);
}
