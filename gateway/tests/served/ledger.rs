//! Every row of the database, to be compared with what it was.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::Text;
use fleetgrant::store::{Db, Store};

/// The rows of each table, each as the values of its columns by their names.
pub(crate) type Tables = BTreeMap<String, Rows>;
pub(crate) type Rows = BTreeSet<Row>;
pub(crate) type Row = BTreeMap<String, String>;

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Json {
    #[diesel(sql_type = Text)]
    row: String,
}

pub(crate) fn tables(store: &Store) -> Tables {
    store
        .read_blocking("test", |db| {
            let Db::Sqlite(c) = db else {
                unreachable!("sites are made on SQLite");
            };
            let tables: Vec<Named> = diesel::sql_query(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            )
            .load(c)?;
            let mut found = Tables::new();
            for Named { name: table } in tables {
                let columns: Vec<Named> =
                    diesel::sql_query(format!("SELECT name FROM pragma_table_info('{table}')"))
                        .load(c)?;
                let cells: Vec<_> = columns
                    .iter()
                    .map(|Named { name }| format!("'{name}', quote({name})"))
                    .collect();
                let cells = cells.join(", ");
                let rows: Vec<Json> =
                    diesel::sql_query(format!("SELECT json_object({cells}) AS row FROM {table}"))
                        .load(c)?;
                let rows = rows
                    .iter()
                    .map(|row| serde_json::from_str(&row.row).unwrap());
                found.insert(table, rows.collect());
            }
            Ok(found)
        })
        .unwrap()
}
