//! The reports, as the command line gives them.

use serde_json::Value;

use crate::folder::{Folder, REFUSED, USAGE};

const PRODUCTS: &str = "product,title,feature\nP,Pump,pump\n";
const SKUS: &str = "sku,title,product,model\nS,Pump,P,perpetual\n";
const PARTIES: &str = "system,party,name\nerp,C-1,Acme\nerp,C-2,=Bright\n";
const ORDERS: &str = "system,order,ordered_at,sold_to,line,sku,quantity\n\
    erp,O-1,2026-01-10,C-1,1,S,3\nerp,O-2,2026-02-10,C-2,1,S,2\nerp,O-3,2999-01-01,C-2,1,S,1\n";

/// Three orders of two customers, of which one is dated in the future.
fn installation() -> Folder {
    let folder = Folder::with_config(
        "realm = \"acme\"\n[authority]\nnot_before = \"2026-01-01T00:00:00Z\"\n\
         not_after = \"2027-01-01T00:00:00Z\"\n",
    );
    folder.run(&["migrate"]).done();
    for (kind, text) in [
        ("products", PRODUCTS),
        ("skus", SKUS),
        ("parties", PARTIES),
        ("orders", ORDERS),
    ] {
        let file = format!("{kind}.csv");
        std::fs::write(folder.path().join(&file), text).unwrap();
        folder.run(&["import", kind, &file]).done();
    }
    folder
}

fn json(folder: &Folder, args: &[&str]) -> Value {
    let args = [&["report"], args, &["--output", "json"]].concat();
    serde_json::from_str(&folder.run(&args).done().out).unwrap()
}

#[test]
fn waits_are_counted_by_group_and_impossible_ones_listed() {
    let folder = installation();
    let report = json(&folder, &["order-to-activation", "--by", "owner"]);
    let groups: Vec<_> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            (
                group["group"].as_str().unwrap(),
                group["n"].clone(),
                group["of"].clone(),
            )
        })
        .collect();
    let expected = [("=Bright", 2), ("Acme", 3), ("all", 5)];
    assert_eq!(
        groups,
        expected.map(|(group, of)| (group, 0.into(), of.into()))
    );
    assert_eq!(report["data_errors"][0]["subject"], "order O-3 line 1");
    assert_eq!(report["groups"][2]["median_seconds"], Value::Null);

    let report = json(&folder, &["order-to-activation", "--until", "2026-02-01"]);
    assert_eq!(report["groups"][0]["of"], 3);
    folder
        .run(&["report", "order-to-activation"])
        .done()
        .shows(&["0 of 5", "not known", "order O-3 line 1"]);
    folder
        .run(&[
            "report",
            "order-to-activation",
            "--by",
            "owner",
            "--output",
            "csv",
        ])
        .ends(0, &["1 left out"])
        .shows(&[
            "group,n,of,mean_seconds,median_seconds,p95_seconds\n",
            "\n'=Bright,0,2,,,\n",
        ]);
    let nothing_shipped = json(&folder, &["shipment-to-activation"]);
    assert_eq!(nothing_shipped["groups"][0]["of"], 0);
}

#[test]
fn what_is_in_use_is_counted_in_every_form() {
    let folder = installation();
    let models = json(&folder, &["license-models"]);
    assert_eq!(models["groups"][0]["group"], "perpetual");
    assert_eq!(models["groups"][0]["units"], 6);
    let owners = json(&folder, &["utilisation", "--by", "owner"]);
    assert_eq!(owners["groups"][1]["utilisation"], 0.0);
    assert_eq!(json(&folder, &["platforms"]), Value::Array(Vec::new()));
    assert_eq!(
        json(&folder, &["stuck", "--limit", "denied=1h"]),
        Value::Array(Vec::new())
    );
    folder.run(&["report", "activation"]).done().shows(&[
        "contact to activation",
        "0 of 0",
        "not known",
    ]);
    folder
        .run(&["report", "activation", "-o", "csv"])
        .done()
        .shows(&["section,item,value\n", "\nfirst activated,units,0\n"]);
}

#[test]
fn the_history_is_exported_whole_in_parts_and_by_customer() {
    let folder = installation();
    let lines = |args: &[&str]| -> Vec<Value> {
        let args = [&["report", "events"], args].concat();
        let out = folder.run(&args).done().out;
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = lines(&[]);
    let positions: Vec<_> = all
        .iter()
        .map(|event| event["position"].as_i64().unwrap())
        .collect();
    assert_eq!(positions, (1..=all.len() as i64).collect::<Vec<_>>());
    let part = lines(&["--after", "2", "--limit", "3"]);
    assert_eq!(part, all[2..5]);
    let orders = lines(&["--stream", "order", "--kind", "order-created"]);
    assert_eq!(orders.len(), 3);
    assert_eq!(orders[0]["body"]["ordered_at"], 1_768_003_200);
    assert!(lines(&["--since", "2999-01-01"]).is_empty());
    folder
        .run(&[
            "report",
            "events",
            "--kind",
            "order-created",
            "--output",
            "csv",
        ])
        .done()
        .shows(&["position,stream,seq,kind,at,", ",order-created,"]);

    let customer = json(&folder, &["customer", "C-1"]);
    let counted =
        ["orders", "entitlements", "devices"].map(|part| customer[part].as_array().unwrap().len());
    assert_eq!(counted, [1, 1, 0]);
    // The party, the order and its entitlement.
    assert_eq!(customer["events"].as_array().unwrap().len(), 3);
    folder.run(&["report", "customer", "Acme"]).done().shows(&[
        "orders",
        "O-1",
        "entitlement-created",
    ]);
}

#[test]
fn a_day_begins_where_the_installation_is() {
    let folder = installation();
    let since = |zone: &str, since: &str| {
        let set = format!("time_zone={zone}");
        let args = ["--set", &set, "report", "activation", "--since", since];
        let run = folder.run(&[&args[..], &["--output", "json"]].concat());
        let report: Value = serde_json::from_str(&run.done().out).unwrap();
        report["since"].as_str().unwrap().to_owned()
    };
    let midnight = since("Pacific/Auckland", "2026-01-10");
    assert_eq!(midnight, "2026-01-09T11:00:00Z");
    assert_eq!(since("UTC", "2026-01-10"), "2026-01-10T00:00:00Z");
    let instant = "2026-01-10T08:00:00Z";
    assert_eq!(since("Pacific/Auckland", instant), instant);
}

#[test]
fn what_cannot_be_reported_is_said() {
    let folder = installation();
    folder
        .run(&["report", "customer", "Nobody"])
        .ends(REFUSED, &["no party has the name", "Nobody"]);
    folder
        .run(&["report", "activation", "--product-line", "presses"])
        .ends(REFUSED, &["there is no product line", "presses"]);
    folder
        .run(&["report", "activation", "--since", "yesterday"])
        .ends(USAGE, &["yesterday", "2026-01-31"]);
    folder
        .run(&["report", "stuck", "--limit", "removing"])
        .ends(USAGE, &["removing=3d"]);
    folder
        .run(&["report", "events", "--kind", "activate"])
        .ends(USAGE, &["activate", "activated"]);
}

#[test]
fn what_devices_did_is_csv_as_well() {
    let folder = installation();
    let csv = |args: &[&str]| {
        let args = [&["report", "operations", "-o", "csv"], args].concat();
        folder.run(&args).done().out
    };
    assert!(csv(&[]).starts_with("group,returned,"));
    let devices = csv(&["--devices"]);
    assert!(
        devices.contains("\ndevices,clone suspected,0\n"),
        "{devices}"
    );
    assert!(devices.contains("\ncases,opened,0\n"), "{devices}");
}
