//! The commands that look at the ledger and change it.

mod devices;
mod entitlements;

use diesel::connection::SimpleConnection;
use fleetgrant::store::conversation::{self, Provenance};
use fleetgrant::store::{Db, Location, SchemaPolicy, Store, StoreOptions};
use fleetgrant_core::domain::{DeviceId, Timestamp};
use serde_json::Value;

use crate::folder::{Folder, REFUSED, USAGE};

/// Two owners with an entitlement of two units each, and three devices, of which the last has no
/// owner.
const ROWS: &str = r#"
    INSERT INTO parties (id, kind, name, time_zone, state, created_at, changed_at) VALUES
        (x'a1000000000000000000000000000000', 1, 'Acme Optics', 'UTC', 1, 0, 0),
        (x'a2000000000000000000000000000000', 1, '=Bright & Co', 'UTC', 1, 0, 0);
    INSERT INTO party_external_ids (system, external_id, party_id) VALUES
        ('crm', 'C-1', x'a1000000000000000000000000000000');
    INSERT INTO features (id, name, title, essential, state, created_at, changed_at) VALUES
        (x'f1000000000000000000000000000000', 'spectrum', 'Spectrum analysis', FALSE, 2, 0, 0);
    INSERT INTO products (id, code, title, state, created_at, changed_at) VALUES
        (x'b1000000000000000000000000000000', 'SPEC', 'Spectrum', 2, 0, 0);
    INSERT INTO product_features (product_id, feature_id) VALUES
        (x'b1000000000000000000000000000000', x'f1000000000000000000000000000000');
    INSERT INTO entitlements (id, system, reference, owner_id, product_id, license_model_id, state,
        source, purpose, scope, model_kind, model_rules, grace_seconds, unlimited, units,
        start_basis, starts_at, time_zone, created_at, changed_at)
    SELECT e.id, 'erp', e.reference, e.owner, x'b1000000000000000000000000000000', m.id, 2, 1, 1, 1,
        1, m.rules, 0, FALSE, 2, 1, 0, 'UTC', 0, 0
    FROM license_models AS m, (
        SELECT x'e1000000000000000000000000000000' AS id, 'O-1/10' AS reference,
            x'a1000000000000000000000000000000' AS owner
        UNION ALL SELECT x'e2000000000000000000000000000000', 'O-2/10',
            x'a2000000000000000000000000000000'
    ) AS e WHERE m.code = 'perpetual';
    INSERT INTO orders (id, system, reference, revision, ordered_at, sold_to_id, end_user_id, state,
        created_at, changed_at) VALUES
        (x'd1000000000000000000000000000000', 'erp', 'O-1', 1, 0,
            x'a1000000000000000000000000000000', x'a2000000000000000000000000000000', 1, 0, 0),
        (x'd2000000000000000000000000000000', 'erp', 'O-2', 3, 0,
            x'a2000000000000000000000000000000', x'a2000000000000000000000000000000', 2, 0, 0),
        (x'd3000000000000000000000000000000', 'web', 'O-2', 1, 0,
            x'a1000000000000000000000000000000', x'a1000000000000000000000000000000', 1, 0, 0);
    UPDATE devices SET owner_id = x'a1000000000000000000000000000000' WHERE id = 'sc-1';
    UPDATE devices SET owner_id = x'a2000000000000000000000000000000' WHERE id = 'sc-2';
"#;

fn installation() -> Folder {
    let folder = Folder::with_config(
        "realm = \"acme\"\n[authority]\nnot_before = \"2026-01-01T00:00:00Z\"\n\
         not_after = \"2027-01-01T00:00:00Z\"\n",
    );
    let options = StoreOptions {
        schema: SchemaPolicy::Migrate,
        ..StoreOptions::default()
    };
    let location = Location::Sqlite(folder.path().join("fleetgrant.db"));
    let store = Store::open_at(&location, options).unwrap();
    store
        .write_blocking("fixture", |db| {
            for serial in ["1", "2", "3"] {
                let id = DeviceId::new(&format!("sc-{serial}")).unwrap();
                let provenance = Provenance {
                    product_line: "scopes".to_owned(),
                    prefix: "sc".to_owned(),
                    serial: serial.to_owned(),
                };
                conversation::first_seen(db, &id, &provenance, Timestamp::from_seconds(0))?;
            }
            let Db::Sqlite(local) = db else {
                unreachable!("the location says SQLite");
            };
            Ok(local.connection.batch_execute(ROWS)?)
        })
        .unwrap();
    folder
}

fn json(folder: &Folder, args: &[&str]) -> Value {
    let mut args = args.to_vec();
    args.extend(["--output", "json"]);
    serde_json::from_str(&folder.run(&args).done().out).unwrap()
}

/// One field of each row.
fn column(rows: &Value, name: &str) -> Vec<String> {
    let rows = rows.as_array().unwrap();
    rows.iter()
        .map(|row| row[name].as_str().unwrap_or("null").to_owned())
        .collect()
}

#[test]
fn devices_are_listed_by_id_filtered_and_a_page_at_a_time() {
    let folder = installation();
    let devices = |args: &[&str]| {
        let args = [&["devices", "list"], args].concat();
        column(&json(&folder, &args), "device")
    };
    assert_eq!(devices(&[]), ["sc-1", "sc-2", "sc-3"]);
    assert_eq!(devices(&["--owner", "Acme Optics"]), ["sc-1"]);
    assert_eq!(devices(&["--owner", "C-1"]), ["sc-1"]);
    assert_eq!(devices(&["--state", "seen"]).len(), 3);
    assert!(devices(&["--state", "admitted"]).is_empty());
    assert_eq!(devices(&["--product-line", "scopes"]).len(), 3);
    assert!(devices(&["--product-line", "meters"]).is_empty());
    assert_eq!(devices(&["--after", "sc-1"]), ["sc-2", "sc-3"]);
    let first = folder
        .run(&["devices", "list", "--limit", "2", "--output", "csv"])
        .ends(0, &["go on with --after sc-2"]);
    assert_eq!(first.out.lines().count(), 3, "{first:?}");
    let last = folder.run(&["devices", "list", "--limit", "3"]).done();
    assert!(!last.err.contains("more follow"), "{last:?}");
}

#[test]
fn orders_are_listed_by_who_pays_or_uses_and_shown_by_reference() {
    let folder = installation();
    let orders = |args: &[&str]| {
        let args = [&["orders", "list"], args].concat();
        column(&json(&folder, &args), "reference")
    };
    assert_eq!(orders(&[]), ["O-1", "O-2", "O-2"]);
    assert_eq!(orders(&["--party", "C-1"]), ["O-1", "O-2"]);
    assert_eq!(orders(&["--state", "amended"]), ["O-2"]);
    assert_eq!(orders(&["--system", "web"]), ["O-2"]);
    folder.run(&["orders", "show", "O-1"]).done().shows(&[
        "Acme Optics",
        "=Bright & Co",
        "1970-01-01",
    ]);
    folder
        .run(&["orders", "show", "O-2"])
        .ends(REFUSED, &["several systems", "--system"]);
    let order = json(&folder, &["orders", "show", "O-2", "--system", "erp"]);
    assert_eq!(order["revision"], 3);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = installation();
    folder
        .run(&["devices", "list", "--owner", "Nobody"])
        .ends(REFUSED, &["no party has the name", "Nobody"]);
    folder
        .run(&["devices", "show", "sc-9"])
        .ends(REFUSED, &["there is no device sc-9"]);
    folder
        .run(&["devices", "list", "--state", "admited"])
        .ends(USAGE, &["admited", "admitted"]);
    folder
        .run(&["entitlements", "show", "O-9/10"])
        .ends(REFUSED, &["there is no entitlement"]);
    folder
        .run(&["activations", "cancel", "0123"])
        .ends(USAGE, &["32 hexadecimal digits"]);
    folder
        .run(&["activations", "cancel", &"0".repeat(32)])
        .ends(REFUSED, &["there is no activation"]);
}

#[test]
fn a_spreadsheet_does_not_run_what_a_customer_is_called() {
    installation()
        .run(&["entitlements", "list", "--output", "csv"])
        .done()
        .shows(&["Acme Optics,", "'=Bright & Co,"]);
}
