#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use jiff::tz::TimeZone;

use super::*;
use crate::import::{self, ImportOptions, ImportReport, Kind};
use crate::lifecycle::{Length, Renewal, Tried, renew};
use crate::policy_layers::{Named, Terms};
use crate::store::Store;
use crate::store::policy_override::Subject;
use crate::store::scratch::{self, Scratch};

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(instant.as_microsecond())
}

fn import(store: &Store, kind: Kind, text: &str, amend: bool) -> ImportReport {
    let options = ImportOptions {
        dry_run: false,
        amend,
        skip_bad: false,
        actor: "tester".to_owned(),
        now: at("2026-10-01T00:00:00Z"),
        product_lines: Vec::new(),
        time_zone: TimeZone::UTC,
        manufacturer: None,
    };
    let source = Cursor::new(text.as_bytes().to_vec());
    let report = import::run(kind, source, options, store).unwrap();
    assert!(report.committed, "{:?}", report.errors);
    report
}

const COLUMNS: &str =
    "system,entitlement,owner,product,model,units,starts_at,term,ends_at,start_basis,state\n";
const FIXED: &str = "erp,FIXED,C,P,subscription,2,2026-01-01,,2027-01-01,,active\n";

/// One that ends with 2026, one after half a year, one that each activation has an end of, one that is
/// on hold, and one for ever.
fn store(scratch: &Scratch) -> Store {
    let store = scratch.open();
    import(
        &store,
        Kind::Products,
        "product,title,feature\nP,Pump,pump\n",
        false,
    );
    import(
        &store,
        Kind::Parties,
        "system,party,name\nerp,C,Customer\n",
        false,
    );
    let rows = format!(
        "{COLUMNS}{FIXED}\
         erp,TERM,C,P,subscription,2,2026-06-01,P6M,,fixed,active\n\
         erp,EACH,C,P,subscription,2,,P1M,,each-activation,active\n\
         erp,HELD,C,P,subscription,2,2026-01-01,,2027-01-01,,hold\n\
         erp,EVER,C,P,perpetual,2,,,,,active\n"
    );
    import(&store, Kind::Entitlements, &rows, false);
    // Models that are shipped have a grace.
    scratch::write(&store, "UPDATE entitlements SET grace_seconds = 0").unwrap();
    store
}

fn find(db: &mut Db, reference: &str) -> Entitlement {
    entitlement::by_reference(db, "erp", reference)
        .unwrap()
        .unwrap()
}

/// Lets the upkeep look until there is nothing to look at by then.
fn pass(db: &mut Db, now: &str) {
    while expire_due(db, at(now), 2).unwrap() > 0 {}
}

fn expired(db: &mut Db) -> Vec<&'static str> {
    let all = ["FIXED", "TERM", "EACH", "HELD", "EVER"];
    let is_expired = |name: &&str| find(db, name).state.0 == EntitlementState::Expired;
    all.into_iter().filter(is_expired).collect()
}

fn told(db: &mut Db, reference: &str, kind: EventKind) -> usize {
    let id = find(db, reference).id.0;
    let events = event::of_stream(db, Stream::Entitlement(id)).unwrap();
    events.iter().filter(|event| event.kind.0 == kind).count()
}

fn with_store(test: impl Fn(&mut Db) + Send + 'static) {
    let scratch = Scratch::new();
    store(&scratch)
        .write_blocking("test", move |db| {
            test(db);
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_has_ended_is_expired_once_and_nothing_else() {
    with_store(|db| {
        pass(db, "2026-11-30T23:59:59Z");
        assert!(expired(db).is_empty());
        pass(db, "2026-12-01T00:00:00Z");
        assert_eq!(expired(db), ["TERM"]);
        pass(db, "2027-01-01T00:00:00Z");
        assert_eq!(expired(db), ["FIXED", "TERM"]);
        pass(db, "2099-01-01T00:00:00Z");
        assert_eq!(expired(db), ["FIXED", "TERM"]);
        assert_eq!(told(db, "FIXED", EventKind::EntitlementExpired), 1);
        let left = entitlement_look::due(db, at("2199-01-01T00:00:00Z"), 9).unwrap();
        assert!(left.is_empty(), "nobody looks again: {left:?}");
    });
}

#[test]
fn a_grace_of_the_policy_counts_and_is_looked_at_each_day() {
    with_store(|db| {
        let id = find(db, "FIXED").id.0;
        let occasion = Occasion {
            at: at("2026-12-01T00:00:00Z"),
            actor: "tester",
            cause: &[],
        };
        let subject = Subject::Entitlement(id);
        let own = |days| Named {
            reference: format!("R-{days}"),
            terms: Terms::parse(&format!(r#"{{"grace_days":{days}}}"#)).unwrap(),
        };
        policy_override::put_in_force(db, subject, &own(10), occasion).unwrap();
        pass(db, "2027-01-10T23:59:59Z");
        assert_eq!(expired(db), ["TERM"]);
        policy_override::put_in_force(db, subject, &own(12), occasion).unwrap();
        pass(db, "2027-01-12T00:00:00Z");
        assert_eq!(expired(db), ["TERM"]);
        pass(db, "2027-01-13T00:00:00Z");
        assert_eq!(expired(db), ["FIXED", "TERM"]);
    });
}

#[test]
fn a_renewal_brings_it_back_and_it_expires_anew() {
    with_store(|db| {
        pass(db, "2027-01-01T00:00:00Z");
        let occasion = Occasion {
            at: at("2027-02-01T00:00:00Z"),
            actor: "tester",
            cause: &[],
        };
        let renewal = Renewal {
            reference: "R-1".to_owned(),
            length: Length::Until(crate::when::When::Instant(at("2028-01-01T00:00:00Z"))),
        };
        let known = find(db, "FIXED");
        let renewed = renew::renew(db, &known, &renewal, occasion).unwrap();
        assert!(matches!(renewed, Tried::Done(_)), "{renewed:?}");
        pass(db, "2027-12-31T00:00:00Z");
        assert_eq!(expired(db), ["TERM"]);
        pass(db, "2028-01-01T00:00:00Z");
        assert_eq!(expired(db), ["FIXED", "TERM"]);
        assert_eq!(told(db, "FIXED", EventKind::EntitlementExpired), 2);
    });
}

#[test]
fn the_same_file_is_still_what_is_known_and_another_end_brings_it_back() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    let pass_until = |now: &'static str| {
        store
            .write_blocking("test", move |db| {
                pass(db, now);
                Ok(())
            })
            .unwrap();
    };
    let expired_now = || store.write_blocking("test", |db| Ok(expired(db))).unwrap();
    pass_until("2027-01-01T00:00:00Z");
    let again = import(
        &store,
        Kind::Entitlements,
        &format!("{COLUMNS}{FIXED}"),
        false,
    );
    assert_eq!(again.unchanged, 1, "{again:?}");
    let later = FIXED.replace("2027-01-01", "2029-01-01");
    import(
        &store,
        Kind::Entitlements,
        &format!("{COLUMNS}{later}"),
        true,
    );
    pass_until("2027-01-02T00:00:00Z");
    assert_eq!(expired_now(), ["TERM"]);
    pass_until("2029-01-01T00:00:00Z");
    assert_eq!(expired_now(), ["FIXED", "TERM"]);
}

/// A row for what may end as a whole, and for nothing else.
#[test]
fn only_what_has_an_end_is_looked_at() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    let rows = scratch::number(&store, "SELECT count(*) AS n FROM entitlement_looks");
    assert_eq!(rows, 2);
}
