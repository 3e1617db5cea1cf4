//! Maintenance, end to end: the real agent on one side, the command line on the other.

use std::fs;

use fleetgrant_agent::host::{HostKeys, MemoryStorage};
use fleetgrant_agent::{Agent, Ask, Off, Profile, Status, Taken};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::Reason;
use serde_json::Value;

use crate::scene::{START, Scene};

type FileAgent<'c> = Agent<'c, &'c HostKeys, MemoryStorage, Vec<u8>, 8>;

/// 2090-01-01, when the maintenance that was sold ends, in seconds since 1970.
const ENDS: u64 = 3_786_912_000;
const FEATURE: &str = "bandwidth-500";
const OTHER: &str = "decode-serial";

/// The same device with this firmware.
fn start<'c>(
    profile: &'c Profile<'c>,
    keys: &'c HostKeys,
    storage: MemoryStorage,
) -> FileAgent<'c> {
    let mut scratch = [0; limits::MAX_DOWN];
    Agent::start(profile, keys, storage, vec![0; 4096], &mut scratch, START).unwrap()
}

/// Asks by a file, and takes the answer; whether that was a set.
fn ask(scene: &Scene, agent: &mut FileAgent<'_>, name: &str, wants: &[(&str, u32)]) -> bool {
    let mut buffer = [0; limits::MAX_UP];
    let ask = Ask {
        features: wants,
        ..Ask::for_what_is_owed(Reason::Upgrade)
    };
    let len = agent.export_request(&ask, &mut buffer, START).unwrap();
    fs::write(scene.path(name), &buffer[..len]).unwrap();
    let out = format!("{name}.answer");
    scene
        .folder
        .run(&["offline", "request", name, "--out", &out]);
    let bytes = fs::read(scene.path(&out)).unwrap();
    let kind = FileAgent::file_type(&bytes).unwrap();
    let taken = agent.handle_message(&bytes, kind, START).unwrap();
    matches!(taken, Taken::Installed(_))
}

/// Has the gateway take what the device signed for.
fn acknowledge(scene: &Scene, agent: &mut FileAgent<'_>, name: &str) {
    let mut buffer = [0; limits::MAX_UP];
    let len = agent.export_ack(&mut buffer, START).unwrap().unwrap();
    fs::write(scene.path(name), &buffer[..len]).unwrap();
    scene.folder.run(&["offline", "ack", name]).done();
}

fn states(scene: &Scene) -> Vec<Value> {
    let listed = scene.json(&["activations", "list"]);
    let mut states: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["state"].clone())
        .collect();
    states.sort_by_key(ToString::to_string);
    states
}

#[test]
fn firmware_built_after_its_maintenance_is_refused_until_that_is_renewed() {
    let scene = Scene::new();
    let keys = scene.keys();
    let older = Profile {
        sw_built: Some(ENDS - 1),
        ..scene.profile()
    };
    let newer = Profile {
        sw_built: Some(ENDS),
        ..scene.profile()
    };
    let mut agent = start(&older, &keys, MemoryStorage::default());
    assert!(!ask(&scene, &mut agent, "1", &[]), "a challenge");
    assert!(ask(&scene, &mut agent, "2", &[]));
    acknowledge(&scene, &mut agent, "2.ack");
    assert_eq!(states(&scene), ["activated", "activated"]);

    // The owner bought maintenance of one of them.
    let listed = scene.json(&["entitlements", "list", "--product", "SCOPE-BW"]);
    let reference = listed[0]["reference"].as_str().unwrap();
    let care = "system,entitlement,owner,product,model,units,starts_at,ends_at\n\
                erp,CARE,C-1,CARE,maintenance,1,2026-01-01,2090-01-01T00:00:00Z\n";
    let file = |name: &str, text: &str| {
        fs::write(scene.path(name), text).unwrap();
        scene.path(name).display().to_string()
    };
    let product = file("product.csv", "product,title,feature\nCARE,Care,care\n");
    let care = file("care.csv", care);
    for args in [
        &["import", "products", &product][..],
        &["import", "entitlements", &care],
        &["entitlements", "maintain", reference, "--by", "CARE"],
    ] {
        scene.folder.run(args).done();
    }
    assert!(ask(&scene, &mut agent, "3", &[]));
    acknowledge(&scene, &mut agent, "3.ack");
    let on = |agent: &FileAgent<'_>| [FEATURE, OTHER].map(|name| agent.is_on(name, START).is_on());
    assert_eq!(on(&agent), [true, true], "older firmware runs on");

    // The set that it holds is enough to refuse newer firmware.
    let (_, storage, _) = agent.into_parts();
    let mut agent = start(&newer, &keys, storage);
    let status = agent.is_on(FEATURE, START);
    assert_eq!(status, Status::Off(Off::BuildCeiling));
    assert_eq!(on(&agent), [false, true]);
    acknowledge(&scene, &mut agent, "4.ack");
    assert_eq!(states(&scene), ["activated", "removing"]);

    // Renewed, it is on once the device has asked for it.
    scene
        .folder
        .run(&[
            "entitlements",
            "renew",
            "CARE",
            "--reference",
            "R-1",
            "--until",
            "2091-01-01",
        ])
        .done();
    for (name, wants) in [("5", &[][..]), ("6", &[(FEATURE, 1)])] {
        assert!(ask(&scene, &mut agent, name, wants));
        acknowledge(&scene, &mut agent, &format!("{name}.ack"));
    }
    assert_eq!(on(&agent), [true, true]);
}

#[test]
fn maintenance_that_begins_with_a_device_is_a_ceiling_from_then_on() {
    let scene = Scene::new();
    let keys = scene.keys();
    // A firmware of the far future, beyond what is sold here.
    let newer = Profile {
        sw_built: Some(ENDS),
        ..scene.profile()
    };
    let mut agent = start(&newer, &keys, MemoryStorage::default());
    assert!(!ask(&scene, &mut agent, "1", &[]), "a challenge");
    assert!(ask(&scene, &mut agent, "2", &[]));
    acknowledge(&scene, &mut agent, "2.ack");

    let listed = scene.json(&["entitlements", "list", "--product", "SCOPE-BW"]);
    let reference = listed[0]["reference"].as_str().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(scene.path(name), text).unwrap();
        scene.path(name).display().to_string()
    };
    let product = file("product.csv", "product,title,feature\nCARE,Care,care\n");
    let care = file(
        "care.csv",
        "system,entitlement,owner,product,model,units,start_basis,term\n\
         erp,CARE,C-1,CARE,maintenance,1,first-activation,P1Y\n",
    );
    for args in [
        &["import", "products", &product][..],
        &["import", "entitlements", &care],
        &["entitlements", "maintain", reference, "--by", "CARE"],
        &["activations", "assign", &scene.id, "CARE"],
    ] {
        scene.folder.run(args).done();
    }
    let until = || scene.json(&["entitlements", "show", reference])["maintained_until"].clone();
    assert_eq!(until(), Value::Null, "nothing of it is published");
    assert!(agent.is_on(FEATURE, START).is_on());

    // The message that publishes it begins it.
    assert!(ask(&scene, &mut agent, "3", &[]));
    let begun = scene.json(&["activations", "list", "--entitlement", "CARE"]);
    let ends = begun[0]["ends"].clone();
    assert!(ends.is_string(), "{ends}");
    assert_eq!(until(), ends);
    acknowledge(&scene, &mut agent, "3.ack");
    assert!(ask(&scene, &mut agent, "4", &[]));
    let status = agent.is_on(FEATURE, START);
    assert_eq!(status, Status::Off(Off::BuildCeiling));
    assert!(agent.is_on(OTHER, START).is_on());
}
