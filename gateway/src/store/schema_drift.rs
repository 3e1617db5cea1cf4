//! `schema.rs` is printed from the migrated database; this prints it again, from each database,
//! and compares. What no column says is compared between the two: constraints, indices, triggers.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::Db;
use super::scratch::{self, Scratch};

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
    let scratch = Scratch::new();
    let printed = print(&mut scratch.connect());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/schema.rs");
    if std::env::var_os("BLESS").is_some() && !scratch::is_postgres() {
        std::fs::write(path, &printed).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == printed,
        "schema.rs is not what the migrations make; print it with BLESS=1 cargo test -p fleetgrant schema"
    );
}

#[test]
fn both_databases_have_the_same_constraints_indices_and_triggers() {
    let of_sqlite = "SELECT name FROM sqlite_master \
        WHERE type IN ('index', 'trigger') AND name NOT LIKE 'sqlite_%'";
    let of_postgres = "SELECT indexname::text AS name FROM pg_indexes WHERE schemaname = 'public' \
        AND indexname NOT IN (SELECT conname FROM pg_constraint) AND indexname NOT LIKE '\\_\\_%' \
        UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal \
        UNION ALL SELECT conname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
        WHERE conname !~ '_(pkey|fkey[0-9]*)$' AND t.relnamespace = 'public'::regnamespace";
    let scratch = Scratch::new();
    let mut names = match &mut scratch.connect() {
        Db::Sqlite(local) => {
            let c = &mut local.connection;
            let mut names = names(diesel::sql_query(of_sqlite).load(c).unwrap());
            let tables =
                diesel::sql_query("SELECT sql AS name FROM sqlite_master WHERE sql IS NOT NULL");
            for table in self::names(tables.load(c).unwrap()) {
                let constraints = table.split("CONSTRAINT ").skip(1);
                names.extend(constraints.map(|rest| {
                    rest.split_whitespace()
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                }));
            }
            names
        }
        Db::Pg(link) => names(
            diesel::sql_query(of_postgres)
                .load(&mut link.connection)
                .unwrap(),
        ),
    };
    names.sort();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/schema_names.txt");
    let printed = names.join("\n") + "\n";
    if std::env::var_os("BLESS").is_some() && !scratch::is_postgres() {
        std::fs::write(path, &printed).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    for name in expected.lines() {
        assert!(
            names.iter().any(|has| has == name),
            "{name} is missing here"
        );
    }
    for name in &names {
        assert!(
            expected.lines().any(|has| has == name),
            "{name} is new: print the names with BLESS=1 cargo test -p fleetgrant --lib schema"
        );
    }
}

/// Lists, cursors and the order of the history are those of bytes, whatever the server's locale.
#[test]
fn text_is_compared_byte_by_byte() {
    let scratch = Scratch::new();
    let Db::Pg(link) = &mut scratch.connect() else {
        println!("skipped on SQLite, which knows no other order");
        return;
    };
    let others: Vec<Named> = diesel::sql_query(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns \
         WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
    )
    .load(&mut link.connection)
    .unwrap();
    assert_eq!(names(others), Vec::<String>::new());
}

fn names(rows: Vec<Named>) -> Vec<String> {
    rows.into_iter().map(|row| row.name).collect()
}

struct Questions {
    tables: &'static str,
    columns: fn(&str) -> String,
    references: fn(&str) -> String,
}

const SQLITE: Questions = Questions {
    tables: "SELECT name FROM sqlite_master WHERE type = 'table' \
        AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY name",
    columns: |table| {
        format!(
            "SELECT name, type AS kind, \"notnull\" AS required, pk FROM pragma_table_info('{table}')"
        )
    },
    references: |table| {
        format!(
            "SELECT \"table\" AS parent, \"from\" AS child_column, \"to\" AS parent_column \
             FROM pragma_foreign_key_list('{table}') ORDER BY \"from\""
        )
    },
};

const POSTGRES: Questions = Questions {
    tables: "SELECT relname::text AS name FROM pg_class WHERE relkind = 'r' \
        AND relnamespace = 'public'::regnamespace AND relname NOT LIKE '\\_\\_%' \
        ORDER BY relname COLLATE \"C\"",
    columns: |table| {
        format!(
            "SELECT attname::text AS name, upper(format_type(atttypid, atttypmod)) AS kind, \
             attnotnull AS required, coalesce(array_position(i.indkey::smallint[], attnum), -1) + 1::bigint AS pk \
             FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
             WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
    },
    references: |table| {
        format!(
            "SELECT c.confrelid::regclass::text AS parent, a.attname::text AS child_column, \
             p.attname::text AS parent_column FROM pg_constraint c, \
             unnest(c.conkey, c.confkey) AS pair (child, parent) \
             JOIN pg_attribute a ON a.attnum = pair.child JOIN pg_attribute p ON p.attnum = pair.parent \
             WHERE c.contype = 'f' AND c.conrelid = '{table}'::regclass \
             AND a.attrelid = c.conrelid AND p.attrelid = c.confrelid ORDER BY a.attname COLLATE \"C\""
        )
    },
};

fn print(db: &mut Db) -> String {
    let questions = match db {
        Db::Sqlite(_) => SQLITE,
        Db::Pg(_) => POSTGRES,
    };
    let tables: Vec<Named> =
        on!(&mut *db, c => diesel::sql_query(questions.tables).load(c)).unwrap();
    let mut text = String::from(
        "//! The tables, printed from the migrated database.\n#![allow(missing_docs)]\n",
    );
    let mut joins = String::new();
    for Named { name: table } in &tables {
        let columns = (questions.columns)(table);
        let columns: Vec<Column> = on!(&mut *db, c => diesel::sql_query(columns).load(c)).unwrap();
        print_table(&mut text, table, &columns);
        let references = (questions.references)(table);
        let references: Vec<Reference> =
            on!(&mut *db, c => diesel::sql_query(references).load(c)).unwrap();
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
            "BLOB" | "BYTEA" => "Binary",
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
