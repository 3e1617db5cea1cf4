//! Devices that are prepared before they are heard: the real agent takes what the line puts on it.

use std::fs;
use std::path::Path;

use fleetgrant::quickstart::sample;
use fleetgrant_agent::host::{FileStorage, HostKeys};
use fleetgrant_agent::{Agent, Ask, Profile, Refusal, Taken};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::folder::{Outcome, REFUSED};
use crate::scene::{START, Scene};

type Device<'c> = Agent<'c, &'c HostKeys, FileStorage, Vec<u8>, 8>;

/// Starts the device with what is in its folder.
fn start<'c>(profile: &'c Profile<'c>, keys: &'c HostKeys, flash: &Path) -> Device<'c> {
    let mut scratch = [0; limits::MAX_DOWN];
    let storage = FileStorage::new(flash).unwrap();
    Agent::start(profile, keys, storage, vec![0; 4096], &mut scratch, START).unwrap()
}

fn take(device: &mut Device<'_>, grant: &[u8]) -> Result<(), Refusal> {
    match device.handle_message(grant, MessageType::Grant, START)? {
        Taken::Installed(_) => Ok(()),
        other => panic!("taken as {other:?}"),
    }
}

/// Adds the device's key to the manifest that the sample imported.
fn name_key(scene: &Scene) {
    let (serial, key) = (sample::serial(0), scene.credentials.key_thumbprint());
    let row = format!("{serial},mk2,erp,C-1,SO-1,10,B-1,{key}\n");
    let header = "serial,hwmodel,system,owner,order,line,batch,key_thumbprint\n";
    fs::write(scene.path("keys.csv"), format!("{header}{row}")).unwrap();
    scene
        .folder
        .run(&["import", "manifest", "keys.csv", "--amend"])
        .done();
}

fn grants(scene: &Scene) -> Outcome {
    let args = ["factory", "grants", "--batch", "B-1", "--out", "grants"];
    scene.folder.run(&args)
}

fn grant_file(scene: &Scene) -> Vec<u8> {
    fs::read(scene.path(&format!("grants/{}.grant", scene.id))).unwrap()
}

fn states(scene: &Scene) -> Vec<(String, String)> {
    let listed = scene.json(&["activations", "list"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let rows = listed.as_array().unwrap().iter();
    rows.map(|row| (text(&row["state"]), text(&row["origin"])))
        .collect()
}

fn state(state: &str, origin: &str) -> (String, String) {
    (state.to_owned(), origin.to_owned())
}

#[test]
fn a_blank_device_is_activated_by_what_the_line_put_on_it() {
    let scene = Scene::new();
    name_key(&scene);
    grants(&scene).done().shows(&[&scene.id, "made"]);
    let grant = grant_file(&scene);
    // The other product of the bundle runs for a year, which is not to begin on the shelf.
    assert_eq!(states(&scene), [state("published", "factory")]);
    // Nothing was said to the device, so it is not known to it yet.
    let listed = scene.json(&["devices", "show", &scene.id]);
    assert_eq!(listed["state"], "expected");

    let (profile, keys, flash) = (scene.profile(), scene.keys(), scene.path("flash"));
    let mut device = start(&profile, &keys, &flash);
    take(&mut device, &grant).unwrap();
    drop(device);
    // The features are on after a power cycle, without a word to anybody.
    let mut device = start(&profile, &keys, &flash);
    let on = sample::FEATURES.map(|feature| device.is_on(feature, START).is_on());
    assert_eq!(on, [true, false]);
    let mut buffer = [0; limits::MAX_UP];
    let len = device.export_ack(&mut buffer, START).unwrap().unwrap();
    fs::write(scene.path("ack"), &buffer[..len]).unwrap();
    scene
        .folder
        .run(&["offline", "ack", "ack"])
        .done()
        .shows(&[&scene.id, "recorded"]);
    assert_eq!(states(&scene), [state("activated", "factory")]);
    let listed = scene.json(&["devices", "show", &scene.id]);
    assert_eq!(listed["state"], "admitted");
    assert_eq!(listed["acknowledged"], 1);
    grants(&scene).ends(0, &["1 of 1"]).shows(&["again"]);
}

#[test]
fn the_first_contact_says_as_much_as_the_acknowledgement() {
    let scene = Scene::new();
    name_key(&scene);
    grants(&scene).done();
    let (profile, keys, flash) = (scene.profile(), scene.keys(), scene.path("flash"));
    let mut device = start(&profile, &keys, &flash);
    take(&mut device, &grant_file(&scene)).unwrap();
    let mut buffer = [0; limits::MAX_UP];
    let ask = Ask::for_what_is_owed(Reason::Boot);
    let len = device.export_request(&ask, &mut buffer, START).unwrap();
    fs::write(scene.path("request"), &buffer[..len]).unwrap();
    let args = ["offline", "request", "request", "--out", "answer"];
    // The grant brought the challenge that a first admission needs.
    scene.folder.run(&args).done().shows(&["granted"]);
    let both = [state("activated", "factory"), state("published", "offline")];
    assert_eq!(states(&scene), both);
    let answer = fs::read(scene.path("answer")).unwrap();
    take(&mut device, &answer).unwrap();
    let on = sample::FEATURES.map(|feature| device.is_on(feature, START).is_on());
    assert_eq!(on, [true, true]);
}

#[test]
fn the_same_again_makes_the_same_grants() {
    let scene = Scene::new();
    name_key(&scene);
    grants(&scene).done().shows(&["made"]);
    let first = grant_file(&scene);
    fs::remove_dir_all(scene.path("grants")).unwrap();
    grants(&scene).done().shows(&["again"]);
    let again = grant_file(&scene);
    assert_eq!(first[..first.len() - 64], again[..again.len() - 64]);
    assert_eq!(states(&scene).len(), 1);
}

#[test]
fn a_device_whose_key_nobody_named_is_left_out_by_name() {
    let scene = Scene::new();
    grants(&scene)
        .ends(REFUSED, &["0 of 1", "1 devices have none"])
        .shows(&[&scene.id, "names no key"]);
    assert_eq!(states(&scene), []);
    scene
        .folder
        .run(&["factory", "grants", "--batch", "B-9", "--out", "grants"])
        .ends(REFUSED, &["no manifest names the batch"]);
}

/// What a thief copies off the line is worth nothing on another device, or after a newer set.
#[test]
fn another_device_does_not_take_it() {
    let scene = Scene::new();
    name_key(&scene);
    grants(&scene).done();
    let mut grant = grant_file(&scene);
    let other = Scene::new();
    let (profile, keys) = (other.profile(), other.keys());
    let mut device = start(&profile, &keys, &other.path("flash"));
    assert!(take(&mut device, &grant).is_err());
    let last = grant.len() - 1;
    grant[last] ^= 1;
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut device = start(&profile, &keys, &scene.path("flash"));
    assert_eq!(take(&mut device, &grant), Err(Refusal::BadSignature));
}
