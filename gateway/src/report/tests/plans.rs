//! Every list, and every report that is not of all there is, has the index it needs: SQLite says how
//! it would find the rows, and no table that grows with the fleet may be gone through for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use diesel::Connection as _;
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use diesel::sql_types::Text;
use fleetgrant_core::domain::{
    ActivationState, DeviceState, EntitlementId, EntitlementState, OrderState, PartyId,
};
use fleetgrant_core::event::EventKind;

use super::*;
use crate::report::delay::Cohort;
use crate::report::history::{self, HistoryFilter};
use crate::report::{expiring, operations, stuck};
use crate::store::{Db, StoreError};

/// What grows with the fleet.
const GROWING: [&str; 12] = [
    "activations",
    "cases",
    "conversations",
    "deliveries",
    "devices",
    "entitlements",
    "events",
    "grant_sets",
    "order_lines",
    "orders",
    "shipment_serials",
    "shipments",
];

/// Partial indices of what is few.
const FEW: [&str; 5] = [
    "activations_aside",
    "case_open_is_unique",
    "deliveries_due",
    "deliveries_exhausted",
    "entitlements_that_start_on_each",
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
    let mut db = ledger.connect();
    let Db::Sqlite(connection) = &mut db else {
        println!("skipped on PostgreSQL, which plans by what it has counted");
        return Vec::new();
    };
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&seen);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let sql = text.split(" -- binds").next().unwrap().trim().to_owned();
            noted.lock().unwrap().insert(sql);
        }
    });
    read(&mut db).unwrap();
    let Db::Sqlite(connection) = &mut db else {
        unreachable!("it was a moment ago")
    };
    connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let statements = seen.lock().unwrap().clone();
    assert!(!statements.is_empty());
    let mut faults = Vec::new();
    for sql in statements.iter().filter(|sql| sql.starts_with("SELECT")) {
        let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
            .load(connection)
            .unwrap();
        for Step { detail } in steps {
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
    }
    faults
}

#[test]
fn a_page_of_a_list_reads_no_more_than_the_page() {
    use listing::{ActivationFilter, DeviceFilter, EntitlementFilter, OrderFilter};
    let ledger = lived();
    let party = || Some(vec![PartyId([1; 16])]);
    let check = |read: &dyn Fn(&mut Db) -> Result<(), StoreError>| {
        let found = faults(&ledger, &[], Sorting::No, read);
        assert!(found.is_empty(), "{found:#?}");
    };
    let activations = |filter: ActivationFilter| {
        check(&move |db| listing::activations(db, &filter, 101).map(drop));
    };
    activations(ActivationFilter {
        device: Some(DeviceId::new("d-1").unwrap()),
        state: Some(ActivationState::Orphaned),
        ..ActivationFilter::default()
    });
    for state in [ActivationState::Suspended, ActivationState::Reserved] {
        activations(ActivationFilter {
            state: Some(state),
            ..ActivationFilter::default()
        });
    }
    activations(ActivationFilter {
        entitlement: Some(EntitlementId([1; 16])),
        ..ActivationFilter::default()
    });
    let devices =
        |filter: DeviceFilter| check(&move |db| listing::devices(db, &filter, 101).map(drop));
    devices(DeviceFilter {
        state: Some(DeviceState::Quarantined),
        ..DeviceFilter::default()
    });
    devices(DeviceFilter {
        owners: party(),
        ..DeviceFilter::default()
    });
    devices(DeviceFilter {
        product_line: Some("devices".to_owned()),
        ..DeviceFilter::default()
    });
    let entitlements = |filter: EntitlementFilter| {
        check(&move |db| listing::entitlements(db, &filter, 101).map(drop));
    };
    entitlements(EntitlementFilter {
        state: Some(EntitlementState::Suspended),
        ..EntitlementFilter::default()
    });
    entitlements(EntitlementFilter {
        reference: Some("x".to_owned()),
        ..EntitlementFilter::default()
    });
    entitlements(EntitlementFilter {
        product: Some("P".to_owned()),
        ..EntitlementFilter::default()
    });
    let orders =
        |filter: OrderFilter| check(&move |db| listing::orders(db, &filter, 101).map(drop));
    orders(OrderFilter {
        state: Some(OrderState::Cancelled),
        ..OrderFilter::default()
    });
    orders(OrderFilter {
        reference: Some("x".to_owned()),
        ..OrderFilter::default()
    });
    check(&|db| {
        let filter = HistoryFilter {
            kinds: vec![EventKind::Orphaned],
            ..HistoryFilter::default()
        };
        history::page(db, &filter, 1, 101).map(drop)
    });
}

#[test]
fn what_is_of_one_thing_or_few_is_found_by_an_index() {
    use listing::{ActivationFilter, CaseFilter, EntitlementFilter, OrderFilter};
    let ledger = lived();
    let party = || Some(vec![PartyId([1; 16])]);
    let check = |allowed: &[&str], read: &dyn Fn(&mut Db) -> Result<(), StoreError>| {
        let found = faults(&ledger, allowed, Sorting::MayBe, read);
        assert!(found.is_empty(), "{found:#?}");
    };
    check(&[], &|db| {
        let filter = ActivationFilter {
            owners: party(),
            ..ActivationFilter::default()
        };
        listing::activations(db, &filter, 101).map(drop)
    });
    check(&[], &|db| {
        let filter = EntitlementFilter {
            owners: party(),
            ..EntitlementFilter::default()
        };
        listing::entitlements(db, &filter, 101).map(drop)
    });
    check(&[], &|db| {
        let filter = OrderFilter {
            parties: party(),
            ..OrderFilter::default()
        };
        listing::orders(db, &filter, 101).map(drop)
    });
    check(&[], &|db| {
        let filter = CaseFilter {
            device: Some(DeviceId::new("d-1").unwrap()),
            ..CaseFilter::default()
        };
        listing::cases(db, &filter, 101).map(drop)
    });
    check(&[], &|db| listing::parties_called(db, "x").map(drop));
    check(&[], &|db| {
        expiring::read(db, ledger.now, ledger.now.plus_seconds(400 * DAY)).map(drop)
    });
    check(&[], &|db| {
        stuck::stuck(db, ledger.now, &stuck::Limits::default(), 100).map(drop)
    });
    // Its groups are of all that was sold.
    check(&["entitlements"], &|db| {
        operations::read(db, ledger.now, Cohort::default(), GroupBy::Product).map(drop)
    });
}

/// Reports of all there is read it in the order of an index, a portion at a time, and sort nothing
/// that grows: what they hold does not grow with the ledger.
#[test]
fn a_report_of_everything_goes_through_it_once_and_in_order() {
    use crate::report::delay::{order_to_activation, shipment_to_activation};
    use crate::report::platform::platforms;
    use crate::report::share::{self, ShareQuery};
    use crate::report::usage;
    let ledger = lived();
    let now = ledger.now;
    let check = |allowed: &[&str], sorting, read: &dyn Fn(&mut Db) -> Result<(), StoreError>| {
        let found = faults(&ledger, allowed, sorting, read);
        assert!(found.is_empty(), "{found:#?}");
    };
    // What was moved is looked for among all activations, which are read as they lie.
    check(&["activations"], Sorting::No, &|db| {
        order_to_activation(db, now, Cohort::default(), GroupBy::Product).map(drop)
    });
    // Shipments of a portion are put in order.
    check(&["activations"], Sorting::MayBe, &|db| {
        shipment_to_activation(db, now, Cohort::default(), GroupBy::Product).map(drop)
    });
    // And the features of products.
    check(&["activations"], Sorting::MayBe, &|db| {
        let query = ShareQuery {
            by: "platform".parse().unwrap(),
            ..ShareQuery::default()
        };
        share::read(db, now, &query).map(drop)
    });
    check(&[], Sorting::No, &|db| platforms(db).map(drop));
    check(&["activations", "entitlements"], Sorting::No, &|db| {
        usage::usage(db, now, GroupBy::Product).map(drop)
    });
    // Devices are counted by the index of their states, and units by theirs.
    check(&["activations", "devices"], Sorting::MayBe, &|db| {
        crate::report::activation::read(db, now, None, &jiff::tz::TimeZone::UTC).map(drop)
    });
}

/// The test can fail: what has no index is found.
#[test]
fn a_table_that_is_gone_through_is_found() {
    let ledger = lived();
    let found = faults(&ledger, &[], Sorting::No, |db| {
        let filter = listing::ActivationFilter {
            state: Some(ActivationState::Published),
            after: None,
            ..listing::ActivationFilter::default()
        };
        listing::activations(db, &filter, 101).map(drop)
    });
    let is_postgres = crate::store::scratch::is_postgres();
    assert_eq!(found.is_empty(), is_postgres, "{found:#?}");
}
