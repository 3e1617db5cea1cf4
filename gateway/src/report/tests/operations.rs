//! What was done with what was sold, how often it was used, and what of it ends soon.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use fleetgrant_core::ask::Reason;
use fleetgrant_core::domain::KeyThumbprint;

use super::hand::Told;
use super::*;
use crate::report::delay::Cohort;
use crate::report::operations::{self, OperationsReport};
use crate::report::{expiring, uses};
use crate::store::listing::{Part, Sort};

/// Two customers who return, move, borrow, overdraw and count.
fn worked() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.import(
        Kind::Models,
        "model,kind,uses,uses_overdraft_percent\npay,metered,10,20\n",
    );
    ledger.import(
        Kind::Products,
        "product,title,feature\nP,Pump,pump\nR,Count,count\nS,Net,net\nT,Try,try\n",
    );
    ledger.import(
        Kind::Parties,
        "system,party,name,tier\nerp,C-1,Acme,strategic\nerp,C-2,Bright,volume\n",
    );
    ledger.import(
        Kind::Entitlements,
        "system,entitlement,owner,product,model,units,overdraft,source,term\n\
         erp,PUMPS,C-1,P,perpetual,4,0,goodwill,\n\
         erp,NETS,C-1,S,subscription,1,1,goodwill,P1Y\n\
         erp,TRIES,C-1,T,evaluation,5,0,trial,P20D\n\
         erp,COUNTS,C-2,R,pay,1,0,goodwill,\n",
    );
    let mut manifest = "serial,system,owner\n".to_owned();
    for (serial, owner) in (1..).zip([1, 1, 1, 1, 1, 1, 2]) {
        manifest.push_str(&format!("{serial},erp,C-{owner}\n"));
    }
    ledger.import(Kind::Manifest, &manifest);
    ledger.activate(1, &[("pump", 1), ("net", 1)]);
    ledger.activate(2, &[("pump", 1), ("net", 1)]);
    ledger.wait(HOUR);
    ledger.give_back(1, &[("pump", 0), ("net", 1)]);
    ledger.activate(1, &[]);
    for device in [3, 4, 5] {
        ledger.activate(device, &[("pump", 1)]);
        ledger.activate(device, &[("pump", 1)]);
    }
    ledger.wait(DAY);
    // All four are in use.
    ledger.ask_for(Reason::Temporary, 6, &[("pump", 1)]);
    ledger.acknowledge(6);
    ledger.lose_number(2);
    ledger.activate(3, &[("try", 1)]);
    // It asks and never signs.
    ledger.ask(4, &[("try", 1)]);
    ledger.activate(7, &[("count", 1)]);
    let counted = activation_on(&ledger, 7);
    for total in [4, 9, 13] {
        ledger.uses(7, counted, total);
        ledger.activate(7, &[]);
        ledger.wait(DAY);
    }
    ledger.ask(6, &[("nothing", 1)]);
    // The office names the key of the new board when it learns it.
    for key in [None, Some(9)] {
        ledger.repair(2, key.map(|n| KeyThumbprint([n; 32])));
    }
    ledger.revoke_key(4);
    ledger
}

fn operations(ledger: &Ledger, interval: Cohort) -> OperationsReport {
    let now = ledger.now;
    ledger.read(move |db| operations::read(db, None, now, interval, GroupBy::Owner))
}

fn units<'a>(events: impl Iterator<Item = &'a Told>) -> u64 {
    events.map(|event| event.number("units")).sum()
}

#[test]
fn operations_are_the_count_by_hand() {
    let ledger = worked();
    let (report, events) = (operations(&ledger, Cohort::default()), history(&ledger));
    let all = report.groups.last().unwrap();
    let of = |kind: &'static str| events.iter().filter(move |event| event.kind == kind);
    let quota = |name: &'static str| {
        units(of("quota-used").filter(move |event| event.text("quota") == name))
    };
    let returned = units(of("removed").filter(|event| event.text("reason") == "return"));
    assert_eq!((all.returned, returned), (1, 1));
    assert_eq!((all.rehosted, quota("rehost")), (1, 1));
    assert_eq!((all.temporary, quota("temporary")), (1, 1));
    assert_eq!(
        (all.rehosted_unconfirmed, quota("rehost-unconfirmed")),
        (0, 0)
    );

    let sold = hand::sold(&events);
    let mut holding = BTreeMap::<String, u64>::new();
    let rights = hand::rights(&events);
    let is_temporary = |id: &str| {
        let mut published = of("published").filter(|event| event.text("activation") == id);
        published.any(|event| event.text("kind") == "temporary")
    };
    for (id, right) in &rights {
        let holds = [
            "reserved",
            "published",
            "activated",
            "suspended",
            "removing",
        ];
        if holds.contains(&&*right.state) && !is_temporary(id) {
            *holding.entry(right.entitlement.clone()).or_default() += right.units;
        }
    }
    let beyond = holding
        .iter()
        .map(|(id, held)| held.saturating_sub(sold[id].units));
    let overdrawn: Vec<_> = beyond.filter(|units| *units > 0).collect();
    assert_eq!(all.overdrawn, overdrawn.len() as u64);
    assert_eq!((all.overdraft, overdrawn.iter().sum::<u64>()), (1, 1));

    let mut resyncs = BTreeMap::<String, u64>::new();
    for event in of("resynced") {
        *resyncs.entry(event.text("class").to_owned()).or_default() += 1;
    }
    assert_eq!(report.resyncs, resyncs);
    assert_eq!(resyncs.values().sum::<u64>(), 1);
    assert_eq!(
        report.clones_suspected,
        of("clone-suspected").count() as u64
    );
    assert_eq!(report.rolled_back, of("rolled-back").count() as u64);
    assert_eq!(of("device-repaired").count(), 2);
    assert_eq!((report.repairs, report.keys_revoked), (1, 1));
    assert_eq!(report.groups[0].group, "Acme");
    assert_eq!(report.groups[0].returned, 1);
}

#[test]
fn success_is_the_count_by_hand_of_what_was_asked_a_day_ago() {
    let ledger = worked();
    let success = operations(&ledger, Cohort::default()).success;
    // What is wanted waits from its first grant or denial until the device signs.
    let mut open = BTreeMap::<(String, String), f64>::new();
    let (mut opened, mut activated) = (0, 0);
    let now = seconds(&ledger);
    let events = history(&ledger);
    for event in &events {
        let Some(device) = event.device() else {
            continue;
        };
        // A return that is granted waits for nobody.
        let is_want = matches!(&*event.kind, "published" | "denied");
        let feature = event.text("feature");
        if is_want && !feature.is_empty() {
            let want = (
                device.to_owned(),
                format!("{}/{feature}", event.text("kind")),
            );
            if let Entry::Vacant(entry) = open.entry(want) {
                entry.insert(event.at);
                opened += u64::from(event.at + 86_400.0 <= now);
            }
        }
        if event.kind == "acknowledged" {
            open.retain(|(of, _), at| {
                let signs = of == device;
                let in_time = event.at <= *at + 86_400.0 && *at + 86_400.0 <= now;
                activated += u64::from(signs && in_time);
                !signs
            });
        }
    }
    assert_eq!((success.opened, success.activated), (opened, activated));
    // One never signed for its trial; what was just denied is too young to count.
    assert_eq!(opened, activated + 1);
    assert_eq!(success.share, Some(activated as f64 / opened as f64));
}

#[test]
fn an_interval_has_what_happened_in_it() {
    let ledger = worked();
    let events = history(&ledger);
    let at = events
        .iter()
        .find(|event| event.kind == "quota-used")
        .unwrap();
    let at = Timestamp::from_micros((at.at * 1e6) as i64);
    let moved = |since, until| {
        let report = operations(&ledger, Cohort { since, until });
        report.groups.last().unwrap().rehosted
    };
    assert_eq!((moved(Some(at), None), moved(None, Some(at))), (1, 0));
}

#[test]
fn uses_are_the_count_by_hand() {
    let ledger = worked();
    let (now, events) = (ledger.now, history(&ledger));
    let report = ledger.read(move |db| uses::read(db, None, now, GroupBy::Product));
    let by_hand: u64 = events
        .iter()
        .filter(|event| event.kind == "usage-reported")
        .map(|event| event.number("uses"))
        .sum();
    let counts = &report.groups[0];
    assert_eq!((&*counts.group, counts.uses, by_hand), ("R", 13, 13));
    // Ten uses a unit, two more are tolerated.
    assert_eq!((counts.allowed, counts.beyond), (10, 3));
    assert_eq!((counts.overdrawn, counts.spent), (1, 1));
}

/// What devices are told a right is decides nothing: its rules say whether it is metered.
#[test]
fn what_is_metered_by_its_rules_is_reported_before_it_was_ever_used() {
    let ledger = worked();
    let of = |group: &str| {
        let (now, group) = (ledger.now, group.to_owned());
        let report = ledger.read(move |db| uses::read(db, None, now, GroupBy::Model));
        report.groups.into_iter().find(|uses| uses.group == group)
    };
    assert_eq!(of("rented"), None);
    ledger.import(
        Kind::Models,
        "model,kind,metered,counted,returns_credit,rehost,uses\nrented,subscription,true,true,false,false,7\n",
    );
    ledger.import(
        Kind::Entitlements,
        "system,entitlement,product,model,units,term\nerp,rented-1,R,rented,3,P1Y\n",
    );
    let rented = of("rented").expect("it is not reported");
    // A feature of the product says ten a unit.
    assert_eq!((rented.entitlements, rented.uses), (1, 0));
    assert!(rented.allowed >= 21, "{rented:?}");
}

#[test]
fn what_ends_soon_is_what_devices_were_told() {
    let ledger = worked();
    let events = history(&ledger);
    for days in [10, 30, 400] {
        let until = ledger.now.plus_seconds(days * DAY);
        let now = ledger.now;
        let soon = ledger.read(move |db| expiring::read(db, None, now, until));
        for descending in [false, true] {
            let mut whole = soon.clone();
            if descending {
                whole.reverse();
            }
            assert_eq!(
                page_by_page(&ledger, now..until, descending),
                whole,
                "{days}"
            );
        }
        let by_hand: BTreeSet<_> = events
            .iter()
            .filter(|event| event.kind == "published" && event.text("kind") == "normal")
            .filter(|event| {
                let end = event.number("end");
                (now.seconds()..until.seconds()).contains(&end)
            })
            .map(|event| event.text("entitlement").to_owned())
            .collect();
        let reported: BTreeSet<_> = soon
            .iter()
            .map(|expiring| ledger.entitlement(&expiring.entitlement).to_string())
            .collect();
        assert_eq!(reported, by_hand, "{days}");
        let mut ends: Vec<_> = soon.iter().map(|expiring| expiring.ends_at).collect();
        ends.sort();
        assert_eq!(ends, soon.iter().map(|e| e.ends_at).collect::<Vec<_>>());
    }
    let until = ledger.now.plus_seconds(30 * DAY);
    let now = ledger.now;
    let soon = ledger.read(move |db| expiring::read(db, None, now, until));
    // Two devices have a trial.
    assert_eq!((soon[0].units, soon[0].in_use), (Some(2), 2));
}

/// What ends then, one at a time.
fn page_by_page(
    ledger: &Ledger,
    then: std::ops::Range<Timestamp>,
    descending: bool,
) -> Vec<expiring::Expiring> {
    let by = expiring::ExpiringSort::EndsAt;
    let mut part = Part::new(Sort { by, descending }, None).unwrap();
    let mut all = Vec::new();
    loop {
        let (then, from) = (then.clone(), part.clone());
        let mut page = ledger.read(move |db| expiring::page(db, None, &then, &from, 1));
        page.truncate(1);
        let Some(next) = page.pop() else {
            return all;
        };
        part = part.going_on(&next);
        all.push(next);
    }
}
