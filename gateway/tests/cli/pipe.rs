//! Output that nobody reads to its end, as with `| head`.

use std::io::pipe;
use std::process::{Command, Stdio};

use crate::REALM;
use crate::folder::Folder;

/// What shells report of a program that SIGPIPE ended.
const SIGPIPE: i32 = 141;

#[test]
fn a_command_whose_reader_has_left_ends_quietly() {
    let anchor = "[[trust_anchor]]\nname = \"factory\"\nproduct_line = \"pumps\"\n\
                  id_prefix = \"pu\"\nidentity = \"san.hwModuleName\"\n\
                  admission = \"manifest\"\nroots = [\"root.pem\"]\n";
    let folder = Folder::with_config(&format!("{REALM}{anchor}"));
    folder.run(&["migrate"]).done();
    // More than buffers take, and not so many that others follow.
    let serials: String = (100..199)
        .map(|n| format!("{}-{n}\n", "S".repeat(100)))
        .collect();
    std::fs::write(folder.path().join("manifest"), format!("serial\n{serials}")).unwrap();
    folder.run(&["import", "manifest", "manifest"]).done();
    let commands: [&[&str]; 10] = [
        &["devices", "list"],
        &["devices", "list", "--output", "csv"],
        &["devices", "list", "--output", "json"],
        &["orders", "list", "--output", "csv"],
        &["activations", "list", "--output", "json"],
        &["report", "activation"],
        &["migrate"],
        &["doctor"],
        &["completions", "bash"],
        &["pki", "init", "--dir", "pki"],
    ];
    for args in commands {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_fleetgrant"))
            .args(args)
            .current_dir(folder.path())
            .stdout(Stdio::from(writer))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(SIGPIPE), ""),
            "{args:?}"
        );
    }
}

#[test]
fn output_that_cannot_be_written_otherwise_is_a_failure() {
    let folder = Folder::new();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_fleetgrant"))
        .args(["completions", "bash"])
        .current_dir(folder.path())
        .stdout(Stdio::from(full))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(crate::UNAVAILABLE), "{said}");
    assert!(said.contains("cannot write the completions"), "{said}");
}
