//! The worked example of docs/migration.md, run as it is written.

use std::fs;
use std::path::Path;

use fleetgrant_agent::host::{HostKeys, MemoryStorage};
use fleetgrant_agent::{Agent, Ask, Profile};
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::Reason;
use serde_json::Value;

use crate::folder::{Outcome, REFUSED, USAGE};
use crate::scene::{START, Scene};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

/// An installation with the files of the example, and its devices on the manifest.
fn scene() -> Scene {
    let scene = Scene::new();
    for name in ["manifest.csv", "node-locked.csv", "mapping.toml"] {
        let sample = Path::new(DOCS).join("samples/migration").join(name);
        fs::copy(sample, scene.path(name)).unwrap();
    }
    scene
        .folder
        .run(&["import", "manifest", "manifest.csv"])
        .done();
    scene
}

fn bring_over(scene: &Scene, options: &[&str]) -> Outcome {
    let args = [
        "migration",
        "import",
        "node-locked.csv",
        "--mapping",
        "mapping.toml",
    ];
    scene.folder.run(&[&args[..], options].concat())
}

fn edit(scene: &Scene, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(scene.path(name)).unwrap();
    assert!(text.contains(from), "{name} has no {from}");
    fs::write(scene.path(name), text.replace(from, to)).unwrap();
}

/// Lets a device ask in files until it has its set, and sign for it.
fn activate(scene: &Scene, serial: &str) {
    let issued = scene.issue(serial);
    let keys = HostKeys::from_pkcs8_der(issued.key_der(), issued.chain().to_vec()).unwrap();
    let id = format!("dev-{serial}");
    let profile = Profile {
        device: DeviceId::new(&id).unwrap(),
        ..scene.profile()
    };
    let mut scratch = [0; limits::MAX_DOWN];
    let storage = MemoryStorage::default();
    let mut agent: Agent<'_, _, _, _, 8> =
        Agent::start(&profile, &keys, storage, vec![0; 4096], &mut scratch, START).unwrap();
    let mut buffer = [0; limits::MAX_UP];
    for name in ["1", "2"] {
        let ask = Ask::for_what_is_owed(Reason::Boot);
        let len = agent.export_request(&ask, &mut buffer, START).unwrap();
        fs::write(scene.path(name), &buffer[..len]).unwrap();
        let out = format!("{name}.answer");
        scene
            .folder
            .run(&["offline", "request", name, "--out", &out]);
        let answer = fs::read(scene.path(&out)).unwrap();
        let kind = Agent::<'_, &HostKeys, MemoryStorage, Vec<u8>, 8>::file_type(&answer).unwrap();
        agent.handle_message(&answer, kind, START).unwrap();
    }
    let len = agent.export_ack(&mut buffer, START).unwrap().unwrap();
    fs::write(scene.path("ack"), &buffer[..len]).unwrap();
    scene.folder.run(&["offline", "ack", "ack"]).done();
}

/// Rights, units, surrendered and left, by product.
fn progress(scene: &Scene) -> Vec<(String, [i64; 4])> {
    let report = scene.json(&["migration", "report"]);
    let line = |row: &Value| {
        let figures = ["rights", "units", "surrendered", "left"];
        let figures = figures.map(|name| row[name].as_i64().unwrap());
        (row["product"].as_str().unwrap().to_owned(), figures)
    };
    report.as_array().unwrap().iter().map(line).collect()
}

#[test]
fn the_worked_example_comes_out_as_it_says() {
    let scene = scene();
    let prose = fs::read_to_string(Path::new(DOCS).join("migration.md")).unwrap();
    let shown = prose.split("```text\n").nth(1).unwrap();
    let shown: Vec<&str> = shown.split("```").next().unwrap().lines().collect();
    bring_over(&scene, &["--dry-run"]).ends(0, &["3 rights would be brought over"]);
    assert_eq!(progress(&scene), []);
    bring_over(&scene, &[]).ends(0, &shown);
    bring_over(&scene, &[]).ends(
        0,
        &["0 rights brought over, 3 were before", "0 units reserved"],
    );

    let listed = scene.json(&["entitlements", "list"]);
    let brought = listed.as_array().unwrap().iter();
    let brought: Vec<_> = brought.filter(|row| row["source"] == "migration").collect();
    let units: Vec<_> = brought.iter().map(|row| row["units"].as_i64()).collect();
    assert_eq!(units.iter().flatten().sum::<i64>(), 4);
    let ends: Vec<_> = brought
        .iter()
        .filter_map(|row| row["ends"].as_str())
        .collect();
    assert!(ends.len() == 1 && ends[0].starts_with("20"), "{ends:?}");

    let waiting = [
        ("SCOPE-BW".to_owned(), [2, 3, 0, 2]),
        ("SCOPE-DEC".to_owned(), [1, 1, 0, 1]),
    ];
    assert_eq!(progress(&scene), waiting);
    activate(&scene, "SN-1");
    let half = [
        ("SCOPE-BW".to_owned(), [2, 3, 1, 1]),
        ("SCOPE-DEC".to_owned(), [1, 1, 1, 0]),
    ];
    assert_eq!(progress(&scene), half);
    let device = scene.json(&["devices", "show", "dev-SN-1"]);
    for activation in device["activations"].as_array().unwrap() {
        assert_eq!(activation["origin"], "migration");
    }
    let history = scene
        .folder
        .run(&["report", "events", "--limit", "1000"])
        .done();
    history.shows(&["legacy-surrendered"]);

    let surrender = |right: &str| {
        scene
            .folder
            .run(&["migration", "surrender", "keyserver", right])
    };
    surrender("K-1003").done();
    surrender("K-1003").ends(REFUSED, &["no right"]);
    assert_eq!(progress(&scene)[0].1, [2, 3, 2, 0]);
}

#[test]
fn a_word_without_a_meaning_is_told_and_stops_everything() {
    let scene = scene();
    edit(&scene, "mapping.toml", "HOST-B = \"SN-2\"\n", "");
    edit(&scene, "mapping.toml", ", limited = \"subscription\"", "");
    for options in [&["--dry-run"][..], &[]] {
        bring_over(&scene, options)
            .ends(REFUSED, &["2 rights of 3 units"])
            .shows(&["HOST-B", "devices", "DECODE, limited", "products"]);
    }
    assert_eq!(progress(&scene), []);
    bring_over(&scene, &["--skip-unmapped"]).ends(
        0,
        &[
            "1 rights brought over",
            "units before: 1 (3 more left out), units after: 1",
        ],
    );
}

#[test]
fn what_cannot_be_read_stops_everything() {
    let scene = scene();
    edit(&scene, "node-locked.csv", "31-Dec-2030", "31-Foo-2030");
    edit(&scene, "node-locked.csv", ",2,permanent", ",-2,permanent");
    bring_over(&scene, &["--dry-run"]).ends(
        REFUSED,
        &["line 3, Expires", "line 4, Seats", "2 rows cannot be read"],
    );
    edit(&scene, "mapping.toml", "\"Host\"", "\"HostId\"");
    bring_over(&scene, &[]).ends(USAGE, &["no column \"HostId\""]);
}

#[test]
fn a_right_that_has_changed_is_not_brought_over_again() {
    let scene = scene();
    bring_over(&scene, &[]).done();
    edit(&scene, "node-locked.csv", ",2,permanent", ",5,permanent");
    bring_over(&scene, &[]).ends(REFUSED, &["line 4", "units", "nothing was brought over"]);
    assert_eq!(progress(&scene)[0].1, [2, 3, 0, 2]);
}

#[test]
fn a_device_that_no_manifest_names_is_told() {
    let scene = scene();
    edit(&scene, "mapping.toml", "SN-2", "SN-7");
    bring_over(&scene, &[]).ends(REFUSED, &["line 4", "no manifest names the device SN-7"]);
    assert_eq!(progress(&scene), []);
}

#[test]
fn a_site_licence_is_the_customer_s_pool() {
    let scene = scene();
    edit(&scene, "mapping.toml", "node-locked", "site");
    edit(
        &scene,
        "node-locked.csv",
        ",2,permanent",
        ",unlimited,permanent",
    );
    bring_over(&scene, &[]).ends(
        0,
        &[
            "units before: 2 ",
            "units after: 2; without a number: 1 before, 1 after",
            "0 units reserved",
        ],
    );
}
