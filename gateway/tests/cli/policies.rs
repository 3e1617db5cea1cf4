//! `policies`: what the tiers of customers are allowed.

use std::fs;

use serde_json::Value;

use crate::folder::{Folder, REFUSED, USAGE};

fn installation() -> Folder {
    let folder = Folder::with_config("realm = \"acme\"\n");
    folder.run(&["migrate"]).done();
    folder
}

/// The policy of the guide is one, so that what it tells to write can be written.
fn example() -> String {
    let guide = include_str!("../../../docs/policies.md");
    let (_, example) = guide.rsplit_once("```toml\n").unwrap();
    example.split_once("```").unwrap().0.to_owned()
}

#[test]
fn a_tier_of_the_makers_own_is_set_listed_and_shown() {
    let folder = installation();
    fs::write(folder.path().join("gold.toml"), example()).unwrap();
    folder
        .run(&["policies", "set", "gold", "gold.toml"])
        .ends(0, &["gold/1 is in force"]);
    folder
        .run(&["policies", "set", "gold", "gold.toml"])
        .ends(0, &["gold/1 says so already"]);
    let shown = folder.run(&["policies", "show", "gold"]).done().out;
    fs::write(
        folder.path().join("shown.toml"),
        shown.replace("lease_days = 90", ""),
    )
    .unwrap();
    folder
        .run(&["policies", "set", "gold", "shown.toml"])
        .ends(0, &["gold/2 is in force"]);
    let listed = folder.run(&["policies", "list", "--output", "json"]).done();
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["policy"].as_str().unwrap(),
                line["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            ("gold/2", "active"),
            ("gold/1", "retired"),
            ("standard/1", "active"),
            ("strategic/1", "active"),
            ("volume/1", "active"),
        ]
    );
    let old = folder
        .run(&["policies", "show", "gold", "--number", "1", "--json"])
        .done();
    let old: Value = serde_json::from_str(&old.out).unwrap();
    assert_eq!(
        (&old["state"], &old["rules"]["lease_days"]),
        (&"retired".into(), &90.into())
    );
}

#[test]
fn what_contradicts_itself_is_refused_by_line_and_changes_nothing() {
    let folder = installation();
    let text = example().replace("returns = \"self-service\"", "returns = \"refused\"");
    fs::write(folder.path().join("bad.toml"), text).unwrap();
    folder
        .run(&["policies", "set", "standard", "bad.toml"])
        .ends(
            REFUSED,
            &["bad.toml", "line 8", "rehost.mode", "returns are refused"],
        );
    folder
        .run(&["policies", "show", "standard"])
        .done()
        .shows(&["standard/1, active", "returns = \"self-service\""]);
    folder
        .run(&["policies", "show", "none"])
        .ends(REFUSED, &["policies list"]);
    folder
        .run(&["policies", "set", "No Tier", "bad.toml"])
        .ends(USAGE, &["a-z 0-9 -"]);
}

#[test]
fn a_party_is_imported_into_a_tier_that_has_a_policy() {
    let folder = installation();
    let rows = "system,party,name,tier\nerp,C-1,Acme,gold\n";
    fs::write(folder.path().join("parties.csv"), rows).unwrap();
    folder.run(&["import", "parties", "parties.csv"]).ends(
        REFUSED,
        &[
            "\"gold\" is not a tier",
            "standard, strategic, volume",
            "policies set",
        ],
    );
    fs::write(folder.path().join("gold.toml"), example()).unwrap();
    folder.run(&["policies", "set", "gold", "gold.toml"]).done();
    folder.run(&["import", "parties", "parties.csv"]).done();
}
