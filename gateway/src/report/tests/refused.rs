//! What was refused, once a day.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::{TimeZone, offset};

use super::*;
use crate::report::activation::{self, ActivationReport};
use crate::report::refusal::Refusals;

/// The day of an event, where clocks are so many hours ahead of UTC.
fn day(event: &Told, hours: i8) -> i64 {
    ((event.at + f64::from(hours) * 3_600.0) / 86_400.0).floor() as i64
}

fn report(ledger: &Ledger, since: Option<Timestamp>, hours: i8) -> ActivationReport {
    let (now, zone) = (ledger.now, TimeZone::fixed(offset(hours)));
    ledger.read(move |db| activation::read(db, None, now, since, &zone))
}

fn counted<const N: usize>(
    distinct: BTreeSet<[String; N]>,
    reason: impl Fn(&[String; N]) -> &str,
) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for of in &distinct {
        *counted.entry(reason(of).to_owned()).or_insert(0) += 1;
    }
    counted
}

#[test]
fn wants_refused_count_once_a_day() {
    let ledger = lived();
    let by_hand = |hours| {
        let mut distinct = BTreeSet::new();
        for event in history(&ledger).iter().filter(|e| e.kind == "denied") {
            let want = [event.text("feature"), event.text("entitlement")].concat();
            let rule = event.text("rule").to_owned();
            let device = event.device().unwrap().to_owned();
            distinct.insert([device, want, rule, day(event, hours).to_string()]);
        }
        counted(distinct, |[_, _, rule, _]| rule)
    };
    for hours in -12..=13 {
        let reported = report(&ledger, None, hours);
        assert_eq!(reported.refusals.wants, by_hand(hours), "{hours}");
    }
    // Two features on each of two days, however often; somewhere a day ends in between.
    assert_eq!(by_hand(0).get("not-owned"), Some(&4));
    assert!((-12..=13).any(|hours| by_hand(hours).get("not-owned") == Some(&6)));
}

#[test]
fn wants_decided_are_those_that_any_event_names() {
    let ledger = lived();
    let by_hand = |hours| {
        let mut decided = BTreeSet::new();
        for event in history(&ledger).iter().filter(|e| e.device().is_some()) {
            let is_bound = event.text("want") == "bound";
            let want = match (event.text("feature"), event.text("code")) {
                ("", "") if is_bound => event.text("entitlement"),
                ("", code) => code,
                (feature, _) => feature,
            };
            if is_bound || !want.is_empty() {
                let device = event.device().unwrap().to_owned();
                decided.insert([device, want.to_owned(), day(event, hours).to_string()]);
            }
        }
        decided.len() as u64
    };
    for hours in [-11, 0, 13] {
        let refusals = report(&ledger, None, hours).refusals;
        assert_eq!(refusals.decided, by_hand(hours), "{hours}");
        let denied: u64 = refusals.wants.values().sum();
        assert_eq!(refusals.rate, Some(denied as f64 / by_hand(hours) as f64));
    }
    // A feature each of 1 and 2; two of 3, one of them given back on another day, when the two
    // entitlements of its order line are there already; two of 9 on two days.
    assert_eq!(by_hand(0), 1 + 1 + (2 + 1 + 2) + 4);
}

#[test]
fn devices_refused_count_once_a_day() {
    let ledger = lived();
    let by_hand = |hours| {
        let mut distinct = BTreeSet::new();
        for event in &history(&ledger) {
            let reason = match &*event.kind {
                "device-refused" => event.text("reason"),
                "message-refused" => event.text("notice"),
                "device-quarantined" => "quarantined",
                "identity-conflict" => "identity-conflict",
                _ => continue,
            };
            let device = event.device().unwrap().to_owned();
            distinct.insert([device, reason.to_owned(), day(event, hours).to_string()]);
        }
        counted(distinct, |[_, reason, _]| reason)
    };
    for hours in [-11, 0, 13] {
        let reported = report(&ledger, None, hours);
        assert_eq!(reported.refusals.devices, by_hand(hours), "{hours}");
    }
    assert_eq!(by_hand(0).get("malformed"), Some(&2));
}

#[test]
fn what_was_refused_before_is_left_out() {
    let ledger = lived();
    let report = report(&ledger, Some(ledger.now.minus_seconds(DAY)), 0);
    assert_eq!(report.refusals, Refusals::default());
    assert_eq!(report.activated, activation::Activations::default());
    assert_eq!(report.contact_to_activation, Summary::default());
}
