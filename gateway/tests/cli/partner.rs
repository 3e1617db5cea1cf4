//! Codes that a partner hands out.

use std::fs;

use fleetgrant_agent::host::{HostKeys, MemoryStorage};
use fleetgrant_agent::{Agent, Ask};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::request::Reason;

use crate::folder::REFUSED;
use crate::scene::{START, Scene};

/// A partner with units of a product, and a pack of codes for them; the first code.
fn pack(scene: &Scene) -> String {
    for (kind, text) in [
        (
            "parties",
            "system,party,name,kind\nerp,P-1,Reseller,partner\n",
        ),
        (
            "entitlements",
            "system,entitlement,owner,product,model,units\nerp,PACK,P-1,SCOPE-BW,perpetual,5\n",
        ),
        (
            "codes",
            "pack,system,entitlement,count,partner\nSPRING,erp,PACK,3,P-1\n",
        ),
    ] {
        let file = format!("{kind}.csv");
        fs::write(scene.path(&file), text).unwrap();
        let args = ["import", kind, &file, "--codes", "codes.out"];
        let args = if kind == "codes" {
            &args[..]
        } else {
            &args[..3]
        };
        scene.folder.run(args).done();
    }
    let codes = fs::read_to_string(scene.path("codes.out")).unwrap();
    let first = codes.lines().nth(1).unwrap();
    first.rsplit(',').next().unwrap().to_owned()
}

#[test]
fn what_a_code_gives_is_the_end_user_s_and_the_partner_sees_counts() {
    let scene = Scene::new();
    let code = pack(&scene);
    let (profile, keys) = (scene.profile(), scene.keys());
    let mut scratch = [0; limits::MAX_DOWN];
    let storage = MemoryStorage::default();
    let mut agent: Agent<'_, &HostKeys, _, _, 8> =
        Agent::start(&profile, &keys, storage, vec![0; 4096], &mut scratch, START).unwrap();
    let mut buffer = [0; limits::MAX_UP];
    let mut take = |name: &str, code: &str| {
        let ask = Ask {
            code: Some(code.parse().unwrap()),
            ..Ask::for_what_is_owed(Reason::Upgrade)
        };
        let len = agent.export_request(&ask, &mut buffer, START).unwrap();
        fs::write(scene.path(name), &buffer[..len]).unwrap();
        let out = format!("{name}.answer");
        let outcome = scene
            .folder
            .run(&["offline", "request", name, "--out", &out]);
        let answer = fs::read(scene.path(&out)).unwrap();
        let kind = Agent::<'_, &HostKeys, MemoryStorage, Vec<u8>, 8>::file_type(&answer).unwrap();
        agent.handle_message(&answer, kind, START).unwrap();
        outcome
    };
    take("1", &code).ends(REFUSED, &["challenge"]);
    take("2", &code).done();
    // Typed once more, it is what is there.
    take("3", &code).done();

    let listed = scene.json(&["entitlements", "list"]);
    let rows = listed.as_array().unwrap();
    let called = |word: &str| {
        let found = rows
            .iter()
            .find(|row| row["reference"].as_str().unwrap().starts_with(word));
        let row = found.unwrap();
        let figure = |name: &str| row[name].as_i64().unwrap();
        (row["owner"].clone(), figure("units"), figure("in_use"))
    };
    assert_eq!(called("PACK"), ("Reseller".into(), 4, 0));
    let device = scene.json(&["devices", "show", &scene.id]);
    assert_eq!(called("PACK#"), (device["owner"].clone(), 1, 1));
    let packs = scene.json(&["codes", "list", "--partner", "P-1"]);
    let pack = &packs.as_array().unwrap()[0];
    for (name, figure) in [("codes", 3), ("used", 1), ("left", 2), ("units_used", 1)] {
        assert_eq!(pack[name], figure, "{name}");
    }
    let text = packs.to_string();
    assert!(!text.contains(&scene.id), "nobody is named: {text}");
}
