//! Keys of the HTTP API at the command line.

use crate::folder::{Folder, REFUSED, USAGE};

fn folder() -> Folder {
    let folder = Folder::with_config("realm = \"acme\"\n");
    folder.run(&["migrate"]).done();
    folder
}

#[test]
fn a_key_is_shown_once_listed_without_its_secret_and_revoked() {
    let folder = folder();
    let made = folder
        .run(&[
            "keys",
            "create",
            "erp",
            "--role",
            "integrator",
            "--role",
            "auditor",
        ])
        .done();
    let token = made.out.trim();
    assert!(token.starts_with("fgk_") && token.len() == 47, "{token}");
    assert!(!made.err.contains(token), "{made:?}");
    let listed = folder.run(&["keys", "list", "--output", "json"]).done();
    assert!(!listed.out.contains(&token[4..]));
    let keys: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(keys[0]["name"], "erp");
    assert_eq!(keys[0]["roles"], "integrator, auditor");
    assert_eq!(keys[0]["state"], "active");
    folder.run(&["keys", "revoke", "erp"]).done();
    folder.run(&["keys", "list"]).done().shows(&["revoked"]);
    folder
        .run(&["report", "events", "--stream", "key"])
        .done()
        .shows(&[
            "key-created",
            "key-revoked",
            "\"roles\":\"integrator, auditor\"",
        ]);
}

#[test]
fn what_cannot_be_a_key_is_refused_with_what_could() {
    let folder = folder();
    let refused = |args: &[&str], told: &[&str]| {
        let args = [&["keys"], args].concat();
        folder.run(&args).ends(REFUSED, told);
    };
    folder
        .run(&["keys", "create", "a", "--role", "admin"])
        .done();
    refused(
        &["create", "a", "--role", "support"],
        &["there is, or was, a key a"],
    );
    refused(
        &["create", "c", "--role", "customer"],
        &["a customer sees its own things only: say whose"],
    );
    refused(
        &["create", "d", "--role", "admin", "--expires-in", "3000d"],
        &["five years at most"],
    );
    refused(&["revoke", "nobody"], &["there is no key nobody"]);
    refused(
        &[
            "create",
            "e",
            "--role",
            "support",
            "--product-line",
            "pumps",
        ],
        &["there is no product line pumps"],
    );
    folder
        .run(&["keys", "create", "b b", "--role", "admin"])
        .ends(USAGE, &["1 to 64 of A-Z"]);
    folder
        .run(&["keys", "create", "b", "--role", "king"])
        .ends(USAGE, &["factory, operator, support"]);
}
