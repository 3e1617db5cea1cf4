//! How the fleet stands, and what of it is in use.

use std::collections::{BTreeMap, BTreeSet};

use fleetgrant_core::domain::{ActivationState, CaseState, CaseStep, DeviceState};
use jiff::tz::TimeZone;

use super::*;
use crate::report::stuck::{Limits, Step, stuck};
use crate::report::usage::usage;
use crate::report::{activation, platform};
use crate::store::case;

#[test]
fn activation_is_the_count_by_hand() {
    let ledger = lived();
    let now = ledger.now;
    let report = ledger.read(move |db| activation::read(db, None, now, None, &TimeZone::UTC));
    let events = history(&ledger);
    let fresh = hand::fresh(&events);
    let units: u64 = fresh.iter().map(|fresh| fresh.units).sum();
    assert_eq!(report.activated.units, units);
    assert_eq!(units, 7, "1, 3 (2 + 1), 4, 5 and 11");

    let mut states = BTreeMap::<String, &str>::new();
    for event in &events {
        let Some(device) = event.device() else {
            continue;
        };
        match &*event.kind {
            "device-expected" => states.insert(device.to_owned(), "expected"),
            "device-admitted" => states.insert(device.to_owned(), "admitted"),
            _ => None,
        };
    }
    let count = |state: DeviceState| {
        states
            .values()
            .filter(|known| **known == state.as_str())
            .count() as u64
    };
    let by_hand = [DeviceState::Expected, DeviceState::Admitted].map(|state| (state, count(state)));
    assert_eq!(report.devices, BTreeMap::from(by_hand));

    let mut by_state = BTreeMap::<String, u64>::new();
    for right in hand::rights(&events).values() {
        *by_state.entry(right.state.clone()).or_default() += right.units;
    }
    let named = |(state, units): (&ActivationState, &u64)| (state.to_string(), *units);
    assert_eq!(
        report.units.iter().map(named).collect::<BTreeMap<_, _>>(),
        by_state
    );

    let mut waited = Vec::new();
    for contact in events.iter().filter(|event| event.kind == "first-contact") {
        let mine = |fresh: &&hand::Fresh| Some(&*fresh.device) == contact.device();
        let first = fresh.iter().find(mine);
        waited.push(hand::Waited {
            seconds: first.map_or(seconds(&ledger), |first| first.at) - contact.at,
            is_over: first.is_some(),
        });
    }
    assert_same(&report.contact_to_activation, hand::figures(&waited));
    // 2, 9 and 12 wait; 6 has a demonstration only, and 7 and 8 another's unit.
    assert_eq!(report.contact_to_activation.over, 5);
    assert_eq!(report.contact_to_activation.all, 11);
}

#[test]
fn platforms_in_use_are_the_count_by_hand() {
    let ledger = lived();
    let events = history(&ledger);
    let mut platforms = BTreeMap::<String, [String; 4]>::new();
    for event in &events {
        let Some(device) = event.device() else {
            continue;
        };
        let fields = ["maker", "hwmodel", "software", "version"];
        let said = fields.map(|field| event.text(field).to_owned());
        if matches!(&*event.kind, "device-expected" | "device-described") && !said[1].is_empty() {
            platforms.insert(device.to_owned(), said);
        }
    }
    let mut by_hand = BTreeMap::<[String; 4], (BTreeSet<String>, u64)>::new();
    for right in hand::rights(&events)
        .values()
        .filter(|right| right.state == "activated")
    {
        let known = by_hand.entry(platforms[&right.device].clone()).or_default();
        known.0.insert(right.device.clone());
        known.1 += right.units;
    }
    let text = |text: Option<String>| text.unwrap_or_default();
    let reported: BTreeMap<_, _> = ledger
        .read(|db| platform::platforms(db, None))
        .into_iter()
        .map(|used| {
            let platform = used.platform;
            let said = [
                platform.maker,
                platform.hwmodel,
                platform.software,
                platform.version,
            ];
            (said.map(text), (used.devices, used.units))
        })
        .collect();
    let by_hand: BTreeMap<_, _> = by_hand
        .into_iter()
        .map(|(said, (devices, units))| (said, (devices.len() as u64, units)))
        .collect();
    assert_eq!(reported, by_hand);
    let newest = ["32473", "pump-2", "pump-os", "2.1"].map(str::to_owned);
    assert_eq!(reported.get(&newest), Some(&(1, 2)));
}

#[test]
fn license_models_in_use_are_the_count_by_hand() {
    let ledger = lived();
    let (now, events) = (ledger.now, history(&ledger));
    let report = ledger.read(move |db| usage(db, None, now, GroupBy::Model));
    let sold = hand::sold(&events);
    let rights = hand::rights(&events);
    let mut seen = Vec::new();
    for used in report.groups.iter().filter(|used| used.group != "all") {
        let of_model = sold.iter().filter(|(_, sold)| sold.model == used.group);
        let mine = |id: &str| sold[id].model == used.group;
        let of = |states: &[&str]| -> u64 {
            let of_states = rights
                .values()
                .filter(|right| states.contains(&&*right.state));
            of_states
                .filter(|right| mine(&right.entitlement))
                .map(|right| right.units)
                .sum()
        };
        let units: u64 = of_model.clone().map(|(_, sold)| sold.units).sum();
        let holding = of(&[
            "reserved",
            "published",
            "activated",
            "suspended",
            "removing",
        ]);
        assert_eq!(used.entitlements, of_model.count() as u64, "{}", used.group);
        assert_eq!((used.units, used.unlimited), (units, 0), "{}", used.group);
        assert_eq!(
            (used.holding, used.activated),
            (holding, of(&["activated"]))
        );
        assert_eq!(used.at_risk, of(&["removing"]));
        assert_eq!(used.utilisation, Some(holding as f64 / units as f64));
        seen.push(used.group.as_str());
    }
    assert_eq!(seen, ["perpetual", "subscription"]);
}

#[test]
fn what_is_stuck_is_told_with_its_step_and_its_age() {
    let ledger = lived();
    let now = ledger.now;
    let limits = Limits::default();
    let found = |ledger: &Ledger, limits: Limits| -> Vec<(Step, String)> {
        let now = ledger.now;
        let stuck = ledger.read(move |db| stuck(db, None, now, &limits, 100));
        stuck
            .into_iter()
            .map(|stuck| (stuck.step, stuck.device))
            .collect()
    };
    let device = |step, device: &str| (step, device.to_owned());
    let events = history(&ledger);
    let first_denied = events.iter().find(|event| event.kind == "denied").unwrap();
    assert_eq!(
        found(&ledger, limits),
        [
            device(Step::Shipped, "d-10"),
            device(Step::Denied, "d-9"),
            device(Step::Denied, "d-9"),
            device(Step::Published, "d-2"),
            device(Step::Published, "d-9"),
            device(Step::Published, "d-11"),
            device(Step::Offline, "d-12"),
            device(Step::Removing, "d-11"),
        ]
    );
    // As old as the first denial, though the device went on asking for days.
    let denied = ledger.read(move |db| stuck(db, None, now, &limits, 100));
    let denied: Vec<_> = denied
        .iter()
        .filter(|stuck| stuck.step == Step::Denied)
        .collect();
    assert_eq!(denied[0].since.seconds() as f64, first_denied.at.floor());
    assert_eq!(denied[0].reason.as_deref(), Some("not-owned"));
    let patient = Limits {
        offline: Duration::from_secs(400 * DAY),
        denied: Duration::from_secs(400 * DAY),
        published: Duration::from_secs(400 * DAY),
        removing: Duration::from_secs(400 * DAY),
        ..limits
    };
    assert_eq!(found(&ledger, patient), [device(Step::Shipped, "d-10")]);
}

#[test]
fn a_case_is_followed_from_its_denial_to_the_signature() {
    let mut ledger = lived();
    let cases = |ledger: &Ledger| {
        let cases = ledger.read(|db| case::of_device(db, "d-9", 10));
        let scan = cases.into_iter().find(|case| case.want == "scan").unwrap();
        (scan.state.0, scan.step.0, scan.changed_at.0)
    };
    let (state, step, denied_at) = cases(&ledger);
    assert_eq!((state, step), (CaseState::Open, CaseStep::Denied));

    // Asking again for what is denied makes it no younger.
    ledger.ask(9, &[("scan", 1)]);
    assert_eq!(cases(&ledger), (state, step, denied_at));

    ledger.import(
        Kind::Orders,
        "system,order,ordered_at,sold_to,line,sku,quantity\nerp,O-4,2026-12-01,C-1,1,SUITE,1\n",
    );
    ledger.assign(9, "O-4/1/Q/subscription", |_| {});
    ledger.ask(9, &[("scan", 1)]);
    let now = ledger.now;
    let expected = (CaseState::Open, CaseStep::Published, now);
    assert_eq!(cases(&ledger), expected);
    ledger.acknowledge(9);
    assert_eq!(cases(&ledger).0, CaseState::Activated);
}
