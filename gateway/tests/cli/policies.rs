//! `policies`: what the tiers of customers are allowed.

use std::fs;

use serde_json::Value;

use crate::folder::{Folder, REFUSED, USAGE};

fn installation() -> Folder {
    let folder = Folder::with_config(
        "realm = \"acme\"\n[authority]\nnot_before = \"2026-01-01T00:00:00Z\"\n\
         not_after = \"2027-01-01T00:00:00Z\"\n",
    );
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

/// Two customers, one of the tier volume, who have units of one product.
fn customers() -> Folder {
    let folder = installation();
    for (kind, rows) in [
        ("products", "product,title,feature\nP,Pump,pump\n"),
        (
            "parties",
            "system,party,name,tier\nerp,C-1,Acme,volume\nerp,C-2,Bright,\n",
        ),
        (
            "entitlements",
            "system,entitlement,owner,product,model,units\nerp,E-1,C-1,P,perpetual,2\n\
             erp,E-2,C-2,P,perpetual,2\n",
        ),
    ] {
        let file = format!("{kind}.csv");
        fs::write(folder.path().join(&file), rows).unwrap();
        folder.run(&["import", kind, &file]).done();
    }
    for (name, terms) in [
        ("p.toml", "grace_days = 1\nactivation = \"approval\"\n"),
        ("c.toml", "grace_days = 2\n"),
        ("e.toml", "grace_days = 3\n"),
        ("offline.toml", "grace_days = 3\noffline = false\n"),
        ("lease.toml", "lease_days = 30\n"),
        ("renew.toml", "renew_after_days = 10\n"),
        ("unknown.toml", "grace = 3\n"),
    ] {
        fs::write(folder.path().join(name), terms).unwrap();
    }
    folder
}

#[test]
fn a_product_a_contract_and_an_entitlement_lie_over_the_tier_in_this_order() {
    let folder = customers();
    let run = |line: &str| folder.run(&line.split(' ').collect::<Vec<_>>());
    let shows = |line: &str, words: &[&str]| drop(run(line).done().shows(words));
    run("policies product P p.toml --reference P-1 --dry-run").ends(0, &["it can be put in force"]);
    shows("policies effective C-1 --product P", &["# volume/1\n"]);
    run("policies product P p.toml --reference P-1").ends(0, &["product:P-1 is in force for P"]);
    run("policies product P p.toml --reference P-1").ends(0, &["P-1 says so already"]);
    run("policies product P e.toml --reference P-1").ends(REFUSED, &["another reference"]);
    shows(
        "policies effective C-1 --product P",
        &[
            "# volume/1+product:P-1\n",
            "grace_days = 1",
            "activation = \"approval\"",
        ],
    );
    run("policies contract C-1 c.toml --reference F-1").done();
    shows(
        "policies effective C-1 --product P",
        &[
            "# volume/1+product:P-1+F-1\n",
            "grace_days = 2",
            "activation = \"approval\"",
        ],
    );
    run("policies entitlement E-1 e.toml --reference R-1")
        .ends(0, &["entitlement:R-1 is in force for E-1"]);
    shows(
        "policies effective C-1 --entitlement E-1",
        &[
            "# volume/1+product:P-1+F-1+entitlement:R-1\n",
            "grace_days = 3",
        ],
    );
    shows(
        "policies effective C-1",
        &["# volume/1+F-1\n", "grace_days = 2"],
    );
    run("policies release C-1").done();
    run("policies release --product P").ends(0, &["P-1 has ended"]);
    run("policies release --product P").ends(0, &["no policy of its own already"]);
    shows(
        "policies effective C-1 --entitlement E-1",
        &[
            "# volume/1+entitlement:R-1\n",
            "activation = \"self-service\"",
        ],
    );
    run("policies release --entitlement E-1").ends(0, &["R-1 has ended"]);
    shows(
        "policies effective C-1 --entitlement E-1",
        &["# volume/1\n"],
    );
    run("history export --entitlement E-1")
        .done()
        .shows(&["policy-overridden"]);
}

#[test]
fn what_no_right_can_have_or_contradicts_is_refused_with_the_reason() {
    let folder = customers();
    let run = |line: &str| folder.run(&line.split(' ').collect::<Vec<_>>());
    let refused = |line: &str, words: &[&str]| drop(run(line).ends(REFUSED, words));
    refused(
        "policies entitlement E-1 offline.toml --reference R-1",
        &[
            "offline.toml is no policy of an entitlement",
            "offline is about a device",
        ],
    );
    refused(
        "policies product P unknown.toml --reference R-1",
        &["unknown field `grace`"],
    );
    refused(
        "policies product Z e.toml --reference R-1",
        &["no product \"Z\""],
    );
    refused(
        "policies entitlement Z e.toml --reference R-1",
        &["no entitlement \"Z\""],
    );
    refused(
        "policies product P lease.toml --reference R-1",
        &["in the tier s", "lease_days needs renew_after_days"],
    );
    refused(
        "policies entitlement E-2 lease.toml --reference R-1",
        &["E-2: ", "the tier standard"],
    );
    // Nothing of all that is there.
    run("policies effective C-2 --entitlement E-2")
        .done()
        .shows(&["# standard/1\n"]);
    run("policies contract C-2 renew.toml --reference F-1").done();
    run("policies entitlement E-2 lease.toml --reference R-1").done();
    refused(
        "policies release C-2",
        &["E-2: ", "R-1 of the entitlement contradicts"],
    );
    run("policies effective C-2 --entitlement E-2")
        .done()
        .shows(&["# standard/1+F-1+entitlement:R-1\n"]);
    run("policies release").ends(USAGE, &["--entitlement"]);
    run("policies release C-2 --entitlement E-2").ends(USAGE, &["cannot be used with"]);
}

#[test]
fn a_part_that_is_split_off_keeps_the_policy_and_a_new_owner_has_none() {
    let folder = customers();
    let run = |line: &str| folder.run(&line.split(' ').collect::<Vec<_>>());
    run("policies entitlement E-1 e.toml --reference R-1").done();
    run("entitlements split E-1 --units 1 --reference E-3").done();
    run("policies effective C-1 --entitlement E-3")
        .done()
        .shows(&["+entitlement:R-1\n"]);
    run("entitlements transfer E-3 --to C-2").done();
    run("policies effective C-2 --entitlement E-3")
        .done()
        .shows(&["# standard/1\n"]);
    run("policies effective C-1 --entitlement E-1")
        .done()
        .shows(&["+entitlement:R-1\n"]);
}

/// What an order gives beyond what was bought is by the policy of its product, and of the entitlement
/// where it is there already.
#[test]
fn an_order_gives_the_overdraft_of_its_product() {
    let folder = customers();
    let run = |line: &str| folder.run(&line.split(' ').collect::<Vec<_>>());
    let import = |kind: &str, rows: &str, more: &[&str]| {
        fs::write(folder.path().join("o.csv"), rows).unwrap();
        folder
            .run(&[&["import", kind, "o.csv"], more].concat())
            .done();
    };
    import("skus", "sku,title,product,model\nS,Pump,P,perpetual\n", &[]);
    fs::write(folder.path().join("over.toml"), "overdraft_units = 4\n").unwrap();
    fs::write(folder.path().join("more.toml"), "overdraft_units = 7\n").unwrap();
    run("policies product P over.toml --reference P-1").done();
    let order = "system,order,revision,ordered_at,sold_to,line,sku,quantity\nerp,O,";
    import("orders", &format!("{order}1,2026-11-01,C-1,1,S,2\n"), &[]);
    let reference = "O/1/P/perpetual";
    run(&format!(
        "policies entitlement {reference} more.toml --reference R-1"
    ))
    .done();
    import(
        "orders",
        &format!("{order}2,2026-11-01,C-1,1,S,3\n"),
        &["--amend"],
    );
    run(&format!("history export --entitlement {reference}"))
        .done()
        .shows(&[r#"overdraft\":\"4\""#, r#"overdraft\":\"7\""#]);
}
