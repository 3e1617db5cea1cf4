//! The command line as a person uses it: what is printed where, and the exit codes.
#![allow(clippy::unwrap_used)]

mod co_term;
mod factory;
mod folder;
mod history;
mod import;
mod keys;
mod ledger;
mod maintenance;
mod migration;
mod offline;
mod partner;
mod pipe;
mod pki;
mod policies;
mod repair;
mod report;
mod scale;
mod scene;
mod webhooks;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use folder::{CONFIG, Folder, REFUSED, UNAVAILABLE, USAGE};

const REALM: &str = "realm = \"acme\"\n";

#[test]
fn a_wrong_option_is_a_usage_error_with_the_right_one() {
    Folder::with_config(REALM)
        .run(&["migrate", "--chek"])
        .ends(USAGE, &["--chek", "--check"]);
}

#[test]
fn help_names_the_exit_codes() {
    Folder::new()
        .run(&["--help"])
        .done()
        .shows(&["Exit codes:", "3  configuration"]);
}

#[test]
fn without_a_configuration_it_says_how_to_get_one() {
    Folder::new()
        .run(&["migrate"])
        .ends(CONFIG, &["realm is not configured", "quickstart"]);
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_the_right_one() {
    Folder::with_config("realm = \"acme\"\n[broker]\nadress = \"x\"\n")
        .run(&["migrate"])
        .ends(
            CONFIG,
            &[
                "fleetgrant.toml: broker.adress is no key",
                "did you mean address?",
            ],
        );
}

#[test]
fn an_unknown_variable_and_an_unknown_override_are_named() {
    let folder = Folder::with_config(REALM);
    folder
        .run_with(&["migrate"], &[("FLEETGRANT_TIMEZONE", "UTC")])
        .ends(CONFIG, &["the variable FLEETGRANT_TIMEZONE", "time_zone"]);
    folder.run(&["migrate", "--set", "log.levle=debug"]).ends(
        CONFIG,
        &["the command line: log.levle", "did you mean level?"],
    );
    folder
        .run(&["migrate", "--set", "debug"])
        .ends(CONFIG, &["KEY=VALUE"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    Folder::new()
        .run_with(&["migrate"], &[("FLEETGRANT_CONFIG", "elsewhere.toml")])
        .ends(CONFIG, &["cannot read the configuration elsewhere.toml"]);
}

#[test]
fn a_filter_that_is_none_is_refused() {
    Folder::with_config(REALM)
        .run(&["migrate", "--log-level", "fleetgrant=loud"])
        .ends(CONFIG, &["log.level = \"fleetgrant=loud\""]);
}

#[test]
fn the_database_is_made_once_and_private() {
    let folder = Folder::with_config("realm = \"acme\"\ndata_dir = \"state\"\n");
    folder
        .run(&["migrate"])
        .done()
        .shows(&["ran 2026-11-24-000001_catalogue"]);
    folder.run(&["migrate"]).done().shows(&["up to date"]);
    folder.run(&["migrate", "--check"]).done();
    let mode = |path: &str| {
        let metadata = fs::metadata(folder.path().join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("state"), 0o700);
    assert_eq!(mode("state/fleetgrant.db"), 0o600);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    // Below a file, since root may write into any folder.
    let folder = Folder::with_config("realm = \"acme\"\ndata_dir = \"file/state\"\n");
    fs::write(folder.path().join("file"), "").unwrap();
    folder
        .run(&["migrate"])
        .ends(UNAVAILABLE, &["file/state", "data_dir", "because: "]);
}

#[test]
fn what_is_no_database_is_named() {
    let folder = Folder::with_config(REALM);
    fs::write(folder.path().join("fleetgrant.db"), "text ".repeat(200)).unwrap();
    folder
        .run(&["migrate"])
        .ends(UNAVAILABLE, &["not a database"]);
}

#[test]
fn doctor_names_what_is_missing_and_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let folder = Folder::with_config(&format!(
        "realm = \"acme\"\n[broker]\naddress = \"{free}\"\n[broker.embedded]\nlisten = \"{free}\"\n"
    ));
    let outcome = folder
        .run(&["doctor"])
        .ends(REFUSED, &["checks failed"])
        .shows(&[
            "ok    configuration  fleetgrant.toml is well formed",
            "ok    clock",
            "fail  gateway",
            "fail  database",
            "→ run `fleetgrant migrate`",
            "ok    broker         not running",
        ]);
    assert!(!folder.path().join("fleetgrant.db").exists(), "{outcome:?}");
    folder.run(&["migrate"]).done();
    folder.run(&["doctor"]).shows(&["ok    database"]);
}

#[test]
fn a_gateway_does_not_start_with_people_of_a_product_line_that_is_not_there() {
    let folder = Folder::new();
    let made = folder.run(&["pki", "init", "--dir", "pki"]).done();
    let (_, sections) = made.out.split_once("\n\n").unwrap();
    let config = format!(
        "realm = \"acme\"\n{sections}\n[http]\nlisten = \"127.0.0.1:0\"\n[http.oidc]\n\
         issuer = \"https://login.example.com\"\naudience = \"fleetgrant\"\n\
         roles = {{ pump-desk = {{ role = \"support\", product_line = \"pumps\" }} }}\n"
    );
    std::fs::write(folder.path().join("fleetgrant.toml"), config).unwrap();
    folder.run(&["migrate"]).done();
    let told = "http.oidc.roles.pump-desk.product_line = \"pumps\": must be one of the product lines \
                development";
    folder.run(&["serve"]).ends(CONFIG, &[told]);
}

#[test]
fn doctor_names_a_product_line_of_people_that_is_not_there() {
    let folder = Folder::with_config(
        "realm = \"acme\"\n[http]\nlisten = \"127.0.0.1:0\"\n[http.oidc]\n\
         issuer = \"https://login.example.com\"\naudience = \"fleetgrant\"\n\
         roles = { pump-desk = { role = \"support\", product_line = \"pumps\" } }\n",
    );
    folder.run(&["migrate"]).done();
    folder.run(&["doctor"]).shows(&[
        "fail  people",
        "http.oidc.roles.pump-desk.product_line = \"pumps\"",
        "→ mend the name",
    ]);
}

#[test]
fn doctor_sees_a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    // Nobody answers at the address, and somebody listens where the broker would.
    Folder::with_config(&format!(
        "realm = \"acme\"\n[broker]\naddress = \"127.0.0.1:1\"\n[broker.embedded]\nlisten = \"{taken}\"\n"
    ))
    .run(&["doctor"])
    .ends(REFUSED, &[])
    .shows(&["fail  broker", "cannot listen on", "broker.embedded.listen"]);
}

#[test]
fn doctor_answers_programs_too() {
    let outcome = Folder::with_config("relm = \"acme\"\n").run(&["doctor", "--output", "json"]);
    let findings: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(findings[0]["verdict"], "fail");
    assert!(
        findings[0]["found"]
            .as_str()
            .unwrap()
            .contains("did you mean realm?")
    );
}

#[test]
fn what_is_no_message_is_refused_and_a_missing_file_is_unavailable() {
    let folder = Folder::new();
    fs::write(folder.path().join("message"), [0xd2, 0x84]).unwrap();
    folder
        .run(&["inspect", "message"])
        .ends(REFUSED, &["error: "]);
    folder
        .run(&["inspect", "none"])
        .ends(UNAVAILABLE, &["cannot read none", "because: "]);
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        Folder::new()
            .run(&["completions", shell])
            .done()
            .shows(&["migrate", "doctor"]);
    }
}
