//! `entitlements co-term`: what a party owns, to end together.

use std::fs;

use serde_json::Value;

use crate::folder::{Folder, REFUSED, USAGE};

/// A customer in Vienna with a right for ever, one to the end of 2030, one to the end of 2040, one for a
/// year from its first activation, and another customer with one to the end of 2030.
fn customer() -> Folder {
    let folder = Folder::with_config(
        "realm = \"acme\"\n[authority]\nnot_before = \"2026-01-01T00:00:00Z\"\n\
         not_after = \"2027-01-01T00:00:00Z\"\n",
    );
    folder.run(&["migrate"]).done();
    import(&folder, "products", "product,title,feature\nP,Pump,pump\n");
    import(
        &folder,
        "parties",
        "system,party,name,time_zone\nerp,C-1,Acme,Europe/Vienna\nerp,C-2,Bright,UTC\n",
    );
    import(
        &folder,
        "entitlements",
        "system,entitlement,owner,product,model,units,starts_at,term,ends_at,start_basis\n\
         erp,EVER,C-1,P,perpetual,2,,,,\n\
         erp,SHORT,C-1,P,subscription,2,2026-01-01,,2031-01-01,\n\
         erp,LONG,C-1,P,subscription,2,2026-01-01,,2041-01-01,\n\
         erp,WAITS,C-1,P,subscription,2,,P1Y,,first-activation\n\
         erp,OTHER,C-2,P,subscription,2,2026-01-01,,2031-01-01,\n",
    );
    folder
}

fn import(folder: &Folder, kind: &str, rows: &str) {
    fs::write(folder.path().join("rows.csv"), rows).unwrap();
    folder.run(&["import", kind, "rows.csv"]).done();
}

fn ends(folder: &Folder, reference: &str) -> String {
    let shown = folder.run(&["entitlements", "show", reference, "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.done().out).unwrap();
    shown["ends"].as_str().unwrap_or("never").to_owned()
}

fn results(out: &str) -> Vec<(String, String)> {
    let lines: Value = serde_json::from_str(out).unwrap();
    let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    let lines = lines.as_array().unwrap().iter();
    let mut lines: Vec<_> = lines
        .map(|line| (text(line, "entitlement"), text(line, "result")))
        .collect();
    lines.sort();
    lines
}

const TO: [&str; 7] = [
    "entitlements",
    "co-term",
    "C-1",
    "--until",
    "2035-07-01",
    "--output",
    "json",
];

#[test]
fn what_ends_earlier_is_renewed_and_the_rest_says_why_it_is_not() {
    let folder = customer();
    let expected = [
        ("EVER", "unchanged"),
        ("LONG", "refused"),
        ("SHORT", "moved"),
        ("WAITS", "unchanged"),
    ];
    let expected = expected.map(|(name, result)| (name.to_owned(), result.to_owned()));
    let looked = folder.run(&[&TO[..], &["--preview"]].concat());
    let looked = looked.ends(REFUSED, &["1 of 4 were refused", "nothing was changed"]);
    assert_eq!(results(&looked.out), expected);
    assert_eq!(ends(&folder, "SHORT"), "2030-12-31T23:00:00Z");
    let done = folder.run(&TO).ends(REFUSED, &["1 of 4"]);
    assert_eq!(results(&done.out), expected);
    done.shows(&["EVER is left out", "WAITS is left out", "--shorten"]);
    // A date is one in the owner's zone, which has summer time then.
    assert_eq!(ends(&folder, "SHORT"), "2035-06-30T22:00:00Z");
    assert_eq!(ends(&folder, "LONG"), "2040-12-31T23:00:00Z");
    assert_eq!(ends(&folder, "OTHER"), "2031-01-01T00:00:00Z");
    // Once more it changes nothing.
    let again = folder.run(&TO).ends(REFUSED, &[]);
    again.shows(&["SHORT ends at 2035-06-30T22:00:00Z already"]);
    let shortened = folder.run(&[&TO[..], &["--shorten"]].concat()).done();
    assert_eq!(
        results(&shortened.out)[1],
        ("LONG".to_owned(), "moved".to_owned())
    );
    assert_eq!(ends(&folder, "LONG"), "2035-06-30T22:00:00Z");
    let only = [
        "entitlements",
        "co-term",
        "C-1",
        "--until",
        "2036-01-01",
        "--only",
    ];
    folder
        .run(&[&only[..], &["OTHER"]].concat())
        .ends(REFUSED, &["OTHER is not of C-1"]);
    folder.run(&[&only[..], &["LONG"]].concat()).done();
    assert_eq!(ends(&folder, "LONG"), "2035-12-31T23:00:00Z");
    assert_eq!(ends(&folder, "SHORT"), "2035-06-30T22:00:00Z");
    folder
        .run(&["entitlements", "co-term", "C-1"])
        .ends(USAGE, &["--until"]);
}

#[test]
fn a_contract_says_when_what_is_bought_under_it_ends() {
    let folder = customer();
    let contract = [
        "policies",
        "contract",
        "C-1",
        "--reference",
        "F-1",
        "--co-term",
        "2036-01-01",
    ];
    folder
        .run(&["policies", "contract", "C-1", "--reference", "F-1"])
        .ends(USAGE, &["FILE"]);
    let by = ["entitlements", "co-term", "C-1", "--contract", "F-1"];
    folder.run(&by).ends(REFUSED, &["no contract F-1 in force"]);
    folder.run(&contract).ends(0, &["F-1 is in force"]);
    folder.run(&contract).ends(0, &["F-1 says so already"]);
    let shown = folder.run(&["policies", "effective", "C-1"]).done();
    shown.shows(&[
        "# standard/1\n",
        "# what is bought ends at 2035-12-31T23:00:00Z",
    ]);
    import(
        &folder,
        "skus",
        "sku,title,product,model,term\nS,Pump,P,subscription,P1Y\nE,Ever,P,perpetual,\n",
    );
    let order = "system,order,ordered_at,sold_to,line,sku,quantity\n";
    import(
        &folder,
        "orders",
        &format!("{order}erp,O-1,2026-11-01,C-1,1,S,2\nerp,O-1,2026-11-01,C-1,2,E,2\n"),
    );
    assert_eq!(
        ends(&folder, "O-1/1/P/subscription"),
        "2035-12-31T23:00:00Z"
    );
    assert_eq!(ends(&folder, "O-1/2/P/perpetual"), "never");
    folder
        .run(&by)
        .ends(REFUSED, &["1 of 6"])
        .shows(&["SHORT", "O-1/1/P/subscription ends at"]);
    assert_eq!(ends(&folder, "SHORT"), "2035-12-31T23:00:00Z");
    // What another buys, or is bought when the contract has ended, runs as it is sold.
    folder
        .run(&["policies", "release", "C-1"])
        .ends(0, &["F-1 has ended"]);
    import(
        &folder,
        "orders",
        &format!("{order}erp,O-2,2026-11-01,C-1,1,S,2\nerp,O-3,2026-11-01,C-2,1,S,2\n"),
    );
    for reference in ["O-2/1/P/subscription", "O-3/1/P/subscription"] {
        let ends = ends(&folder, reference);
        assert!(!ends.starts_with("2035"), "{reference}: {ends}");
    }
}
