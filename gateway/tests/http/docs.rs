//! `docs/api.md` tells what is so. `BLESS=1` writes its tables anew.

use std::fmt::Write as _;
use std::fs;

use fleetgrant::http::ProblemKind;
use fleetgrant::http::roles::{ENDPOINTS, PREFIX};
use fleetgrant_core::domain::Role;
use serde_json::Value;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
const DESCRIPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

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
    table.push_str(" for a line |\n|---|");
    table.push_str(&":-:|".repeat(Role::ALL.len() + 1));
    for endpoint in ENDPOINTS {
        write!(table, "\n| `{} {}` |", endpoint.method, endpoint.path).unwrap();
        for role in Role::ALL {
            let may = endpoint.roles.contains(*role);
            table.push_str(if may { " ✓ |" } else { " |" });
        }
        table.push_str(if endpoint.is_of_a_line {
            " ✓ |"
        } else {
            " |"
        });
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

/// What is no filter of a list.
const OF_EVERY_LIST: [&str; 4] = ["limit", "cursor", "after", "sort"];

/// The filters and the orders of every list, as the description has them.
fn orders() -> String {
    let description = fs::read_to_string(DESCRIPTION).unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    let mut table = String::from("| list | filters | `sort` |\n|---|---|---|\n");
    for (path, item) in description["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array();
        let parameters: Vec<_> = parameters.into_iter().flatten().collect();
        let Some(sort) = (parameters.iter()).find(|parameter| parameter["name"] == "sort") else {
            continue;
        };
        let filters = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .filter(|name| !OF_EVERY_LIST.contains(name));
        let filters: Vec<_> = filters.map(|name| format!("`{name}`")).collect();
        let usual = &sort["schema"]["default"];
        let orders = sort["schema"]["enum"].as_array().unwrap().iter();
        let orders =
            orders.filter(|order| *order == usual || !order.as_str().unwrap().starts_with('-'));
        let mut orders: Vec<_> = orders.map(|order| order.as_str().unwrap()).collect();
        // Where the list usually begins at its end.
        orders.retain(|order| usual.as_str() != Some(&format!("-{order}")));
        let orders: Vec<_> = orders.iter().map(|order| format!("`{order}`")).collect();
        let path = path.trim_start_matches(PREFIX);
        writeln!(
            table,
            "| `{path}` | {} | {} |",
            filters.join(", "),
            orders.join(", ")
        )
        .unwrap();
    }
    table
}

#[test]
fn the_document_has_the_tables_of_the_code() {
    let written = fs::read_to_string(DOCUMENT).unwrap();
    let tables = [
        ("roles", roles()),
        ("orders", orders()),
        ("problems", problems()),
    ];
    let right = tables
        .iter()
        .fold(written.clone(), |document, (marker, table)| {
            with(&document, marker, table)
        });
    if std::env::var_os("BLESS").is_some() {
        fs::write(DOCUMENT, &right).unwrap();
    } else {
        assert!(
            written == right,
            "docs/api.md is not what the code says; write it with BLESS=1 cargo test -p fleetgrant --test http docs"
        );
    }
}
