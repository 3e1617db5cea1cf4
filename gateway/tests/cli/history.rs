//! The history: what somebody altered is found and named, and people can be forgotten.

use std::fs;

use diesel::connection::SimpleConnection;
use fleetgrant::store::{Db, Location};
use serde_json::Value;

use crate::folder::{Folder, REFUSED, UNAVAILABLE, USAGE};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/imports");

/// The samples, imported, under an authority with a key.
fn installation() -> Folder {
    let folder = Folder::new();
    let made = folder.run(&["pki", "init"]).done().out;
    let blocks = made.split_once("[[trust_anchor]]").unwrap().1;
    let config = format!("realm = \"acme\"\n[[trust_anchor]]{blocks}");
    let config = config.replace("product_line = \"devices\"", "product_line = \"pumps\"");
    fs::write(folder.path().join("fleetgrant.toml"), config).unwrap();
    folder.run(&["migrate"]).done();
    for kind in [
        "products",
        "skus",
        "parties",
        "orders",
        "shipments",
        "manifest",
        "entitlements",
    ] {
        let file = format!("{SAMPLES}/{kind}.csv");
        folder.run(&["import", kind, &file]).done();
    }
    folder
}

/// Changes the database behind the gateway's back, as one who owns the machine can.
fn tamper(folder: &Folder, statement: &str) {
    let location = Location::Sqlite(folder.path().join("fleetgrant.db"));
    let Db::Sqlite(local) = &mut location.connect().unwrap() else {
        unreachable!("the location says SQLite");
    };
    let unguarded = "DROP TRIGGER IF EXISTS events_are_append_only;\
         DROP TRIGGER IF EXISTS events_are_never_deleted;";
    local.connection.batch_execute(unguarded).unwrap();
    local.connection.batch_execute(statement).unwrap();
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn id_of(folder: &Folder, name: &str) -> String {
    let listed = folder.run(&["parties", "list", "--output", "json"]).done();
    let parties: Vec<Value> = serde_json::from_str(&listed.out).unwrap();
    let party = parties.iter().find(|party| party["name"] == name).unwrap();
    party["party"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_altered_is_named() {
    let folder = installation();
    folder
        .run(&["history", "verify"])
        .ends(0, &["every event is what was written: "]);
    tamper(
        &folder,
        "UPDATE events SET actor = 'nobody' WHERE stream = 'catalogue' AND seq = 2",
    );
    folder
        .run(&["history", "verify"])
        .ends(REFUSED, &["catalogue: event 2 is not what was written"]);
    // Also where this version could not even read what stands there.
    tamper(
        &folder,
        "UPDATE events SET kind = 32000 WHERE stream = 'catalogue' AND seq = 1",
    );
    folder
        .run(&["history", "verify"])
        .ends(REFUSED, &["catalogue: event 1 is not what was written"]);
    tamper(
        &folder,
        "DELETE FROM events WHERE stream = 'catalogue' AND seq = 1",
    );
    folder.run(&["history", "verify"]).ends(
        REFUSED,
        &["catalogue: event 2 stands where event 1 was expected"],
    );
}

#[test]
fn a_checkpoint_finds_what_was_cut_off() {
    let folder = installation();
    let made = folder.run(&["history", "checkpoint"]).done();
    let file = folder.path().join("checkpoint");
    fs::write(&file, &made.out).unwrap();
    let holds = ["history", "verify", "--checkpoint", "checkpoint"];
    // What comes later does not matter.
    folder
        .run(&["keys", "create", "erp", "--role", "auditor"])
        .done();
    folder
        .run(&holds)
        .ends(0, &["holds", "streams have what they had"]);
    tamper(
        &folder,
        "DELETE FROM events WHERE stream = 'catalogue' AND seq = \
             (SELECT MAX(seq) FROM events WHERE stream = 'catalogue')",
    );
    folder.run(&["history", "verify"]).done();
    folder
        .run(&holds)
        .ends(REFUSED, &["catalogue: event ", "cut off or written anew"]);
}

#[test]
fn a_checkpoint_that_was_changed_or_is_none_is_refused() {
    let folder = installation();
    let made = folder.run(&["history", "checkpoint"]).done().out;
    let refused = |text: &str, told: &str| {
        fs::write(folder.path().join("checkpoint"), text).unwrap();
        folder
            .run(&["history", "verify", "--checkpoint", "checkpoint"])
            .ends(REFUSED, &[told]);
    };
    refused(
        &made.replacen("\"seq\":1,", "\"seq\":2,", 1),
        "the signature is not by",
    );
    let (cut, _) = made.trim_end().rsplit_once('\n').unwrap();
    refused(&format!("{cut}\n"), "it ends too early");
    refused("", "line 1 is none of a checkpoint");
    refused("{\"stream\":\"a\"}\n", "line 1 is none of a checkpoint");
    refused(&format!("{made}{{}}\n"), "lines follow the signature");
    refused(&"x".repeat(5_000), "too long");
    folder
        .run(&["history", "verify", "--checkpoint", "none"])
        .ends(UNAVAILABLE, &[]);
    // Another authority's key did not sign it.
    fs::write(folder.path().join("checkpoint"), &made).unwrap();
    folder.run(&["pki", "authority", "--epoch", "2"]).done();
    let by = |key: &str| {
        let args = [
            "history",
            "verify",
            "--checkpoint",
            "checkpoint",
            "--authority",
            key,
        ];
        folder.run(&args)
    };
    by("pki/authority.pub").done();
    by("pki/authority-2.pub").ends(REFUSED, &["the signature is not by"]);
    by("fleetgrant.toml").ends(USAGE, &["no P-256 public key"]);
}

#[test]
fn the_history_is_exported_whole_or_of_one_thing() {
    let folder = installation();
    let export = |args: &[&str]| {
        let args = [&["history", "export"], args].concat();
        lines(&folder.run(&args).done().out)
    };
    let all = export(&[]);
    let whole = lines(&folder.run(&["report", "events"]).done().out);
    assert_eq!(all, whole);
    let device = all
        .iter()
        .find_map(|event| event["stream"].as_str().unwrap().strip_prefix("device:"))
        .unwrap();
    let of_device = export(&["--device", device]);
    assert!(!of_device.is_empty());
    assert!(
        of_device
            .iter()
            .all(|event| event["stream"] == format!("device:{device}"))
    );
    let of_party = export(&["--party", "C-200"]);
    let kinds = |prefix: &str| {
        let of_kind = |event: &&Value| event["stream"].as_str().unwrap().starts_with(prefix);
        of_party.iter().filter(of_kind).count()
    };
    for kind in ["party:", "order:", "entitlement:", "device:"] {
        assert!(kinds(kind) > 0, "{kind} {of_party:#?}");
    }
    assert_eq!(of_party[0]["personal"], "Lakeside Clinic");
    let other = id_of(&folder, "General Hospital North");
    assert!(
        of_party
            .iter()
            .all(|event| event["stream"] != format!("party:{other}"))
    );
    folder
        .run(&["history", "export", "--device", "a-1", "--party", "C-200"])
        .ends(USAGE, &["cannot be used with"]);
    folder
        .run(&["history", "export", "--device", "no-such"])
        .ends(REFUSED, &["the history has nothing of it"]);
    folder
        .run(&["history", "export", "--party", "nobody"])
        .ends(REFUSED, &["no party"]);
}

#[test]
fn a_party_is_forgotten_and_the_chains_hold() {
    let folder = installation();
    let id = id_of(&folder, "Lakeside Clinic");
    folder
        .run(&["parties", "erase", "C-200"])
        .ends(0, &[&format!("erased of {id}"), "in 1 events"]);
    folder.run(&["history", "verify"]).done();
    let all = folder.run(&["history", "export"]).done().out;
    assert!(!all.contains("Lakeside"));
    let told = lines(&all);
    let told = told.last().unwrap();
    assert_eq!(told["kind"], "personal-erased");
    assert_eq!(told["stream"], format!("party:{id}"));
    for list in ["parties", "orders", "entitlements", "devices"] {
        let shown = folder.run(&[list, "list", "--output", "json"]).done().out;
        assert!(!shown.contains("Lakeside"), "{shown}");
    }
    folder
        .run(&["parties", "erase", "C-200"])
        .ends(0, &["nothing left to erase"]);
    folder
        .run(&["parties", "erase", "C-999"])
        .ends(REFUSED, &["no party has the name"]);
}
