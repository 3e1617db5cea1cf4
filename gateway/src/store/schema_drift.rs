//! `schema.rs` is printed from the migrated database; this prints it again and compares.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::dialect::{Db, Location, migrate};

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    required: bool,
    #[diesel(sql_type = BigInt)]
    pk: i64,
}

#[derive(QueryableByName)]
struct Reference {
    #[diesel(sql_type = Text)]
    parent: String,
    #[diesel(sql_type = Text)]
    child_column: String,
    #[diesel(sql_type = Nullable<Text>)]
    parent_column: Option<String>,
}

#[test]
fn schema_is_what_the_migrations_make() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("schema.db").display());
    let mut db = Location::parse(&url).unwrap().connect().unwrap();
    migrate(&mut db).unwrap();
    let printed = print(&mut db);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/schema.rs");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &printed).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == printed,
        "schema.rs is not what the migrations make; print it with BLESS=1 cargo test -p fleetgrant schema"
    );
}

fn print(db: &mut Db) -> String {
    let Db::Sqlite(connection) = db;
    let tables: Vec<Named> = diesel::sql_query(
        "SELECT name FROM sqlite_master WHERE type = 'table' \
         AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY name",
    )
    .load(connection)
    .unwrap();
    let mut text = String::from(
        "//! The tables, printed from the migrated database.\n#![allow(missing_docs)]\n",
    );
    let mut joins = String::new();
    for Named { name: table } in &tables {
        let columns: Vec<Column> = diesel::sql_query(format!(
            "SELECT name, type AS kind, \"notnull\" AS required, pk FROM pragma_table_info('{table}')"
        ))
        .load(connection)
        .unwrap();
        print_table(&mut text, table, &columns);
        let references: Vec<Reference> = diesel::sql_query(format!(
            "SELECT \"table\" AS parent, \"from\" AS child_column, \"to\" AS parent_column \
             FROM pragma_foreign_key_list('{table}') ORDER BY \"from\""
        ))
        .load(connection)
        .unwrap();
        for reference in &references {
            let alone = references
                .iter()
                .filter(|other| other.parent == reference.parent)
                .count()
                == 1;
            if alone
                && reference.parent != *table
                && reference.parent_column.as_deref() == Some("id")
            {
                let Reference {
                    parent,
                    child_column,
                    ..
                } = reference;
                writeln!(
                    joins,
                    "diesel::joinable!({table} -> {parent} ({child_column}));"
                )
                .unwrap();
            }
        }
    }
    let names = tables
        .iter()
        .map(|table| format!("    {},\n", table.name))
        .collect::<String>();
    write!(
        text,
        "\n{joins}\ndiesel::allow_tables_to_appear_in_same_query!(\n{names});\n"
    )
    .unwrap();
    text
}

fn print_table(text: &mut String, table: &str, columns: &[Column]) {
    let mut key: Vec<&Column> = columns.iter().filter(|column| column.pk > 0).collect();
    key.sort_by_key(|column| column.pk);
    let key: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
    writeln!(
        text,
        "\ndiesel::table! {{\n    {table} ({}) {{",
        key.join(", ")
    )
    .unwrap();
    for column in columns {
        let base = match column.kind.as_str() {
            "BLOB" => "Binary",
            "TEXT" => "Text",
            "BIGINT" | "INTEGER" => "BigInt",
            "SMALLINT" => "SmallInt",
            "BOOLEAN" => "Bool",
            other => panic!(
                "{table}.{} has the type {other}, which no column should",
                column.name
            ),
        };
        let kind = if column.required {
            base.to_owned()
        } else {
            format!("Nullable<{base}>")
        };
        writeln!(text, "        {} -> {kind},", column.name).unwrap();
    }
    text.push_str("    }\n}\n");
}
