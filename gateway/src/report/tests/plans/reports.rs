//! Reports of all there is, and of a product line.

use super::*;
use crate::report::delay::Cohort;
use crate::report::{expiring, operations, stuck};

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
    check(&[], Sorting::No, &|db| {
        order_to_activation(db, None, now, Cohort::default(), GroupBy::Product).map(drop)
    });
    // Shipments of a portion are put in order.
    check(&[], Sorting::MayBe, &|db| {
        shipment_to_activation(db, None, now, Cohort::default(), GroupBy::Product).map(drop)
    });
    // And the features of products.
    check(&[], Sorting::MayBe, &|db| {
        let query = ShareQuery {
            by: "platform".parse().unwrap(),
            ..ShareQuery::default()
        };
        share::read(db, now, &query).map(drop)
    });
    check(&[], Sorting::No, &|db| platforms(db, None).map(drop));
    check(&["activations", "entitlements"], Sorting::No, &|db| {
        usage::usage(db, None, now, GroupBy::Product).map(drop)
    });
    // Devices are counted by the index of their states, and units by theirs.
    check(&["activations", "devices"], Sorting::MayBe, &|db| {
        crate::report::activation::read(db, None, now, None, &jiff::tz::TimeZone::UTC).map(drop)
    });
}

/// A report of a product line finds by an index what is of it, and goes through nothing that grows.
#[test]
fn a_report_of_a_line_reads_what_is_of_the_line() {
    use crate::report::delay::{order_to_activation, shipment_to_activation};
    use crate::report::platform::platforms;
    use crate::report::share::{self, ShareQuery};
    use crate::report::{activation, usage, uses};
    let ledger = lived();
    let now = ledger.now;
    let line = ledger.read(|db| crate::store::product_line::by_name(db, "devices"));
    let line = line.map(|line| line.id.0);
    ledger.amend(
        Kind::Products,
        "product,title,product_line,feature\nP,Pump,devices,pump\n",
    );
    let check = |sorting, read: &dyn Fn(&mut Db) -> Result<(), StoreError>| {
        let found = faults(&ledger, &[], sorting, read);
        assert!(found.is_empty(), "{found:#?}");
    };
    check(Sorting::No, &|db| {
        order_to_activation(db, line, now, Cohort::default(), GroupBy::Product).map(drop)
    });
    check(Sorting::MayBe, &|db| {
        shipment_to_activation(db, line, now, Cohort::default(), GroupBy::Product).map(drop)
    });
    check(Sorting::MayBe, &|db| {
        let query = ShareQuery {
            by: "platform".parse().unwrap(),
            line,
            ..ShareQuery::default()
        };
        share::read(db, now, &query).map(drop)
    });
    check(Sorting::No, &|db| platforms(db, line).map(drop));
    check(Sorting::No, &|db| {
        usage::usage(db, line, now, GroupBy::Product).map(drop)
    });
    check(Sorting::No, &|db| {
        uses::read(db, line, now, GroupBy::Product).map(drop)
    });
    check(Sorting::MayBe, &|db| {
        operations::read(db, line, now, Cohort::default(), GroupBy::Product).map(drop)
    });
    check(Sorting::MayBe, &|db| {
        expiring::read(db, line, now, now.plus_seconds(400 * DAY)).map(drop)
    });
    check(Sorting::MayBe, &|db| {
        stuck::stuck(db, line, now, &stuck::Limits::default(), 100).map(drop)
    });
    for since in [None, Some(now.minus_seconds(DAY))] {
        check(Sorting::MayBe, &|db| {
            activation::read(db, line, now, since, &jiff::tz::TimeZone::UTC).map(drop)
        });
    }
}
