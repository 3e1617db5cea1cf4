//! The board of a device is replaced: the real agent on both boards, the office at the command line.

use std::fs;

use fleetgrant::pki::DeviceCredentials;
use fleetgrant::quickstart::sample;
use fleetgrant_agent::host::{HostKeys, MemoryStorage};
use fleetgrant_agent::{Agent, Ask, Profile, Taken};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::request::Reason;

use crate::folder::{REFUSED, USAGE};
use crate::scene::{START, Scene};

type Board<'c> = Agent<'c, &'c HostKeys, MemoryStorage, Vec<u8>, 8>;

fn keys(credentials: &DeviceCredentials) -> HostKeys {
    HostKeys::from_pkcs8_der(credentials.key_der(), credentials.chain().to_vec()).unwrap()
}

fn start<'c>(profile: &'c Profile<'c>, keys: &'c HostKeys) -> Board<'c> {
    let (storage, mut scratch) = (MemoryStorage::default(), [0; limits::MAX_DOWN]);
    Agent::start(profile, keys, storage, vec![0; 4096], &mut scratch, START).unwrap()
}

/// The board asks by a file, and is answered: with a notice, or a set that it signs for.
fn asks(scene: &Scene, board: &mut Board<'_>, name: &str) -> Option<NoticeCode> {
    let path = |kind: &str| scene.path(&format!("{name}.{kind}"));
    let mut buffer = [0; limits::MAX_UP];
    let ask = Ask::for_what_is_owed(Reason::Boot);
    let len = board.export_request(&ask, &mut buffer, START).unwrap();
    fs::write(path("request"), &buffer[..len]).unwrap();
    let (request, answer) = (format!("{name}.request"), format!("{name}.answer"));
    scene
        .folder
        .run(&["offline", "request", &request, "--out", &answer]);
    let bytes = fs::read(path("answer")).unwrap();
    let kind = Board::file_type(&bytes).unwrap();
    match board.handle_message(&bytes, kind, START).unwrap() {
        Taken::Notice(notice) => Some(notice.code),
        Taken::Installed(_) => {
            let len = board.export_ack(&mut buffer, START).unwrap().unwrap();
            fs::write(path("ack"), &buffer[..len]).unwrap();
            let ack = format!("{name}.ack");
            scene.folder.run(&["offline", "ack", &ack]).done();
            None
        }
        other => panic!("taken as {other:?}"),
    }
}

/// A device that has signed for its two rights.
fn activated(scene: &Scene, board: &mut Board<'_>) {
    assert_eq!(asks(scene, board, "1"), Some(NoticeCode::Challenge));
    assert_eq!(asks(scene, board, "2"), None);
    assert_eq!(states(scene), ["activated", "activated"]);
}

fn states(scene: &Scene) -> Vec<String> {
    let listed = scene.json(&["activations", "list"]);
    let rows = listed.as_array().unwrap().iter();
    rows.map(|row| row["state"].as_str().unwrap().to_owned())
        .collect()
}

fn key_states(scene: &Scene) -> Vec<String> {
    let shown = scene.json(&["devices", "show", &scene.id]);
    let keys = shown["keys"].as_array().unwrap().iter();
    keys.map(|key| key["state"].as_str().unwrap().to_owned())
        .collect()
}

/// As it comes about: the workshop replaces the board first, and then tells the office.
#[test]
fn a_board_that_waits_takes_the_place_of_the_old_one() {
    let scene = Scene::new();
    let profile = scene.profile();
    let (old_keys, spare) = (scene.keys(), scene.issue(&sample::serial(0)));
    let new_keys = keys(&spare);
    let (mut old, mut new) = (start(&profile, &old_keys), start(&profile, &new_keys));
    activated(&scene, &mut old);
    let before = scene.json(&["activations", "list"]);

    let refused = Some(NoticeCode::IdentityConflict);
    assert_eq!(asks(&scene, &mut new, "3"), refused);
    let shown = scene.json(&["devices", "show", &scene.id]);
    let waiting = shown["waiting_keys"][0]["key"].as_str().unwrap();
    scene
        .folder
        .run(&["devices", "show", &scene.id])
        .done()
        .shows(&["waiting keys", waiting]);
    scene
        .folder
        .run(&["devices", "repair", &scene.id, "--preview"])
        .ends(0, &["nothing was changed"]);
    assert_eq!(key_states(&scene), ["current"]);
    scene
        .folder
        .run(&["devices", "repair", &scene.id])
        .ends(0, &[waiting, "and no other"]);
    let shown = scene.json(&["devices", "show", &scene.id]);
    assert_eq!(shown["key_loss"], "replaced");
    assert_eq!(shown["expected_key"], waiting);
    scene
        .folder
        .run(&["devices", "repair", &scene.id])
        .ends(REFUSED, &["waits for its new key already"]);
    scene
        .folder
        .run(&["devices", "push", &scene.id])
        .ends(REFUSED, &["waits for the key of its new board"]);

    assert_eq!(asks(&scene, &mut old, "4"), Some(NoticeCode::Revoked));
    assert_eq!(asks(&scene, &mut new, "5"), Some(NoticeCode::Challenge));
    assert_eq!(asks(&scene, &mut new, "6"), None);
    for feature in sample::FEATURES {
        assert!(new.is_on(feature, START).is_on(), "{feature}");
    }
    assert_eq!(key_states(&scene), ["current", "superseded"]);
    let after = scene.json(&["activations", "list"]);
    assert_eq!(before, after, "nothing moved, nothing was activated again");
    let shown = scene.json(&["devices", "show", &scene.id]);
    assert_eq!(shown["waiting_keys"], serde_json::json!([]));
    assert_eq!(asks(&scene, &mut old, "7"), Some(NoticeCode::Revoked));
    let report = scene.json(&["report", "operations"]);
    assert_eq!(report["repairs"], 1);
    assert_eq!(report["clones_suspected"], 0);
    assert_eq!(report["resyncs"], serde_json::json!({}));
    assert_eq!(report["groups"][0]["rehosted"], 0);
}

#[test]
fn a_repair_that_names_a_key_takes_no_other() {
    let scene = Scene::new();
    let profile = scene.profile();
    let serial = sample::serial(0);
    let credentials = [scene.issue(&serial), scene.issue(&serial)];
    let [one, two] = credentials.each_ref().map(keys);
    let old_keys = scene.keys();
    let mut old = start(&profile, &old_keys);
    activated(&scene, &mut old);
    let (mut one, mut two) = (start(&profile, &one), start(&profile, &two));
    let refused = Some(NoticeCode::IdentityConflict);
    for (board, name) in [(&mut one, "3"), (&mut two, "4")] {
        assert_eq!(asks(&scene, board, name), refused);
    }
    scene
        .folder
        .run(&["devices", "repair", &scene.id])
        .ends(REFUSED, &["2 keys wait", "--key"]);
    let shown = scene.json(&["devices", "show", &scene.id]);
    let key = |place: usize| shown["waiting_keys"][place]["key"].as_str().unwrap();
    // The latest is first.
    let (second, first) = (key(0), key(1));
    let own = shown["keys"][0]["key"].as_str().unwrap();
    scene
        .folder
        .run(&["devices", "repair", &scene.id, "--key", own])
        .ends(REFUSED, &["speaks with that key"]);
    scene
        .folder
        .run(&["devices", "repair", &scene.id, "--key", second])
        .done();
    assert_eq!(asks(&scene, &mut one, "5"), refused);
    assert_eq!(asks(&scene, &mut two, "6"), Some(NoticeCode::Challenge));
    assert_eq!(asks(&scene, &mut two, "7"), None);
    for spent in [own, second] {
        let repair = ["devices", "repair", &scene.id, "--key", spent];
        scene.folder.run(&repair).ends(REFUSED, &["key"]);
    }
    scene
        .folder
        .run(&["devices", "repair", &scene.id, "--key", first])
        .done();
    assert_eq!(asks(&scene, &mut two, "8"), Some(NoticeCode::Revoked));
}

#[test]
fn a_key_that_leaked_never_comes_back() {
    let scene = Scene::new();
    let profile = scene.profile();
    let old_keys = scene.keys();
    let mut old = start(&profile, &old_keys);
    activated(&scene, &mut old);
    let shown = scene.json(&["devices", "show", &scene.id]);
    let key = shown["keys"][0]["key"].as_str().unwrap();
    let run = |args: &[&str]| scene.folder.run(&[&["devices"], args].concat());
    run(&["revoke-key", "nothing!"]).ends(USAGE, &[]);
    run(&["revoke-key", &"0".repeat(64)]).ends(REFUSED, &["no device has, or had"]);
    run(&["revoke-key", key, "--preview"]).ends(0, &["nothing was changed"]);
    run(&["revoke-key", key]).ends(0, &["devices repair"]);
    run(&["revoke-key", key]).ends(REFUSED, &["revoked already"]);
    run(&["revoke-key", &scene.id]).ends(REFUSED, &["no key speaks for"]);
    assert_eq!(key_states(&scene), ["revoked"]);
    assert_eq!(asks(&scene, &mut old, "3"), Some(NoticeCode::Revoked));
    assert_eq!(
        states(&scene),
        ["activated", "activated"],
        "they stay taken"
    );

    let spare = scene.issue(&sample::serial(0));
    let new_keys = keys(&spare);
    let mut new = start(&profile, &new_keys);
    let refused = Some(NoticeCode::IdentityConflict);
    assert_eq!(asks(&scene, &mut new, "4"), refused);
    run(&["repair", &scene.id, "--key", key]).ends(REFUSED, &["revoked", "never comes back"]);
    run(&["repair", &scene.id]).done();
    assert_eq!(asks(&scene, &mut new, "5"), Some(NoticeCode::Challenge));
    assert_eq!(asks(&scene, &mut new, "6"), None);
    assert_eq!(key_states(&scene), ["current", "revoked"]);
    assert_eq!(asks(&scene, &mut old, "7"), Some(NoticeCode::Revoked));
    let found = scene.json(&["devices", "list", "--key", key]);
    assert_eq!(found[0]["device"], scene.id);
}

/// The factory's file of the old board, once more, changes nothing of the new one.
#[test]
fn the_manifest_of_the_old_board_stands_in_no_new_ones_way() {
    let scene = Scene::new();
    let profile = scene.profile();
    let (old_keys, spare) = (scene.keys(), scene.issue(&sample::serial(0)));
    let new_keys = keys(&spare);
    let (mut old, mut new) = (start(&profile, &old_keys), start(&profile, &new_keys));
    activated(&scene, &mut old);
    let shown = scene.json(&["devices", "show", &scene.id]);
    let key = shown["keys"][0]["key"].as_str().unwrap();
    let serial = shown["serial"].as_str().unwrap();
    scene
        .folder
        .run(&["devices", "repair", &scene.id])
        .ends(0, &["the first key that is proven"]);
    let file = scene.path("again.csv");
    let exported = format!("serial,key_thumbprint\n{serial},{key}\n");
    fs::write(&file, exported).unwrap();
    scene
        .folder
        .run(&["import", "manifest", "again.csv", "--amend"]);
    let shown = scene.json(&["devices", "show", &scene.id]);
    assert_eq!(shown["expected_key"], serde_json::Value::Null);
    assert_eq!(asks(&scene, &mut new, "3"), Some(NoticeCode::Challenge));
    assert_eq!(asks(&scene, &mut new, "4"), None);
}

#[test]
fn a_device_that_was_never_heard_is_not_repaired() {
    let scene = Scene::new();
    scene
        .folder
        .run(&["devices", "repair", &scene.id])
        .ends(REFUSED, &["no key ever spoke for the device"]);
    scene
        .folder
        .run(&["devices", "revoke-key", &scene.id])
        .ends(REFUSED, &["no key speaks for"]);
    scene
        .folder
        .run(&["devices", "declare-dead", &scene.id])
        .done();
    scene
        .folder
        .run(&["devices", "repair", &scene.id])
        .ends(REFUSED, &["declared dead", "readmit"]);
}
