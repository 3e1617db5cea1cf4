//! Imports, from the samples that the documentation shows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::folder::{Folder, REFUSED, UNAVAILABLE, USAGE};

fn sample(kind: &str) -> String {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/samples/imports");
    samples.join(format!("{kind}.csv")).display().to_string()
}

fn installation() -> Folder {
    let anchor = "realm = \"acme\"\n[[trust_anchor]]\nname = \"factory\"\nproduct_line = \"pumps\"\n\
                  id_prefix = \"pu\"\nidentity = \"san.hwModuleName\"\nadmission = \"manifest\"\n\
                  roots = [\"root.pem\"]\n[authority]\nnot_before = \"2026-01-01T00:00:00Z\"\n\
                  not_after = \"2027-01-01T00:00:00Z\"\n";
    let folder = Folder::with_config(anchor);
    folder.run(&["migrate"]).done();
    folder
}

fn import_samples(folder: &Folder, kinds: &[&str]) {
    for kind in kinds {
        folder.run(&["import", kind, &sample(kind)]).done();
    }
}

fn report(folder: &Folder, args: &[&str]) -> Value {
    let args = [args, &["--output", "json"]].concat();
    serde_json::from_str(&folder.run(&args).out).unwrap()
}

const KINDS: [&str; 7] = [
    "products",
    "skus",
    "parties",
    "orders",
    "shipments",
    "manifest",
    "entitlements",
];

#[test]
fn the_samples_import_in_order_and_again_change_nothing() {
    let folder = installation();
    import_samples(&folder, &KINDS);
    for kind in KINDS {
        let again = report(&folder, &["import", kind, &sample(kind)]);
        assert_eq!(again["created"], 0, "{again}");
        assert_eq!(again["unchanged"], again["rows"], "{again}");
        assert_ne!(again["rows"], 0, "{again}");
    }
    let order = report(&folder, &["orders", "show", "SO-5001"]);
    assert_eq!(order["sold_to"], "Medical Devices Trading");
    assert_eq!(order["lines"][0]["sku"], "4711-SUITE");
    assert_eq!(order["lines"][0]["value"], "10500.00 EUR");
    assert_eq!(order["lines"][0]["shipped"], 3);
    assert_eq!(order["lines"][0]["activated"], 0);
    let devices = report(&folder, &["devices", "list", "--state", "expected"]);
    assert_eq!(devices.as_array().unwrap().len(), 5);
    assert_eq!(devices[0]["device"], "pu-SN-0001");
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let folder = installation();
    let told = report(
        &folder,
        &["import", "products", &sample("products"), "--dry-run"],
    );
    assert_eq!(told["imported"], false);
    assert_ne!(told["created"], 0);
    let real = report(&folder, &["import", "products", &sample("products")]);
    assert_eq!(real["created"], told["created"]);
    assert_eq!(real["imported"], true);
}

/// The sample of `kind` with a change, beside the configuration.
fn changed(folder: &Folder, kind: &str, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(sample(kind)).unwrap();
    assert!(text.contains(from), "{from} is not in {kind}.csv");
    let path = folder.path().join(format!("{kind}.csv"));
    fs::write(&path, text.replace(from, to)).unwrap();
    path
}

#[test]
fn a_bad_row_is_named_with_line_column_and_reason_and_undoes_the_file() {
    let folder = installation();
    import_samples(&folder, &["products", "skus", "parties"]);
    changed(&folder, "orders", ",20,4711-PRO,2,", ",20,4711-PRO,two,");
    folder.run(&["import", "orders", "orders.csv"]).ends(
        REFUSED,
        &["orders.csv: line 3, quantity: ", "nothing was imported"],
    );
    assert_eq!(report(&folder, &["orders", "list"]), Value::Array(vec![]));
    folder
        .run(&["import", "orders", "orders.csv", "--skip-bad"])
        .ends(0, &["line 3, quantity"])
        .shows(&["orders: imported: 4 rows, 3 created", "1 bad"]);
}

#[test]
fn a_changed_order_is_refused_unless_it_is_to_be_amended() {
    let folder = installation();
    import_samples(&folder, &["products", "skus", "parties", "orders"]);
    changed(&folder, "orders", "erp,SO-5002,1,", "erp,SO-5002,2,");
    let text = fs::read_to_string(folder.path().join("orders.csv")).unwrap();
    let text = text.replace(",4711-BASE,5,", ",4711-BASE,7,");
    fs::write(folder.path().join("orders.csv"), text).unwrap();
    folder
        .run(&["import", "orders", "orders.csv"])
        .ends(REFUSED, &["[order-changed]", "--amend"]);
    folder
        .run(&["import", "orders", "orders.csv", "--amend"])
        .done()
        .shows(&["1 amended"]);
    let order = report(&folder, &["orders", "show", "SO-5002"]);
    assert_eq!(order["lines"][0]["quantity"], 7);
    assert_eq!(order["state"], "amended");
}

#[test]
fn codes_are_written_once_and_privately() {
    let folder = installation();
    import_samples(&folder, &KINDS);
    let codes = sample("codes");
    folder
        .run(&["import", "codes", &codes])
        .ends(USAGE, &["--codes FILE"]);
    folder
        .run(&["import", "codes", &codes, "--codes", "secret.csv"])
        .done()
        .shows(&["imported"]);
    let path = folder.path().join("secret.csv");
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().count(), 11, "{written}");
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // What is there is not written over, and what makes no code leaves no file.
    folder
        .run(&["import", "codes", &codes, "--codes", "secret.csv"])
        .ends(UNAVAILABLE, &["cannot make secret.csv"]);
    folder
        .run(&["import", "codes", &codes, "--codes", "again.csv"])
        .done();
    assert!(!folder.path().join("again.csv").exists());
}

#[test]
fn what_is_no_import_is_named() {
    let folder = installation();
    folder.run(&["import", "order", &sample("orders")]).ends(
        USAGE,
        &["\"order\" cannot be imported; known: models, products"],
    );
    folder
        .run(&["import", "orders", "none.csv"])
        .ends(UNAVAILABLE, &["cannot read none.csv"]);
    folder
        .run(&["import", "orders", &sample("skus")])
        .ends(REFUSED, &["skus.csv", "header"]);
}

/// Crediting 3 of 10 with 9 in use leaves 9 and a pending credit of 2.
#[test]
fn an_order_is_credited_cancelled_and_held() {
    let folder = installation();
    import_samples(&folder, &KINDS);
    let ten = "system,order,ordered_at,sold_to,line,sku,quantity\n\
               erp,SO-9,2026-09-01,C-101,10,4711-BASE,10\n";
    fs::write(folder.path().join("ten.csv"), ten).unwrap();
    let file = folder.path().join("ten.csv").display().to_string();
    folder.run(&["import", "orders", &file]).done();
    let line = || report(&folder, &["orders", "show", "SO-9"])["lines"][0].clone();
    let entitlement = "SO-9/10/PUMP-BASE/perpetual";
    let nine = [
        &["activations", "assign", "pu-SN-0001"][..],
        &[entitlement, "--units", "9"],
    ];
    folder.run(&nine.concat()).done();

    let amend = |quantity: &str, more: &[&str]| {
        let args = [
            &["orders", "amend", "SO-9", "--line", "10", "--quantity"][..],
            &[quantity],
            more,
        ];
        folder.run(&args.concat())
    };
    amend("7", &["--preview"]).ends(0, &["nothing was changed"]);
    assert_eq!(line()["quantity"], 10);
    amend("7", &[]).done();
    amend("7", &[]).ends(0, &["it is so already"]);
    let credited = line();
    assert_eq!(
        (
            &credited["units"],
            &credited["pending_credit"],
            &credited["in_use"]
        ),
        (&9.into(), &2.into(), &9.into())
    );
    folder
        .run(&["activations", "assign", "pu-SN-0001", entitlement])
        .ends(REFUSED, &["no-units-left"]);
    folder
        .run(&["orders", "amend", "SO-9", "--line", "11", "--quantity", "1"])
        .ends(REFUSED, &["has no line \"11\""]);

    folder.run(&["orders", "hold", "SO-9"]).shows(&["hold"]);
    let held = report(&folder, &["entitlements", "show", entitlement]);
    assert_eq!(
        (&held["state"], &held["on_hold_for"]),
        (&"hold".into(), &"payment".into())
    );
    folder
        .run(&["orders", "release", "SO-9"])
        .shows(&["active"]);

    folder.run(&["orders", "cancel", "SO-9", "--revoke"]).done();
    let cancelled = line();
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["in_use"], 9, "only proof frees it");
    let revoked = report(&folder, &["entitlements", "show", entitlement]);
    assert_eq!(revoked["state"], "closed");
}

#[test]
fn what_an_order_line_maintains_is_shown_and_held_against_the_erp() {
    let folder = installation();
    import_samples(&folder, &KINDS[..5]);
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let head = "system,order,ordered_at,sold_to,line,sku,quantity";
    let care = |maintains: &str| {
        let text =
            format!("{head},maintains\nerp,SO-CARE,2026-09-20,C-200,10,CARE,1,{maintains}\n");
        let name = format!("care-{}.csv", maintains.replace(['/', ';', ' '], "-"));
        write(&name, &text)
    };
    for (kind, file) in [
        (
            "products",
            write("p.csv", "product,title,feature\nCARE,Care,care\n"),
        ),
        (
            "skus",
            write(
                "s.csv",
                "sku,title,product,model,term,start_basis\nCARE,Care,CARE,maintenance,P1Y,order\n",
            ),
        ),
        ("orders", care("SO-5002/10;SO-5003/10")),
    ] {
        folder.run(&["import", kind, &file]).done();
    }
    let order = report(&folder, &["orders", "show", "SO-CARE"]);
    assert_eq!(order["lines"][0]["maintains"], "SO-5002/10;SO-5003/10");
    let order = report(&folder, &["orders", "show", "SO-5002"]);
    assert_eq!(order["lines"][0]["maintains"], serde_json::Value::Null);

    let reconcile = |file: &str| {
        let said = folder.run(&["report", "reconcile", "--erp", file, "-o", "csv"]);
        // The other orders are not in the file.
        let of_care = |line: &&str| line.contains("SO-CARE");
        said.out
            .lines()
            .filter(of_care)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let silent = format!("{head}\nerp,SO-CARE,2026-09-20,C-200,10,CARE,1\n");
    assert_eq!(reconcile(&write("silent.csv", &silent)), [""; 0]);
    // In any order, and however often.
    let same = care("SO-5003/10; SO-5002/10 ;SO-5003/10");
    assert_eq!(reconcile(&same), [""; 0]);
    assert_eq!(
        reconcile(&care("SO-5002/10;SO-5009/10")),
        ["2,erp,SO-CARE,10,maintains,SO-5002/10;SO-5003/10,SO-5002/10;SO-5009/10"]
    );
    assert_eq!(
        reconcile(&care("")),
        ["2,erp,SO-CARE,10,maintains,SO-5002/10;SO-5003/10,"]
    );
    // Somebody took back what the order says.
    let right = "SO-5002/10/PUMP-BASE/perpetual";
    let by = "SO-CARE/10/CARE/maintenance";
    folder
        .run(&["entitlements", "unmaintain", right, "--by", by])
        .done();
    let said =
        format!("2,erp,SO-CARE,10,maintains,{right} is not maintained by this line,SO-5002/10");
    assert_eq!(reconcile(&same), [said]);
}

#[test]
fn the_ledger_is_held_against_the_erp_line_by_line() {
    let folder = installation();
    import_samples(&folder, &KINDS);
    let file = sample("orders");
    let reconcile = |file: &str| folder.run(&["report", "reconcile", "--erp", file, "-o", "csv"]);
    reconcile(&file).ends(0, &["lines agree with the ledger"]);

    let sold = fs::read_to_string(&file).unwrap();
    let mut rows: Vec<String> = sold.lines().map(str::to_owned).collect();
    let last = rows.pop().unwrap();
    rows[1] = rows[1]
        .replace(",3,", ",5,")
        .replace("2026-09-01", "2026-09-02")
        .replace("10500.00,EUR", "10500.00,USD");
    rows.push("erp,SO-NEW,1,2026-09-01,C-101,,,10,4711-BASE,1,,,,,,".to_owned());
    rows.push("erp,SO-BAD,1,soon,C-101,,,10,4711-BASE,1,,,,,,".to_owned());
    rows.push(rows[2].clone());
    fs::write(folder.path().join("erp.csv"), rows.join("\n")).unwrap();
    let said = reconcile(&folder.path().join("erp.csv").display().to_string());
    let gone = last.split(',').nth(1).unwrap();
    let found = said.ends(REFUSED, &["differ in"]);
    found.shows(&[
        ",quantity,3,5",
        ",value,10500.0000 EUR,10500.0000 USD",
        "ordered-at,2026-08-31T22:00:00Z,2026-09-01T22:00:00Z",
        "SO-NEW,10,missing-here,,1 of 4711-BASE",
        "unreadable",
        "repeated",
        gone,
        "missing-there",
    ]);
    reconcile("nowhere.csv").ends(UNAVAILABLE, &["cannot read nowhere.csv"]);
    fs::write(folder.path().join("bad.csv"), "a,b\n").unwrap();
    reconcile(&folder.path().join("bad.csv").display().to_string())
        .ends(USAGE, &["the header of the orders file"]);
}
