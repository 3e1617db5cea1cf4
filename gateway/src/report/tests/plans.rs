//! Every list, and every report that is not of all there is, has the index it needs: SQLite says how
//! it would find the rows, and no table that grows with the fleet may be gone through for it.

mod lists;
mod reports;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use diesel::Connection as _;
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use diesel::sql_types::Text;
use fleetgrant_core::domain::ActivationState;

use super::*;
use crate::store::{Db, StoreError};

/// What grows with the fleet.
const GROWING: [&str; 16] = [
    "activations",
    "campaign_devices",
    "cases",
    "contracts",
    "conversations",
    "devices",
    "entitlements",
    "events",
    "grant_sets",
    "order_lines",
    "orders",
    "parties",
    "runs",
    "shipment_serials",
    "shipments",
    "webhook_deliveries",
];

/// Partial indices of what is few.
const FEW: [&str; 6] = [
    "activations_aside",
    "activations_moved",
    "case_open_is_unique",
    "entitlements_that_start_on_each",
    "grant_sets_due",
    "grant_sets_exhausted",
];

/// Whether rows may be put in order after they were found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sorting {
    /// They are those of one device, one party or one report.
    MayBe,
    /// They come in the order of the index, so that a page is read and no more.
    No,
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// What is wrong with how the statements of a read find their rows.
fn faults(
    ledger: &Ledger,
    allowed: &[&str],
    sorting: Sorting,
    read: impl FnOnce(&mut Db) -> Result<(), StoreError>,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (sql, detail) in steps(ledger, read) {
        let goes_through = detail.strip_prefix("SCAN ").is_some_and(|what| {
            let table = what.split(' ').next().unwrap_or_default();
            let is_few = FEW.iter().any(|index| what.contains(index));
            GROWING.contains(&table) && !allowed.contains(&table) && !is_few
        });
        let sorts = sorting == Sorting::No && detail.contains("TEMP B-TREE");
        if goes_through || sorts {
            faults.push(format!("{detail}: {sql}"));
        }
    }
    faults
}

/// How the statements of a read find their rows, step by step; none on PostgreSQL.
fn steps(
    ledger: &Ledger,
    read: impl FnOnce(&mut Db) -> Result<(), StoreError>,
) -> Vec<(String, String)> {
    let mut db = ledger.connect();
    let Db::Sqlite(local) = &mut db else {
        println!("skipped on PostgreSQL, which plans by what it has counted");
        return Vec::new();
    };
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&seen);
    local
        .connection
        .set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                let sql = text.split(" -- binds").next().unwrap().trim().to_owned();
                noted.lock().unwrap().insert(sql);
            }
        });
    read(&mut db).unwrap();
    let Db::Sqlite(local) = &mut db else {
        unreachable!("it was a moment ago")
    };
    let connection = &mut local.connection;
    connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let statements = seen.lock().unwrap().clone();
    assert!(!statements.is_empty());
    let mut all = Vec::new();
    // What is of none of no things is looked up nowhere.
    let is_of_some = |sql: &&String| sql.starts_with("SELECT") && !sql.ends_with("WHERE (1=0)");
    for sql in statements.iter().filter(is_of_some) {
        let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
            .load(connection)
            .unwrap();
        all.extend(steps.into_iter().map(|step| (sql.clone(), step.detail)));
    }
    all
}

/// The test can fail: what has no index is found.
#[test]
fn a_table_that_is_gone_through_is_found() {
    let ledger = lived();
    let found = faults(&ledger, &[], Sorting::No, |db| {
        let filter = listing::ActivationFilter {
            state: Some(ActivationState::Published),
            ..listing::ActivationFilter::default()
        };
        listing::activations(db, &filter, 101).map(drop)
    });
    let is_postgres = crate::store::scratch::is_postgres();
    assert_eq!(found.is_empty(), is_postgres, "{found:#?}");
}
