//! Every row of the database, to be compared with what it was.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::Text;
use fleetgrant::store::{Db, Store, StoreError};

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
            let mut found = Tables::new();
            for table in names(db)? {
                let rows: Vec<Json> = match db {
                    Db::Sqlite(local) => {
                        let c = &mut local.connection;
                        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                        let columns: Vec<Named> = diesel::sql_query(columns).load(c)?;
                        let cells: Vec<_> = columns
                            .iter()
                            .map(|Named { name }| format!("'{name}', quote({name})"))
                            .collect();
                        let cells = cells.join(", ");
                        let rows = format!("SELECT json_object({cells}) AS row FROM {table}");
                        diesel::sql_query(rows).load(c)?
                    }
                    Db::Pg(link) => diesel::sql_query(format!(
                        "SELECT (SELECT json_object_agg(key, coalesce(value, 'NULL')) \
                         FROM jsonb_each_text(to_jsonb(one)))::text AS row FROM {table} AS one"
                    ))
                    .load(&mut link.connection)?,
                };
                let rows = rows
                    .iter()
                    .map(|row| serde_json::from_str(&row.row).unwrap());
                found.insert(table, rows.collect());
            }
            Ok(found)
        })
        .unwrap()
}

fn names(db: &mut Db) -> Result<Vec<String>, StoreError> {
    let found: Vec<Named> = match db {
        Db::Sqlite(local) => diesel::sql_query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )
        .load(&mut local.connection)?,
        Db::Pg(link) => diesel::sql_query(
            "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
        )
        .load(&mut link.connection)?,
    };
    Ok(found.into_iter().map(|Named { name }| name).collect())
}
