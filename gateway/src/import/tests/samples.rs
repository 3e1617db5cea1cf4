//! The sample files: what is documented is what works.

use super::*;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/imports.md"));

#[test]
fn every_sample_imports_and_a_second_time_changes_nothing() {
    let fixture = Fixture::with_samples(Kind::Usage);
    let events = fixture.number("SELECT count(*) AS n FROM events");
    for kind in Kind::ALL {
        let again = fixture.import(kind, &sample(kind));
        assert!(again.committed);
        assert_eq!(again.unchanged, again.rows, "{kind:?}: {again:?}");
        assert!(again.codes.is_empty());
    }
    assert_eq!(fixture.number("SELECT count(*) AS n FROM events"), events);
}

#[test]
fn every_sample_shows_every_column_and_the_document_tells_of_it() {
    for kind in Kind::ALL {
        let sample = sample(kind);
        let header: Vec<_> = sample.lines().next().unwrap().split(',').collect();
        let columns: Vec<_> = kind.columns().iter().map(|column| column.name).collect();
        assert_eq!(header, columns, "{kind:?}");
        let heading = format!("\n## {}\n", kind.as_str());
        let (_, section) = DOCUMENT.split_once(&heading).unwrap();
        let section = section.split("\n## ").next().unwrap();
        for column in kind.columns() {
            let need = if column.required { "yes" } else { "" };
            let row = format!("| `{}` | {need} |", column.name);
            assert!(section.contains(&row), "{kind:?}: no line {row:?}");
        }
    }
}

#[test]
fn an_order_line_becomes_what_its_sku_gives() {
    let fixture = Fixture::with_samples(Kind::Orders);
    // Three products of the suite, three copies each.
    let suite = "FROM entitlements WHERE reference LIKE 'SO-5001/10/%'";
    assert_eq!(fixture.number(&format!("SELECT count(*) AS n {suite}")), 3);
    assert_eq!(
        fixture.number(&format!("SELECT CAST(sum(units) AS BIGINT) AS n {suite}")),
        9
    );
    // A fixed start without a date of its own is the order's, at midnight in Vienna.
    let base = "SELECT starts_at AS n FROM entitlements WHERE reference = 'SO-5001/10/PUMP-BASE/perpetual'";
    assert_eq!(fixture.number(base), instant("2026-08-31T22:00:00Z"));
    let own = "SELECT starts_at AS n FROM entitlements WHERE reference = 'SO-5002/10/PUMP-BASE/perpetual'";
    assert_eq!(fixture.number(own), instant("2026-10-01T05:00:00Z"));
    let value = "SELECT value_e4 AS n FROM order_lines WHERE line = '20'";
    assert_eq!(fixture.number(value), 18_005_000);
    // Each entitlement has a history that begins with its making.
    let histories = "SELECT count(*) AS n FROM events WHERE stream LIKE 'entitlement:%' AND seq = 1 AND kind = 108";
    assert_eq!(fixture.number(histories), 6);
}

#[test]
fn devices_are_bound_by_what_they_were_shipped_with() {
    let fixture = Fixture::with_samples(Kind::Manifest);
    let bound = "SELECT count(*) AS n FROM devices JOIN order_lines ON order_lines.id = devices.order_line_id \
                 WHERE devices.id IN ('pump-SN-0001', 'pump-SN-0002', 'pump-SN-0003') AND order_lines.line = '10'";
    assert_eq!(fixture.number(bound), 3);
    let owned = "SELECT count(*) AS n FROM devices JOIN party_external_ids e ON e.party_id = devices.owner_id \
                 WHERE (devices.serial, e.external_id) IN (('SN-0001', 'C-101'), ('SN-0004', 'C-200'))";
    assert_eq!(fixture.number(owned), 2);
    let expected = "SELECT count(*) AS n FROM devices WHERE on_manifest AND state = 1";
    assert_eq!(fixture.number(expected), 5);
}

#[test]
fn codes_leave_once_and_only_their_hash_stays() {
    let fixture = Fixture::with_samples(Kind::Entitlements);
    let dry = ImportOptions {
        dry_run: true,
        ..fixture.options.clone()
    };
    let source = Cursor::new(sample(Kind::Codes).into_bytes());
    let report = run(Kind::Codes, source, dry, &fixture.store).unwrap();
    assert_eq!((report.created, report.codes.len()), (1, 0));
    let report = fixture.import(Kind::Codes, &sample(Kind::Codes));
    assert_eq!(report.codes.len(), 10);
    for issued in &report.codes {
        let code = issued.code;
        let typed: fleetgrant_schemas::code::ActivationCode = code.to_string().parse().unwrap();
        let stored = fixture
            .store
            .read_blocking("code", move |db| {
                crate::store::activation_code::find(db, typed.id)
            })
            .unwrap()
            .unwrap();
        assert!(stored.hmac_key.0 == typed.key());
        assert_eq!((stored.units, stored.uses, stored.used), (1, 2, 0));
    }
}

fn instant(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}
