//! A device that never has a connection is activated by files: the real agent on one side, the
//! command line on the other.

use std::fs;
use std::path::Path;

use fleetgrant::identity::AdmissionMode;
use fleetgrant::quickstart::sample;
use fleetgrant_agent::host::{HostKeys, MemoryStorage};
use fleetgrant_agent::{Agent, Ask, Profile, Taken};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::request::Reason;

use crate::folder::{REFUSED, UNAVAILABLE};
use crate::scene::{START, Scene};

type FileAgent<'c> = Agent<'c, &'c HostKeys, MemoryStorage, Vec<u8>, 8>;

fn start<'c>(profile: &'c Profile<'c>, keys: &'c HostKeys) -> FileAgent<'c> {
    let (storage, mut scratch) = (MemoryStorage::default(), [0; limits::MAX_DOWN]);
    Agent::start(profile, keys, storage, vec![0; 4096], &mut scratch, START).unwrap()
}

fn export_request(agent: &mut FileAgent<'_>, path: &Path) {
    let mut buffer = [0; limits::MAX_UP];
    let ask = Ask::for_what_is_owed(Reason::Boot);
    let len = agent.export_request(&ask, &mut buffer, START).unwrap();
    fs::write(path, &buffer[..len]).unwrap();
}

fn export_ack(agent: &mut FileAgent<'_>, path: &Path) {
    let mut buffer = [0; limits::MAX_UP];
    let len = agent.export_ack(&mut buffer, START).unwrap().unwrap();
    fs::write(path, &buffer[..len]).unwrap();
}

/// Hands a file to the device; a notice's code, or nothing for a set that is in force now.
fn hand_over(agent: &mut FileAgent<'_>, path: &Path) -> Option<NoticeCode> {
    let bytes = fs::read(path).unwrap();
    let kind = FileAgent::file_type(&bytes).unwrap();
    match agent.handle_message(&bytes, kind, START).unwrap() {
        Taken::Notice(notice) => Some(notice.code),
        Taken::Installed(_) => None,
        other => panic!("taken as {other:?}"),
    }
}

#[test]
fn a_device_is_activated_by_files_alone() {
    let scene = Scene::new();
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut agent = start(&profile, &keys);

    // A first admission needs a challenge, which a notice carries.
    export_request(&mut agent, &scene.path("1.request"));
    scene
        .folder
        .run(&["offline", "request", "1.request", "--out", "1.answer"])
        .ends(REFUSED, &["no grant: challenge"]);
    let notice = hand_over(&mut agent, &scene.path("1.answer"));
    assert_eq!(notice, Some(NoticeCode::Challenge));

    export_request(&mut agent, &scene.path("2.request"));
    scene
        .folder
        .run(&["offline", "request", "2.request", "--out", "2.answer"])
        .done()
        .shows(&["a grant for", &scene.id, "granted"]);
    assert_eq!(hand_over(&mut agent, &scene.path("2.answer")), None);
    for feature in sample::FEATURES {
        assert!(agent.is_on(feature, START).is_on(), "{feature}");
    }

    let states = || {
        let listed = scene.json(&["activations", "list"]);
        let states = listed.as_array().unwrap().iter();
        let states: Vec<_> = states.map(|row| row["state"].clone()).collect();
        states
    };
    assert_eq!(states(), ["published", "published"]);
    export_ack(&mut agent, &scene.path("2.ack"));
    scene
        .folder
        .run(&["offline", "ack", "2.ack"])
        .done()
        .shows(&[&scene.id, "recorded"]);
    assert_eq!(states(), ["activated", "activated"]);
}

#[test]
fn the_same_file_again_changes_nothing() {
    let scene = Scene::new();
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut agent = start(&profile, &keys);
    let take = |name: &str, out: &str| {
        scene
            .folder
            .run(&["offline", "request", name, "--out", out])
    };
    export_request(&mut agent, &scene.path("1.request"));
    take("1.request", "1.answer").ends(REFUSED, &[]);
    hand_over(&mut agent, &scene.path("1.answer"));
    export_request(&mut agent, &scene.path("2.request"));
    take("2.request", "2.answer").done();
    take("2.request", "2.again").done().shows(&["repeated"]);
    let payload = |name: &str| {
        let bytes = fs::read(scene.path(name)).unwrap();
        bytes[..bytes.len() - 64].to_vec()
    };
    assert_eq!(payload("2.again"), payload("2.answer"));
    // What was answered is not written over.
    take("2.request", "2.answer").ends(UNAVAILABLE, &["cannot be written to 2.answer"]);
    assert_eq!(
        scene
            .json(&["activations", "list"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn what_was_not_signed_by_a_known_device_is_not_recorded() {
    let scene = Scene::new();
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut agent = start(&profile, &keys);
    let request = scene.path("request");
    export_request(&mut agent, &request);
    let mut bytes = fs::read(&request).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&request, bytes).unwrap();
    let refused = |args: &[&str], words: &[&str]| {
        scene
            .folder
            .run(&[&["offline"], args].concat())
            .ends(REFUSED, words);
    };
    refused(
        &["request", "request", "--out", "answer"],
        &["not accepted: signature"],
    );
    fs::write(&request, "not CBOR").unwrap();
    refused(
        &["request", "request", "--out", "answer"],
        &["fleetgrant inspect"],
    );
    export_request(&mut agent, &request);
    refused(&["ack", "request"], &["not accepted: type"]);
    assert!(!scene.path("answer").exists());
    let device = scene.json(&["devices", "show", &scene.id]);
    assert_eq!(device["state"], "expected");
}

#[test]
fn a_device_that_waits_is_admitted_by_an_operator_under_the_key_it_showed() {
    let scene = Scene::admitting(AdmissionMode::Quarantine);
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut agent = start(&profile, &keys);
    let mut ask = |number: u32, code: i32, word: &str| {
        let [request, answer] = ["request", "answer"].map(|kind| format!("{number}.{kind}"));
        export_request(&mut agent, &scene.path(&request));
        let args = ["offline", "request", &request, "--out", &answer];
        scene.folder.run(&args).ends(code, &[word]);
        hand_over(&mut agent, &scene.path(&answer))
    };
    let device = &scene.id;
    scene
        .folder
        .run(&["devices", "admit", device])
        .ends(REFUSED, &["is expected", "no key of it", "--key"]);
    ask(1, REFUSED, "challenge");
    let told = ask(2, REFUSED, "quarantined");
    assert_eq!(told, Some(NoticeCode::Quarantined));
    let states = scene.json(&["devices", "list", "--state", "quarantined"]);
    assert_eq!(states.as_array().unwrap().len(), 1);
    scene
        .folder
        .run(&["devices", "admit", device])
        .ends(0, &["is admitted under the key"]);
    assert_eq!(ask(3, 0, ""), None);
    scene
        .folder
        .run(&["devices", "admit", device])
        .ends(REFUSED, &["the device is admitted"]);
    let manifest = fs::read_dir(scene.path("imports"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("manifest"))
        .unwrap();
    scene
        .folder
        .run(&["import", "manifest", manifest.to_str().unwrap()])
        .done()
        .shows(&["1 unchanged"]);
}

#[test]
fn a_device_is_not_admitted_under_another_key_than_the_factory_named() {
    let scene = Scene::admitting(AdmissionMode::Quarantine);
    let [of_factory, other] = ["05", "07"].map(|byte| byte.repeat(32));
    let row = format!("serial,key_thumbprint\nFACTORY-1,{of_factory}\n");
    fs::write(scene.path("keys.csv"), row).unwrap();
    scene.folder.run(&["import", "manifest", "keys.csv"]).done();
    let admit = |key: &str| {
        let args = ["devices", "admit", "dev-FACTORY-1", "--key", key];
        scene.folder.run(&args)
    };
    admit(&other).ends(REFUSED, &["the manifest names another key", "--amend"]);
    let device = scene.json(&["devices", "show", "dev-FACTORY-1"]);
    assert_eq!(device["state"], "expected");
    admit(&of_factory).done();
}

#[test]
fn a_device_admitted_under_another_key_is_a_conflict() {
    let scene = Scene::admitting(AdmissionMode::Quarantine);
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut agent = start(&profile, &keys);
    let other = "07".repeat(32);
    scene
        .folder
        .run(&["devices", "admit", &scene.id, "--key", &other])
        .done();
    export_request(&mut agent, &scene.path("request"));
    scene
        .folder
        .run(&["offline", "request", "request", "--out", "answer"])
        .ends(REFUSED, &["identity-conflict"]);
}
