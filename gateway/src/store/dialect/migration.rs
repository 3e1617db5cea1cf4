//! The schema: which migrations there are, which have run, and running them.

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::postgres::PgConnection;
use super::{Db, OpenError};

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Held while migrations run, so that two gateways do not run the same one; it ends with the
/// connection. Its number is the first 7 bytes of SHA-256("fleetgrant migrate").
const MIGRATING: &str = "SELECT pg_advisory_lock(57395924452649061)";

/// What to do about a schema that is older than this version's. A newer one is always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaPolicy {
    /// Refuse it.
    Require,
    /// Migrate it.
    Migrate,
}

impl SchemaPolicy {
    pub(in crate::store) fn enforce(self, db: &mut Db) -> Result<(), OpenError> {
        let pending = pending_migrations(db)?;
        match self {
            _ if pending.is_empty() => Ok(()),
            Self::Migrate => migrate(db).map(drop),
            Self::Require => Err(OpenError::SchemaTooOld {
                missing: pending.len(),
            }),
        }
    }
}

/// Names of the migrations that have not run, in order; refuses a schema from the future.
pub fn pending_migrations(db: &mut Db) -> Result<Vec<String>, OpenError> {
    let (known, applied) = match db {
        Db::Sqlite(local) => (
            known::<Sqlite>(&SQLITE)?,
            local
                .connection
                .applied_migrations()
                .map_err(OpenError::Migration)?,
        ),
        Db::Pg(link) => (known::<Pg>(&POSTGRES)?, applied(&mut link.connection)?),
    };
    let is_known = |version: &MigrationVersion<'_>| known.iter().any(|(known, _)| known == version);
    if let Some(version) = applied.iter().find(|version| !is_known(version)) {
        return Err(OpenError::SchemaTooNew {
            version: version.to_string(),
        });
    }
    Ok(known
        .into_iter()
        .filter(|(version, _)| !applied.contains(version))
        .map(|(_, name)| name)
        .collect())
}

/// Runs the missing migrations, each in a transaction; their names.
pub fn migrate(db: &mut Db) -> Result<Vec<String>, OpenError> {
    if let Db::Pg(link) = db {
        let unbounded = "SET statement_timeout = 0; SET lock_timeout = 0";
        link.connection.batch_execute(unbounded)?;
        link.connection.batch_execute(MIGRATING)?;
    }
    // Another may have run them while this one waited.
    let missing = pending_migrations(db)?;
    if missing.is_empty() {
        return Ok(missing);
    }
    match db {
        Db::Sqlite(local) => local.connection.run_pending_migrations(SQLITE).map(drop),
        Db::Pg(link) => link.connection.run_pending_migrations(POSTGRES).map(drop),
    }
    .map_err(OpenError::Migration)?;
    if let Db::Pg(link) = db {
        // With the lock and without the time limits the connection is for nothing else.
        **link = link.another()?;
    }
    Ok(missing)
}

/// Version and name of each, in order.
fn known<DB: Backend>(
    source: &EmbeddedMigrations,
) -> Result<Vec<(MigrationVersion<'static>, String)>, OpenError> {
    let migrations = MigrationSource::<DB>::migrations(source).map_err(OpenError::Migration)?;
    let mut known: Vec<_> = migrations
        .iter()
        .map(|migration| {
            let name = migration.name();
            (name.version().as_owned(), name.to_string())
        })
        .collect();
    known.sort();
    Ok(known)
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// diesel would make its table first, which takes a right that only migrations need.
fn applied(connection: &mut PgConnection) -> Result<Vec<MigrationVersion<'static>>, OpenError> {
    let table: Table =
        diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations')::text AS name")
            .get_result(connection)?;
    if table.name.is_none() {
        return Ok(Vec::new());
    }
    let applied: Vec<Applied> =
        diesel::sql_query("SELECT version::text FROM __diesel_schema_migrations")
            .load(connection)?;
    Ok(applied
        .into_iter()
        .map(|row| MigrationVersion::from(row.version))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::scratch::{Scratch, execute};
    use crate::store::{Store, StoreOptions};

    #[test]
    fn a_schema_from_the_future_is_refused() {
        let scratch = Scratch::new();
        execute(
            &mut scratch.connect(),
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')",
        )
        .unwrap();
        let refused = Store::open_at(scratch.location(), StoreOptions::default()).unwrap_err();
        assert!(
            matches!(refused, OpenError::SchemaTooNew { .. }),
            "{refused}"
        );
    }

    #[test]
    fn both_databases_have_the_same_migrations_by_name() {
        assert_eq!(
            known::<Sqlite>(&SQLITE).unwrap(),
            known::<Pg>(&POSTGRES).unwrap(),
            "a migration needs its twin under the same name in migrations/sqlite and migrations/postgres"
        );
    }

    /// Of two with the same number one would never run.
    #[test]
    fn each_migration_has_a_number_of_its_own() {
        let known = known::<Sqlite>(&SQLITE).unwrap();
        for pair in known.windows(2) {
            assert_ne!(pair[0].0, pair[1].0, "{} and {}", pair[0].1, pair[1].1);
        }
    }
}
