//! Every difference between the databases: connections, transactions, errors, bound values.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, SmallInt};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::column::{Code, Domain, Micros};
use super::error::StoreError;

/// A connection to one of the databases.
pub enum Db {
    /// SQLite, in this process.
    Sqlite(SqliteConnection),
}

/// Writes a query once and compiles it for every database.
macro_rules! on {
    ($db:expr, $connection:ident => $query:expr) => {
        match $db {
            $crate::store::dialect::Db::Sqlite($connection) => $query,
        }
    };
}
pub(crate) use on;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// synchronous=FULL: a commit is on the disk before anything is acknowledged; batched, it costs
/// little. The cache is in KiB, and reads below the map size copy nothing.
const SQLITE_PRAGMAS: &str = "\
    PRAGMA busy_timeout = 5000;\
    PRAGMA journal_mode = WAL;\
    PRAGMA synchronous = FULL;\
    PRAGMA foreign_keys = ON;\
    PRAGMA cache_size = -16384;\
    PRAGMA mmap_size = 268435456;\
    PRAGMA temp_store = MEMORY;\
    PRAGMA wal_autocheckpoint = 4000;\
    PRAGMA journal_size_limit = 67108864;";

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file of SQLite's.
    Sqlite(PathBuf),
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database this build knows.
    #[error("{0:?} names no database; write sqlite:PATH")]
    UnknownUrl(String),
    /// The file cannot be made or opened.
    #[error("cannot open the database {path}: {source}; check that the folder exists and can be written", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database would not connect.
    #[error("cannot open the database: {0}")]
    Connect(#[from] ConnectionError),
    /// The database would not be set up.
    #[error("cannot set the database up: {0}")]
    Setup(#[from] DieselError),
    /// A newer version of Fleetgrant has been here.
    #[error(
        "the database's schema has {version}, which this version does not know; run the version that wrote it, or a newer one"
    )]
    SchemaTooNew {
        /// The first migration that is unknown here.
        version: String,
    },
    /// Migrations are missing.
    #[error("the database's schema is {missing} migrations behind; run `fleetgrant migrate`")]
    SchemaTooOld {
        /// How many.
        missing: usize,
    },
    /// A migration failed.
    #[error("the migration failed and was undone: {0}")]
    Migration(Box<dyn std::error::Error + Send + Sync>),
    /// No thread could be started.
    #[error("cannot start a database thread: {0}")]
    Thread(#[source] io::Error),
}

impl Location {
    /// Reads `sqlite:PATH`.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() && path != ":memory:" => {
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            _ => Err(OpenError::UnknownUrl(redacted(url))),
        }
    }

    /// A connection that reads and writes; the database is made if it is missing.
    pub fn connect(&self) -> Result<Db, OpenError> {
        let Self::Sqlite(path) = self;
        create_private(path)?;
        let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
        connection.batch_execute(SQLITE_PRAGMAS)?;
        Ok(Db::Sqlite(connection))
    }

    /// A connection that only reads.
    pub fn connect_read_only(&self) -> Result<Db, OpenError> {
        let mut db = self.connect()?;
        let Db::Sqlite(connection) = &mut db;
        connection.batch_execute("PRAGMA query_only = ON;")?;
        Ok(db)
    }
}

/// A URL without the password it may hold.
fn redacted(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// SQLite gives its WAL and shared-memory files the mode of the database.
fn create_private(path: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|source| OpenError::File {
            path: path.to_owned(),
            source,
        })
}

/// What to do about a schema that is older than this version's. A newer one is always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaPolicy {
    /// Refuse it.
    Require,
    /// Migrate it.
    Migrate,
}

impl SchemaPolicy {
    pub(super) fn enforce(self, db: &mut Db) -> Result<(), OpenError> {
        let pending = pending_migrations(db)?;
        match self {
            Self::Migrate => migrate(db).map(drop),
            Self::Require if pending.is_empty() => Ok(()),
            Self::Require => Err(OpenError::SchemaTooOld {
                missing: pending.len(),
            }),
        }
    }
}

/// Names of the migrations that have not run, in order; refuses a schema from the future.
pub fn pending_migrations(db: &mut Db) -> Result<Vec<String>, OpenError> {
    let Db::Sqlite(connection) = db;
    let known =
        MigrationSource::<Sqlite>::migrations(&SQLITE_MIGRATIONS).map_err(OpenError::Migration)?;
    let applied = connection
        .applied_migrations()
        .map_err(OpenError::Migration)?;
    let is_known = |version: &MigrationVersion<'_>| {
        known
            .iter()
            .any(|migration| migration.name().version() == *version)
    };
    if let Some(version) = applied.iter().find(|version| !is_known(version)) {
        return Err(OpenError::SchemaTooNew {
            version: version.to_string(),
        });
    }
    Ok(known
        .iter()
        .map(|migration| migration.name())
        .filter(|name| !applied.contains(&name.version()))
        .map(|name| name.to_string())
        .collect())
}

/// Runs the missing migrations, each in a transaction; their names.
pub fn migrate(db: &mut Db) -> Result<Vec<String>, OpenError> {
    pending_migrations(db)?;
    let Db::Sqlite(connection) = db;
    let applied = connection
        .run_pending_migrations(SQLITE_MIGRATIONS)
        .map_err(OpenError::Migration)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

impl Db {
    /// Starts a transaction that will write. SQLite takes the write lock at once: a deferred
    /// transaction that reads first and writes later is refused when another wrote meanwhile,
    /// whatever the busy timeout says.
    pub(super) fn begin_write(&mut self) -> Result<(), StoreError> {
        self.control("BEGIN IMMEDIATE")
    }

    /// Starts a transaction that reads one consistent state.
    pub(super) fn begin_read(&mut self) -> Result<(), StoreError> {
        self.control("BEGIN")
    }

    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        self.control("COMMIT")
    }

    /// Fails only where the database has already rolled back by itself.
    pub(super) fn rollback(&mut self) {
        if let Err(error) = self.control("ROLLBACK") {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    /// Runs a step within a transaction so that its failure undoes its own effects only.
    pub fn savepoint<T, E: From<StoreError>>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.control("SAVEPOINT step")?;
        let result = step(self);
        if result.is_err() {
            self.control("ROLLBACK TO step")?;
        }
        self.control("RELEASE step")?;
        result
    }

    fn control(&mut self, statement: &str) -> Result<(), StoreError> {
        on!(self, c => c.batch_execute(statement)).map_err(Into::into)
    }
}

/// Asks the database for nothing, to learn whether it answers.
pub fn answers(db: &mut Db) -> Result<(), StoreError> {
    db.control("SELECT 1")
}

pub(super) fn classify(error: DieselError) -> StoreError {
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation,
            information,
        ) => StoreError::Constraint(information.message().to_owned()),
        DieselError::DatabaseError(_, ref information)
            if information.message().contains("database is locked") =>
        {
            StoreError::Busy
        }
        DieselError::DeserializationError(reason) => StoreError::Corrupt(reason.to_string()),
        other => StoreError::Database(other),
    }
}

// SQLite binds integers by value, PostgreSQL by writing them out.
impl<T: Domain> ToSql<SmallInt, Sqlite> for Code<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(i32::from(self.0.number()));
        Ok(IsNull::No)
    }
}

impl ToSql<BigInt, Sqlite> for Micros {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(self.0.micros());
        Ok(IsNull::No)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use diesel::prelude::*;
    use diesel::sql_types::Text;

    use super::{Db, Location};

    #[derive(QueryableByName)]
    struct Compiled {
        #[diesel(sql_type = Text)]
        compile_options: String,
    }

    #[test]
    fn sqlite_is_compiled_as_the_workspace_says() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        let Db::Sqlite(c) = &mut Location::parse(&url).unwrap().connect().unwrap();
        let options: Vec<Compiled> = diesel::sql_query("PRAGMA compile_options").load(c).unwrap();
        let has = |name: &str| options.iter().any(|option| option.compile_options == name);
        for name in ["ENABLE_QPSG", "THREADSAFE=2", "DEFAULT_MEMSTATUS=0"] {
            assert!(has(name), "{name} is missing: see .cargo/config.toml");
        }
        assert!(!has("ENABLE_MEMORY_MANAGEMENT"));
    }
}
