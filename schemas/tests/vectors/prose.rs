//! PROTOCOL.md says what the code does, and its examples are the vectors.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fleetgrant_schemas::ack::{Outcome, OutcomeReason};
use fleetgrant_schemas::entitlement::Model;
use fleetgrant_schemas::keys::Role;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::{Malformed, limits};

use crate::files::WRITE;
use crate::item::{Item, head};
use crate::{hex, valid};

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end -->";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md")
}

#[test]
fn the_examples_are_the_vectors() {
    let text = fs::read_to_string(path()).unwrap();
    let wanted = with_examples(&text);
    if std::env::var_os(WRITE).is_some() {
        fs::write(path(), &wanted).unwrap();
    }
    let found = fs::read_to_string(path()).unwrap();
    assert!(
        found == wanted,
        "the examples have drifted; if that is meant, write them anew with {WRITE}=1"
    );
    assert_eq!(text.matches(BEGIN).count(), 10);
}

fn with_examples(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once(END).unwrap();
        write!(out, "{before}{BEGIN}{name} -->\n{}{END}", example(name)).unwrap();
        rest = after;
    }
    out + rest
}

fn example(name: &str) -> String {
    let Some((vector, part)) = name.split_once(' ') else {
        assert_eq!(name, "sizes");
        return sizes();
    };
    let vector = valid::named(vector);
    let text = match part {
        "header" => vector.header.clone(),
        "payload" => vector.payload.clone(),
        "bytes" => {
            format!(
                "{}\nSHA-256 of the Sig_structure: {}",
                taken_apart(&vector.bytes),
                vector.digest
            )
        }
        other => panic!("a vector has no {other}"),
    };
    format!("```text\n{text}\n```\n")
}

/// The bytes of an envelope, its parts on lines of their own.
fn taken_apart(message: &[u8]) -> String {
    let mut message = Item::parse(message);
    let Item::Tag(18, sign1) = &mut message else {
        panic!("no COSE_Sign1")
    };
    let mut out = String::new();
    let mut line = |bytes: &[u8], says: &str| {
        writeln!(out, "{:<12}{says}", hex(bytes)).unwrap();
    };
    line(&head(6, 18), "tag 18: COSE_Sign1");
    line(&head(4, 4), "array of 4");
    for (item, name) in sign1
        .items()
        .iter()
        .zip(["protected header", "", "payload", "signature"])
    {
        match item {
            Item::Bytes(bytes) => {
                let len = bytes.len();
                line(&head(2, len as u64), &format!("{name}, {len} bytes"));
                for part in bytes.chunks(32) {
                    line(&[], &hex(part));
                }
            }
            _ => line(&item.encode(), "unprotected header: empty"),
        }
    }
    out
}

fn sizes() -> String {
    let named = [
        (
            "worked-request",
            "a request by x5t, with platform and one want",
        ),
        ("request-leaf", "a first request, its P-256 leaf in x5chain"),
        ("request-chain", "the same with leaf and issuing CA"),
        ("grant-least", "a grant without rights"),
        ("worked-grant", "a grant with one right"),
        ("grant-models", "a grant with seven"),
        ("grant-most", "64 rights and as much vendor data as fits"),
        ("worked-ack", "an ack by x5t"),
        ("ack-leaf", "an ack with the leaf"),
        ("notice-poke", "the least notice"),
        ("notice-stale-seq", "a notice with seq and challenge"),
        ("keys-least", "a key set of one key"),
        ("keys-rollover", "a key set of three, a root retired"),
    ];
    let mut out = String::from("| vector | bytes | |\n|---|---|---|\n");
    for (name, says) in named {
        let size = valid::named(name).size;
        writeln!(out, "| `{name}` | {size} | {says} |").unwrap();
    }
    out
}

#[test]
fn every_code_and_reason_has_its_row() {
    let text = fs::read_to_string(path()).unwrap();
    let mut rows: Vec<String> = Malformed::ALL
        .iter()
        .map(|reason| format!("\n| `{}` | ", reason.as_str()))
        .collect();
    macro_rules! rows_of {
        ($($list:ident),*) => {
            $(rows.extend($list::ALL.iter().map(|item| {
                format!("\n| {} | `{item}` |", item.number())
            }));)*
        };
    }
    rows_of!(NoticeCode, Reason, Model, Outcome, OutcomeReason, Role);
    for row in rows {
        assert_eq!(text.matches(&row).count(), 1, "{row}");
    }
}

#[test]
fn every_limit_is_told() {
    let text = fs::read_to_string(path()).unwrap();
    let (_, section) = text.split_once("\n## 12. ").unwrap();
    let (section, _) = section.split_once("\n## 13. ").unwrap();
    let day = 86_400;
    assert_eq!(limits::CHALLENGE_LIFETIME_OFFLINE % day, 0);
    for row in [
        format!("| message up | {} bytes |", thousands(limits::MAX_UP)),
        format!(
            "| message down | {} bytes, or *max-down*, which is at least {} |",
            thousands(limits::MAX_DOWN),
            limits::MIN_DOWN
        ),
        format!(
            "| certificate; certificates in x5chain | {} bytes; {} |",
            thousands(limits::MAX_CERTIFICATE),
            limits::MAX_CHAIN
        ),
        format!("| entitlements in a set | {} |", limits::MAX_ENTITLEMENTS),
        format!(
            "| wants in a request, denials in a grant | {} |",
            limits::MAX_WANTS
        ),
        format!("concerned | {} each |", limits::MAX_LISTED),
        format!(
            "| keys, retired roots in a key set | {}, {} |",
            limits::MAX_KEYS,
            limits::MAX_RETIRED_ROOTS
        ),
        format!("payload | {} |", limits::MAX_DEPTH),
        format!("below 2^{} |", (limits::MAX_COUNTER + 1).ilog2()),
        format!("| step of seq | below 2^{};", limits::MAX_SEQ_JUMP.ilog2()),
        format!("persisted in blocks of {} |", limits::SEQ_BLOCK),
        format!(
            "| good for {} h; for {} d in a file |",
            limits::CHALLENGE_LIFETIME / 3_600,
            limits::CHALLENGE_LIFETIME_OFFLINE / day
        ),
        format!(
            "| for {} d; a factory grant for {} years |",
            limits::INSTALL_WINDOW / day,
            limits::INSTALL_WINDOW_FACTORY / (365 * day)
        ),
        format!("clamped to 1 min … {} d |", limits::MAX_RETRY_AFTER / day),
        format!("counts as free | {} h |", limits::SLACK / 3_600),
    ] {
        assert!(section.contains(&row), "{row}");
    }
    assert!(text.contains(&format!("at most {} |", limits::MAX_INSTANT)));
}

fn thousands(number: usize) -> String {
    format!("{},{:03}", number / 1_000, number % 1_000)
}
