//! `docs/api.md` tells what is so. `BLESS=1` writes its tables anew.

use std::fmt::Write as _;
use std::fs;

use fleetgrant::http::ProblemKind;
use fleetgrant::http::roles::ENDPOINTS;
use fleetgrant_core::domain::Role;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");

/// The document with what stands between a marker and its end replaced.
fn with(document: &str, marker: &str, table: &str) -> String {
    let begin = format!("<!-- {marker} -->\n");
    let (before, rest) = document.split_once(&begin).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{begin}{table}<!-- end -->{after}")
}

fn roles() -> String {
    let mut table = String::from("| |");
    for role in Role::ALL {
        write!(table, " {role} |").unwrap();
    }
    table.push_str("\n|---|");
    table.push_str(&":-:|".repeat(Role::ALL.len()));
    for endpoint in ENDPOINTS {
        write!(table, "\n| `{} {}` |", endpoint.method, endpoint.path).unwrap();
        for role in Role::ALL {
            let may = endpoint.roles.contains(*role);
            table.push_str(if may { " ✓ |" } else { " |" });
        }
    }
    table.push('\n');
    table
}

fn problems() -> String {
    let mut table = String::from("| `type` | status | what it means |\n|---|---|---|\n");
    for kind in ProblemKind::ALL {
        let (name, status, meaning) = (kind.as_str(), kind.status().as_u16(), kind.meaning());
        writeln!(table, "| `/problems/{name}` | {status} | {meaning} |").unwrap();
    }
    table
}

#[test]
fn the_document_has_the_tables_of_the_code() {
    let written = fs::read_to_string(DOCUMENT).unwrap();
    let right = with(&with(&written, "roles", &roles()), "problems", &problems());
    if std::env::var_os("BLESS").is_some() {
        fs::write(DOCUMENT, &right).unwrap();
    } else {
        assert!(
            written == right,
            "docs/api.md is not what the code says; write it with BLESS=1 cargo test -p fleetgrant --test http docs"
        );
    }
}
