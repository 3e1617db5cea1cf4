//! Devices that are prepared before they are heard: the real agent takes what the line puts on it.

use std::collections::BTreeSet;
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

const HEADER: &str = "serial,hwmodel,batch,key_thumbprint\n";
const BUILT: usize = 4_000;

/// Devices that nobody has bought, with what was built into them; the first has this key, the
/// others nobody's.
fn stock(scene: &Scene, key: &str) {
    let entitlement = "system,entitlement,product,model,units,source\n\
                       line,STOCK,SCOPE-BW,perpetual,4000,factory\n";
    fs::write(scene.path("stock.csv"), entitlement).unwrap();
    let rows = (0..BUILT).map(|n| {
        let key = match n {
            0 => key.to_owned(),
            _ => format!("{n:064x}"),
        };
        format!("ST-{n},mk2,STOCK-1,{key}\n")
    });
    let manifest: String = rows.collect();
    fs::write(scene.path("built.csv"), format!("{HEADER}{manifest}")).unwrap();
    scene
        .folder
        .run(&["import", "entitlements", "stock.csv"])
        .done();
    scene
        .folder
        .run(&["import", "manifest", "built.csv"])
        .done();
    for words in [
        "each of 4000 devices; 0 have",
        "each of 0 devices; 4000 have",
    ] {
        let args = ["factory", "reserve", "--batch", "STOCK-1"];
        let reserve = [&args[..], &["--entitlement", "STOCK"]].concat();
        scene.folder.run(&reserve).ends(0, &[words]);
    }
}

/// The streams of the events of a kind, as often as there are such events.
fn told(scene: &Scene, kind: &str) -> Vec<String> {
    let events = scene
        .folder
        .run(&["report", "events", "--kind", kind])
        .done();
    let stream = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["stream"].as_str().unwrap().to_owned()
    };
    events.out.lines().map(stream).collect()
}

/// Orders of three customers, and the shipments that serve them from stock.
fn shipped(scene: &Scene) -> [Outcome; 2] {
    let (mut parties, mut orders, mut shipments) = (
        "system,party,name\n".to_owned(),
        "system,order,ordered_at,sold_to,line,sku,quantity\n".to_owned(),
        "system,shipment,order,line,quantity,shipped_at,serials\n".to_owned(),
    );
    for (buyer, devices) in [(1, 0..1_500), (2, 1_500..3_000), (3, 3_000..BUILT)] {
        let quantity = devices.len();
        let serials: Vec<_> = devices.map(|n| format!("ST-{n}")).collect();
        let serials = serials.join(";");
        parties += &format!("erp,B-{buyer},Buyer {buyer}\n");
        orders += &format!("erp,O-{buyer},2026-01-10,B-{buyer},10,SC-BW,{quantity}\n");
        shipments += &format!("erp,S-{buyer},O-{buyer},10,{quantity},2026-02-10,{serials}\n");
    }
    for (kind, text) in [
        ("parties", parties),
        ("orders", orders),
        ("shipments", shipments),
    ] {
        fs::write(scene.path(&format!("{kind}.csv")), text).unwrap();
    }
    let import = |kind: &str| {
        let file = format!("{kind}.csv");
        scene.folder.run(&["import", kind, &file])
    };
    import("parties").done();
    import("orders").done();
    [import("shipments").done(), import("shipments").done()]
}

/// Units before are units after, every unit has one owner, and no device is told anything.
#[test]
fn what_was_built_to_stock_is_the_buyer_s_with_the_shipment() {
    let scene = Scene::new();
    fs::write(
        scene.path("skus.csv"),
        "sku,title,product,model\nSC-BW,Bandwidth,SCOPE-BW,perpetual\n",
    )
    .unwrap();
    scene.folder.run(&["import", "skus", "skus.csv"]).done();
    let issued = scene.issue("ST-0");
    let keys = HostKeys::from_pkcs8_der(issued.key_der(), issued.chain().to_vec()).unwrap();
    stock(&scene, &issued.key_thumbprint().to_string());
    scene
        .folder
        .run(&["factory", "grants", "--batch", "STOCK-1", "--out", "grants"])
        .ends(0, &["4000 of 4000"]);
    // One of them is tried on the line.
    let profile = Profile {
        device: fleetgrant_schemas::id::DeviceId::new("dev-ST-0").unwrap(),
        ..scene.profile()
    };
    let mut device = start(&profile, &keys, &scene.path("flash"));
    let grant = fs::read(scene.path("grants/dev-ST-0.grant")).unwrap();
    take(&mut device, &grant).unwrap();
    let mut buffer = [0; limits::MAX_UP];
    let len = device.export_ack(&mut buffer, START).unwrap().unwrap();
    fs::write(scene.path("ack"), &buffer[..len]).unwrap();
    scene.folder.run(&["offline", "ack", "ack"]).done();

    let published = told(&scene, "published");
    assert_eq!(published.len(), BUILT);

    let [first, again] = shipped(&scene);
    first.shows(&["3 created"]);
    again.shows(&["0 created", "3 unchanged"]);
    let entitlements = scene.json(&["entitlements", "list"]);
    let figures = |reference: &str| {
        let mut rows = entitlements.as_array().unwrap().iter();
        let row = rows.find(|row| row["reference"] == reference).unwrap();
        (
            row["units"].clone(),
            row["in_use"].clone(),
            row["owner"].clone(),
        )
    };
    assert_eq!(
        figures("STOCK"),
        (0.into(), 0.into(), serde_json::Value::Null)
    );
    for (buyer, units) in [(1, 1_500), (2, 1_500), (3, 1_000)] {
        let reference = format!("O-{buyer}/10/SCOPE-BW/perpetual");
        let owner = format!("Buyer {buyer}");
        assert_eq!(
            figures(&reference),
            (units.into(), units.into(), owner.into())
        );
    }
    let device = scene.json(&["devices", "show", "dev-ST-0"]);
    assert_eq!(
        (&device["owner"], &device["generation"]),
        (&"Buyer 1".into(), &1.into())
    );
    let activations = device["activations"].as_array().unwrap();
    assert_eq!(activations.len(), 1);
    assert_eq!(activations[0]["state"], "activated");
    // Nothing was activated again: each device has the unit that it was built with, and the one
    // that spoke has told of it once.
    assert_eq!(told(&scene, "published"), published);
    assert_eq!(told(&scene, "activated").len(), 1);
    let owned = told(&scene, "device-amended");
    let owned: BTreeSet<_> = owned.iter().collect();
    assert_eq!(owned.len(), BUILT, "each device has an owner");
    // What the factory says of it is still the same.
    scene
        .folder
        .run(&["import", "manifest", "built.csv"])
        .done()
        .shows(&["4000 unchanged"]);
}

/// A pass is the device's own signature, in the station's time; nobody enters it.
#[test]
fn a_run_passes_by_the_device_s_signature_and_yields_are_counted_from_runs() {
    let scene = Scene::new();
    name_key(&scene);
    let rows = "serial,batch\nBAD-1,B-1\nBAD-2,B-1\n";
    fs::write(scene.path("bad.csv"), rows).unwrap();
    scene.folder.run(&["import", "manifest", "bad.csv"]).done();
    let add = |limit: &str| {
        let args = ["factory", "station", "add", "ICT", "--time-limit", limit];
        scene.folder.run(&args).done();
    };
    let open = |device: &str| {
        let args = ["factory", "run", "open", device, "--station", "ICT"];
        scene.folder.run(&args)
    };
    let close = || scene.json(&["factory", "run", "close"]);
    let share = |by: &str| {
        let lines = scene.json(&["factory", "yield", "--by", by]);
        let line = lines.as_array().unwrap()[0].clone();
        (
            line["passed"].as_u64().unwrap(),
            line["units"].as_u64().unwrap(),
        )
    };
    open(&scene.id).ends(REFUSED, &["no station", "station add"]);
    add("600");
    grants(&scene).ends(REFUSED, &["1 of 3"]);
    open(&scene.id).ends(0, &["attempt 1"]);
    open(&scene.id).ends(REFUSED, &["is at ICT"]);
    assert_eq!(
        close().as_array().unwrap().len(),
        0,
        "nothing is decided yet"
    );
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut device = start(&profile, &keys, &scene.path("flash"));
    take(&mut device, &grant_file(&scene)).unwrap();
    let mut buffer = [0; limits::MAX_UP];
    let len = device.export_ack(&mut buffer, START).unwrap().unwrap();
    fs::write(scene.path("ack"), &buffer[..len]).unwrap();
    scene.folder.run(&["offline", "ack", "ack"]).done();
    let closed = close();
    assert_eq!(closed[0]["state"], "pass");
    assert_eq!((share("station"), share("batch")), ((1, 1), (1, 1)));

    // One that says nothing fails when its time is over, and one is scrapped.
    open("dev-BAD-1").done();
    open("dev-BAD-2").done();
    let scrap = |device: &str| scene.folder.run(&["factory", "run", "scrap", device]);
    scrap("dev-BAD-2").done();
    scrap("dev-BAD-2").ends(REFUSED, &["at no station"]);
    open("dev-BAD-2").ends(REFUSED, &["was scrapped"]);
    add("1");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(close()[0]["state"], "fail");
    assert_eq!((share("station"), share("batch")), ((1, 3), (1, 3)));
    open("dev-BAD-1").ends(0, &["attempt 2"]);
    let none = ["factory", "yield", "--to", "2000-01-01"];
    assert_eq!(scene.json(&none).as_array().unwrap().len(), 0);
}
