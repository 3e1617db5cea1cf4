//! Everything again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use fleetgrant::identity::AdmissionMode;
use fleetgrant::quickstart::fleet::{self, Fleet, Run};
use fleetgrant::store::{Store, StoreOptions};
use fleetgrant_core::event::EventKind;

use crate::ledger::{Row, Rows, Tables, tables};
use crate::site::{Site, until};

const DEVICES: usize = 100;

fn serials() -> impl Iterator<Item = String> {
    (1..=DEVICES).map(|n| format!("R-{n:03}"))
}

/// What a back office has of an order for all devices.
fn files() -> Vec<(&'static str, String)> {
    let serials: Vec<_> = serials().collect();
    let shipped = serials.join(";");
    let mut manifest = "serial,hwmodel,system,order,line,batch\n".to_owned();
    for serial in &serials {
        writeln!(manifest, "{serial},mk2,erp,SO-1,10,B-1").unwrap();
    }
    vec![
        (
            "products",
            "product,title,feature\nPUMP,Pump,turbo\nPUMP,Pump,remote\n".to_owned(),
        ),
        (
            "skus",
            "sku,title,product,model,term,start_basis\n\
             TURBO,Turbo for a year,PUMP,subscription,P1Y,first-activation\n"
                .to_owned(),
        ),
        (
            "parties",
            "system,party,name\nerp,C-1,Customer\n".to_owned(),
        ),
        (
            "orders",
            format!(
                "system,order,ordered_at,sold_to,line,sku,quantity\n\
                 erp,SO-1,2026-01-10,C-1,10,TURBO,{DEVICES}\n"
            ),
        ),
        (
            "shipments",
            format!(
                "system,shipment,order,line,quantity,shipped_at,serials\n\
                 erp,D-1,SO-1,10,{DEVICES},2026-01-12,{shipped}\n"
            ),
        ),
        ("manifest", manifest),
    ]
}

fn run_devices(site: &Site) {
    let fleet = Fleet::new(&site.installation, &["turbo", "remote"]).unwrap();
    let device = |serial: String| fleet.device(&site.installation, &serial).unwrap();
    let devices = serials().map(device).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let runs = runtime.block_on(fleet::run(devices, |_, _| {}));
    let failed: Vec<_> = runs
        .iter()
        .filter(|(_, run)| *run != Run::Acknowledged)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Waits until the last acknowledgements are recorded.
fn settled(store: &Store) -> Tables {
    let mut found = Tables::new();
    until("every device has acknowledged its last set", || {
        found = tables(store);
        found["conversations"]
            .iter()
            .all(|row| row["acked_generation"] == row["generation"])
    });
    found
}

/// What may differ: how the conversation with a device stands, which began anew, and how often and
/// at what time the device says that it has started.
const MAY_CHANGE: [(&str, &[&str]); 1] = [(
    "conversations",
    &[
        "acked_at",
        "acked_cti",
        "acked_generation",
        "boot_count",
        "generation",
        "last_answer",
        "last_contact_at",
        "last_digest",
        "last_seq",
        "memory",
        "said_clock_at",
    ],
)];

/// What each device's request, its answer and the signature for it add to the history.
const MAY_HAPPEN: [EventKind; 3] = [
    EventKind::Served,
    EventKind::SetIssued,
    EventKind::Acknowledged,
];

fn without_what_may_change(table: &str, rows: &Rows) -> Rows {
    let columns = MAY_CHANGE.iter().find(|(of, _)| *of == table);
    let columns = columns.map_or(&[][..], |(_, columns)| columns);
    let strip = |row: &Row| {
        let mut row = row.clone();
        row.retain(|column, _| !columns.contains(&column.as_str()));
        row
    };
    rows.iter().map(strip).collect()
}

/// What is new in a table; everything that was there must be there still.
fn added(table: &str, before: &Tables, after: &Tables) -> Rows {
    let [before, after] =
        [before, after].map(|tables| without_what_may_change(table, &tables[table]));
    let gone: Vec<_> = before.difference(&after).collect();
    assert!(gone.is_empty(), "{table}: {gone:#?}");
    after.difference(&before).cloned().collect()
}

/// How often each value of a column occurs.
fn counted(rows: &Rows, column: &str) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for row in rows {
        *counted.entry(row[column].clone()).or_default() += 1;
    }
    counted
}

/// Each device's activations as its sets name them.
fn named(sets: &Rows) -> BTreeSet<[&String; 2]> {
    sets.iter()
        .map(|row| ["device_id", "activation_ids"].map(|column| &row[column]))
        .collect()
}

#[test]
fn every_import_and_every_device_again_changes_nothing() {
    let site = Site::new(AdmissionMode::Manifest);
    let store =
        Store::open_at(&site.installation.config.database, StoreOptions::default()).unwrap();
    for (kind, csv) in files() {
        let report = site.import(kind, &csv);
        assert_eq!(report["created"], report["rows"], "{report}");
    }
    run_devices(&site);
    let before = settled(&store);
    assert_eq!(before["activations"].len(), DEVICES);

    for (kind, csv) in files() {
        let report = site.import(kind, &csv);
        assert_eq!(report["unchanged"], report["rows"], "{report}");
    }
    run_devices(&site);
    let after = settled(&store);
    for table in before.keys() {
        let new = added(table, &before, &after);
        match table.as_str() {
            // Each file was read again, and nothing came of it.
            "import_runs" => assert_eq!(counted(&new, "created"), [("0".to_owned(), 6)].into()),
            "events" => {
                let kinds = MAY_HAPPEN.map(|kind| (kind.number().to_string(), DEVICES));
                assert_eq!(counted(&new, "kind"), kinds.into());
            }
            // Each device got its answer, a set with what it has.
            "grant_sets" => {
                assert_eq!(new.len(), DEVICES);
                assert_eq!(named(&new), named(&before[table]));
            }
            _ => assert!(new.is_empty(), "{table}: {new:#?}"),
        }
    }
}
