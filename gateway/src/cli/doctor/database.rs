//! Whether the database can be used by this version.

use super::Finding;
use crate::config::Config;
use crate::store::dialect::{self, OpenError};
use crate::store::{Location, product_line};

const CHECK: &str = "database";

pub(super) fn examine(location: &Location) -> Finding {
    let (place, repair) = match location {
        // Connecting would make it.
        Location::Sqlite(path) if !path.exists() => {
            return Finding::fail(
                CHECK,
                format!("{} does not exist", path.display()),
                "run `fleetgrant migrate`",
            );
        }
        Location::Sqlite(path) => (
            path.display().to_string(),
            "check that the file is a database, and that the gateway's user may read and write it",
        ),
        Location::Postgres(place) => (
            format!("PostgreSQL at {place}"),
            "check database.url, that the server runs, and that it lets the user in; \
             docs/databases.md says what it has to have",
        ),
    };
    let pending = location
        .connect_read_only()
        .and_then(|mut db| dialect::pending_migrations(&mut db));
    match pending {
        Ok(missing) if missing.is_empty() => {
            Finding::ok(CHECK, format!("{place} opens, its schema is up to date"))
        }
        Ok(missing) => Finding::fail(
            CHECK,
            format!("{place} is {} migrations behind", missing.len()),
            "back it up, then run `fleetgrant migrate`",
        ),
        Err(cause @ OpenError::SchemaTooNew { .. }) => Finding::fail(
            CHECK,
            cause.to_string(),
            "run the version of Fleetgrant that wrote it, or a newer one",
        ),
        Err(cause) => Finding::fail(CHECK, cause.to_string(), repair),
    }
}

/// Whether the product lines that people get roles for are there. A database that cannot be read has a
/// finding of its own.
pub(super) fn lines_of_people(config: &Config) -> Option<Finding> {
    const CHECK: &str = "people";
    let people = config.http.as_ref()?.oidc.as_ref()?;
    let has_lines = people.roles.values().any(|of| of.product_line.is_some());
    let is_there = !matches!(&config.database, Location::Sqlite(path) if !path.exists());
    if !has_lines || !is_there {
        return None;
    }
    let mut db = config.database.connect_read_only().ok()?;
    let known = product_line::names(&mut db).ok()?.into_values();
    let configured = config.product_lines().into_iter().map(|(name, _)| name);
    Some(
        match people.check_lines(&known.chain(configured).collect()) {
            Ok(()) => Finding::ok(CHECK, "the product lines of http.oidc.roles are there"),
            Err(cause) => Finding::fail(
                CHECK,
                cause.to_string(),
                "mend the name, or add the trust anchor of its devices",
            ),
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_database_is_missing_foreign_up_to_date_and_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleetgrant.db");
        let location = Location::Sqlite(path.clone());
        let missing = examine(&location);
        assert_eq!((missing.verdict, path.exists()), ("fail", false));
        std::fs::write(
            &path,
            "no database, but long enough to be taken for one".repeat(20),
        )
        .unwrap();
        assert_eq!(examine(&location).verdict, "fail");
        std::fs::remove_file(&path).unwrap();
        let mut db = location.connect().unwrap();
        dialect::migrate(&mut db).unwrap();
        assert_eq!(examine(&location).verdict, "ok");
        let forget = "DELETE FROM __diesel_schema_migrations \
             WHERE version = (SELECT MAX(version) FROM __diesel_schema_migrations)";
        crate::store::scratch::execute(&mut db, forget).unwrap();
        let behind = examine(&location);
        assert!(
            behind.found.contains("1 migrations behind"),
            "{}",
            behind.found
        );
        assert_eq!(behind.verdict, "fail");
    }
}
