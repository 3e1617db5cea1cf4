//! Every difference between the databases: connections, transactions, errors, bound values.

mod local;
mod location;
mod migration;
mod postgres;

use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, SmallInt};
use diesel::sqlite::Sqlite;
use fleetgrant_core::domain::ActReason;

use super::column::{Code, Domain, Micros};
use super::error::StoreError;

pub use local::{Era, Local};
pub use location::{Location, OpenError};
pub use migration::{SchemaPolicy, migrate, pending_migrations};
pub use postgres::{Link, PgConnection, Postgres, UrlError};

/// A connection to one of the databases.
pub enum Db {
    /// SQLite, in this process.
    Sqlite(Box<Local>),
    /// PostgreSQL, on a thread that may wait.
    Pg(Box<Link>),
}

/// Writes a query once and compiles it for every database.
#[macro_export]
macro_rules! on {
    ($db:expr, $connection:ident => $query:expr) => {
        match $db {
            $crate::store::dialect::Db::Sqlite(local) => {
                let $connection = &mut local.connection;
                $query
            }
            $crate::store::dialect::Db::Pg(link) => {
                let $connection = &mut link.connection;
                $query
            }
        }
    };
}
pub(crate) use on;

impl Db {
    /// Starts a transaction that will write. SQLite takes the write lock at once: a deferred
    /// transaction that reads first and writes later is refused when another wrote meanwhile,
    /// whatever the busy timeout says.
    ///
    /// PostgreSQL takes a lock that one transaction has at a time, of all gateways.
    pub(super) fn begin_write(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(local) => local.begin_write(),
            Self::Pg(link) => link.begin_write(),
        }
    }

    /// Starts a transaction that reads one consistent state.
    pub(super) fn begin_read(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => self.control("BEGIN"),
            Self::Pg(link) => link.begin_read(),
        }
    }

    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => self.control("COMMIT"),
            Self::Pg(link) => link.commit(),
        }
    }

    /// Fails only where the database has already rolled back by itself.
    pub(super) fn rollback(&mut self) {
        self.end_era();
        match self {
            Self::Sqlite(_) => {
                if let Err(error) = self.control("ROLLBACK") {
                    tracing::debug!(%error, "nothing to roll back");
                }
            }
            Self::Pg(link) => link.rollback(),
        }
    }

    /// Whether the connection is gone, and with it what was not committed. The next transaction
    /// begins on another one.
    pub(super) const fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Pg(link) => link.is_lost(),
        }
    }

    /// How many small steps are best made in one savepoint. PostgreSQL is asked over the network, which
    /// is worth saving. SQLite keeps what each savepoint would undo in a list that every statement in
    /// it walks through, so that a hundred rows took twice as long together as one by one.
    pub(crate) const fn steps_of_a_savepoint(&self) -> usize {
        match self {
            Self::Sqlite(_) => 1,
            Self::Pg(_) => 100,
        }
    }

    /// Lets what this connection reads be kept for its later transactions: see [`Era`].
    pub(super) fn begin_eras(&mut self) {
        if let Self::Sqlite(local) = self {
            local.begin_eras();
        }
    }

    /// The era of this connection; none where nothing that it reads may be kept.
    pub(super) fn era(&self) -> Option<Era> {
        match self {
            Self::Sqlite(local) => local.era(),
            Self::Pg(_) => None,
        }
    }

    /// Has every event of the operation that runs bear this reason, until the next begins.
    pub fn because(&mut self, reason: Option<ActReason>) {
        match self {
            Self::Sqlite(local) => local.reason = reason,
            Self::Pg(link) => link.reason = reason,
        }
    }

    /// Why the operation that runs does what it does, in somebody's words.
    pub(super) fn reason(&self) -> Option<&ActReason> {
        match self {
            Self::Sqlite(local) => local.reason.as_ref(),
            Self::Pg(link) => link.reason.as_ref(),
        }
    }

    /// Whether no webhook takes any event, as far as this era knows.
    pub(super) fn unheard(&self) -> Option<bool> {
        match self {
            Self::Sqlite(local) => local.unheard(),
            Self::Pg(_) => None,
        }
    }

    /// Keeps for the era whether no webhook takes any event.
    pub(super) const fn keep_unheard(&mut self, unheard: bool) {
        if let Self::Sqlite(local) = self {
            local.keep_unheard(unheard);
        }
    }

    /// Runs a step that may change anything, in the middle of what it reads: to it nothing is kept,
    /// and what was kept holds no more.
    pub(super) fn outside_eras<T>(&mut self, step: impl FnOnce(&mut Self) -> T) -> T {
        let watch = match self {
            Self::Sqlite(local) => local.pause(),
            Self::Pg(_) => None,
        };
        let result = step(self);
        if let Self::Sqlite(local) = self {
            local.resume(watch);
        }
        result
    }

    /// What was kept so far holds no more.
    pub(super) fn end_era(&mut self) {
        if let Self::Sqlite(local) = self {
            local.end_era();
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
            self.end_era();
            self.control("ROLLBACK TO step")?;
        }
        self.control("RELEASE step")?;
        result
    }

    fn control(&mut self, statement: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(local) => Ok(local.connection.batch_execute(statement)?),
            Self::Pg(link) => link.control(statement),
        }
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
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => StoreError::Stale,
        // The trigger, whose refusal has no kind: somebody else had what the allowance still gave.
        DieselError::DatabaseError(_, ref information)
            if information.message() == "quota_use_within_allowance" =>
        {
            StoreError::Stale
        }
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            information,
        ) => StoreError::Lost(information.message().to_owned()),
        // diesel has no kinds for these. A server may say them in another language: then the
        // first is an error like any other, and the second is noticed by what comes after it.
        DieselError::DatabaseError(_, ref information)
            if information.message() == "deadlock detected" =>
        {
            StoreError::Stale
        }
        DieselError::DatabaseError(_, ref information)
            if information.message() == "canceling statement due to lock timeout" =>
        {
            StoreError::Busy
        }
        DieselError::DatabaseError(_, ref information)
            if information.message().starts_with("terminating connection")
                || information.message().starts_with("the database system is ") =>
        {
            StoreError::Lost(information.message().to_owned())
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

impl<T: Domain> ToSql<SmallInt, Pg> for Code<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        ToSql::<SmallInt, Pg>::to_sql(&self.0.number(), &mut out.reborrow())
    }
}

impl ToSql<BigInt, Pg> for Micros {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        ToSql::<BigInt, Pg>::to_sql(&self.0.micros(), &mut out.reborrow())
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
        let Db::Sqlite(local) = &mut Location::parse(&url).unwrap().connect().unwrap() else {
            unreachable!("the URL says SQLite");
        };
        let c = &mut local.connection;
        let options: Vec<Compiled> = diesel::sql_query("PRAGMA compile_options").load(c).unwrap();
        let has = |name: &str| options.iter().any(|option| option.compile_options == name);
        for name in ["ENABLE_QPSG", "THREADSAFE=2", "DEFAULT_MEMSTATUS=0"] {
            assert!(has(name), "{name} is missing: see .cargo/config.toml");
        }
        assert!(!has("ENABLE_MEMORY_MANAGEMENT"));
    }
}
