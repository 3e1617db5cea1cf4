use serde_json::Value;

use crate::folder::{Folder, USAGE};

#[test]
fn a_fleet_is_made_and_every_read_is_answered() {
    let folder = Folder::new();
    let args = ["scale", "--devices", "60,120", "--runs", "1", "--data"];
    let outcome = folder.run(&[&args[..], &["fleets", "--json"]].concat());
    let measured: Vec<Value> = serde_json::from_str(&outcome.done().out).unwrap();
    let activations = |one: &Value| one["activations"].as_u64().unwrap();
    assert!(activations(&measured[0]) >= 10 * 40, "{measured:#?}");
    assert!(activations(&measured[1]) >= 2 * 10 * 40);
    for one in &measured {
        let reads = one["reads"].as_array().unwrap();
        for read in reads {
            assert_eq!(read["status"], 200, "{read}");
        }
        for expected in [
            "/reports/activation",
            "/reports/activation (told again)",
            "/devices?owner={party}",
            "/events",
        ] {
            assert!(reads.iter().any(|read| read["address"] == expected));
        }
    }

    // The history is whole, as if the devices had been real.
    let config = "realm = \"scale\"\n[database]\nurl = \"sqlite:fleets/scale-120.db\"\n";
    std::fs::write(folder.path().join("fleetgrant.toml"), config).unwrap();
    folder.run(&["history", "verify"]).done();
    let report = folder.run(&["report", "activation", "--output", "json"]);
    let report: Value = serde_json::from_str(&report.done().out).unwrap();
    assert_eq!(report["units"]["activated"], activations(&measured[1]));
}

#[test]
fn a_fleet_of_none_is_a_usage_error() {
    Folder::new()
        .run(&["scale", "--devices", "10,0"])
        .ends(USAGE, &["--devices"]);
}
