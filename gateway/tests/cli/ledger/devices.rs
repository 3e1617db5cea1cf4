//! Acts on devices: units are assigned to them, and one stands in for another.

use serde_json::Value;

use super::{column, installation, json};
use crate::folder::{Folder, REFUSED};

#[test]
fn an_assignment_takes_its_units_and_cancelling_gives_them_back() {
    let folder = installation();
    let in_use = || json(&folder, &["entitlements", "show", "O-1/10"])["in_use"].clone();
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10", "--units", "2"])
        .ends(0, &["sc-1 gets it when it next asks"])
        .shows(&["reserved"]);
    assert_eq!(in_use(), 2);
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10"])
        .ends(REFUSED, &["no-units-left"]);

    let listed = json(&folder, &["activations", "list", "--entitlement", "O-1/10"]);
    assert_eq!(column(&listed, "state"), ["reserved"]);
    let id = &column(&listed, "activation")[0];
    folder
        .run(&["activations", "cancel", id])
        .done()
        .shows(&["cancelled"]);
    assert_eq!(in_use(), 0);
    folder
        .run(&["activations", "cancel", id])
        .ends(REFUSED, &["no such activation"]);
    let device = json(&folder, &["devices", "show", "sc-1"]);
    assert_eq!(device["activations"][0]["state"], "cancelled");
}

#[test]
fn units_of_one_owner_are_not_assigned_to_a_device_of_another() {
    let folder = installation();
    folder
        .run(&["activations", "assign", "sc-2", "O-1/10"])
        .ends(REFUSED, &["other-owner"]);
    assert_eq!(
        json(&folder, &["activations", "list"]),
        Value::Array(vec![])
    );
}

#[test]
fn a_device_that_was_never_admitted_is_pushed_nothing() {
    let folder = installation();
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10", "--now"])
        .ends(REFUSED, &["never admitted"]);
    assert_eq!(
        json(&folder, &["entitlements", "show", "O-1/10"])["in_use"],
        0
    );
}

/// The path of a device that breaks at night: a stop-gap on a spare, the old one declared dead, its
/// unit taken over.
#[test]
fn a_broken_device_is_replaced() {
    let folder = installation();
    let assigned = folder.run(&["activations", "assign", "sc-1", "O-1/10", "--units", "2"]);
    assigned.done();
    folder
        .run(&["activations", "temporary", "sc-3", "O-1/10"])
        .done()
        .shows(&["kind", "temporary", "reserved"]);
    let spare = json(&folder, &["devices", "show", "sc-3"]);
    assert_eq!(spare["owner"], "Acme Optics", "it was nobody's");
    folder
        .run(&["activations", "temporary", "sc-3", "O-1/10"])
        .ends(REFUSED, &["approval-needed", "it waits in the case"]);
    folder
        .run(&["activations", "temporary", "sc-2", "O-1/10"])
        .ends(REFUSED, &["other-owner"]);

    folder.run(&["devices", "declare-dead", "sc-1"]).done();
    folder
        .run(&["devices", "declare-dead", "sc-1"])
        .ends(REFUSED, &["tombstoned"]);
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10"])
        .ends(REFUSED, &["tombstoned"]);
    let old = json(&folder, &["activations", "list", "--device", "sc-1"]);
    assert_eq!(old[0]["state"], "cancelled", "it was never out");
    folder
        .run(&[
            "activations",
            "take-over",
            "sc-3",
            old[0]["activation"].as_str().unwrap(),
        ])
        .ends(REFUSED, &["nothing is free"]);
    folder.run(&["devices", "readmit", "sc-1"]).done();
    folder
        .run(&["devices", "readmit", "sc-1"])
        .ends(REFUSED, &["not declared dead"]);
}

/// Two in the morning: one command, shown first; what it leaves behind is for somebody else.
#[test]
fn an_outage_is_bridged_by_one_and_settled_by_another() {
    let folder = installation();
    let ann = [("USER", "ann")];
    folder
        .run(&["activations", "assign", "sc-1", "O-1/10"])
        .done();
    folder
        .run_with(&["outage", "sc-1", "sc-3", "--preview"], &ann)
        .ends(0, &["nothing was changed"])
        .shows(&["sc-3", "temporary", "1 of temporary", "standard/1"]);
    let count = |folder: &Folder, args: &[&str]| json(folder, args).as_array().unwrap().len();
    assert_eq!(count(&folder, &["activations", "list"]), 1);
    assert_eq!(count(&folder, &["cases", "list"]), 0);

    folder.run_with(&["outage", "sc-1", "sc-3"], &ann).done();
    let spare = json(&folder, &["activations", "list", "--device", "sc-3"]);
    assert_eq!(spare[0]["kind"], "temporary");
    let waits = json(&folder, &["cases", "list", "--step", "approval"]);
    assert_eq!(
        (
            &waits[0]["device"],
            &waits[0]["want"],
            &waits[0]["requested_by"]
        ),
        (&"sc-1".into(), &"write-off/".into(), &"operator ann".into())
    );
    let case = waits[0]["case"].as_str().unwrap();
    folder
        .run_with(&["cases", "approve", case], &ann)
        .ends(REFUSED, &["somebody else must decide"]);
    folder
        .run_with(&["cases", "approve", case], &[("USER", "ben")])
        .done();
    folder
        .run_with(&["cases", "refuse", case], &[("USER", "ben")])
        .ends(REFUSED, &["waits for no approval"]);
    assert_eq!(
        json(&folder, &["devices", "show", "sc-1"])["state"],
        "tombstoned"
    );
    let closed = json(&folder, &["cases", "list", "--all"]);
    assert_eq!(closed[0]["decided_by"], "operator ben");

    // The next one of the year waits for somebody else.
    folder
        .run(&["activations", "assign", "sc-3", "O-1/10"])
        .done();
    let read = |args: &[&str]| json(&folder, args);
    folder
        .run_with(&["activations", "temporary", "sc-3", "O-1/10"], &ann)
        .ends(REFUSED, &["approval-needed", "it waits in the case"]);
    let waits = read(&["cases", "list", "--step", "approval"]);
    let case = waits[0]["case"].as_str().unwrap();
    folder
        .run_with(&["cases", "approve", case], &ann)
        .ends(REFUSED, &["somebody else must decide"]);
    let ben = [("USER", "ben")];
    folder.run(&["cases", "show", case]).done().shows(&[
        "decided for",
        "Acme Optics",
        "standard/1",
        "asked",
        "O-1/10",
        "quotas",
        "the device has",
    ]);
    let facts = read(&["cases", "show", case])["facts"].clone();
    assert_eq!(facts["asked"][0]["units"], 1);
    assert_eq!(facts["quotas"][0]["used"], 1);
    assert_eq!(facts["quotas"][0]["limit"], 1);
    folder
        .run_with(&["cases", "approve", case, "--preview"], &ben)
        .ends(0, &["nothing was changed"])
        .shows(&["sc-3", "temporary"]);
    folder
        .run_with(&["cases", "refuse", case, "--preview"], &ben)
        .ends(0, &["nothing was changed"]);
    let before = read(&["activations", "list", "--device", "sc-3"]);
    folder.run_with(&["cases", "approve", case], &ben).done();
    let after = read(&["activations", "list", "--device", "sc-3"]);
    assert_eq!(
        after.as_array().unwrap().len(),
        before.as_array().unwrap().len() + 1
    );

    // It is done whole or not at all.
    folder
        .run_with(&["outage", "sc-3", "sc-2"], &ann)
        .ends(REFUSED, &["other-owner"]);
    folder.run_with(&["outage", "sc-2", "sc-3"], &ann).ends(
        REFUSED,
        &["no right that another device could stand in for"],
    );
}
