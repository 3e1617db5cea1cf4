//! A connection to PostgreSQL: without libpq, on a reactor of its own that runs only while its
//! thread waits for an answer.

#[cfg(test)]
mod tests;
mod tls;
mod url;

use std::cell::RefCell;
use std::error::Error as _;
use std::future::Future;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Nullable, Text};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use fleetgrant_core::domain::ActReason;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::NoTls;

use super::OpenError;
use crate::store::error::StoreError;

pub use url::{Postgres, UrlError};

/// Until a connection is open, with TLS and the password.
const CONNECTING: Duration = Duration::from_secs(10);

/// The first version that has all that is used; 13 was the first to say what became of a
/// transaction by its 64-bit number.
const OLDEST_SERVER: i32 = 130_000;

/// What bounds a statement, the wait for a lock, and a transaction whose client has gone silent:
/// the last frees the writers' lock when a gateway's machine vanishes without a word.
const SESSION: &str = "\
    SET statement_timeout = '300s';\
    SET lock_timeout = '10s';\
    SET idle_in_transaction_session_timeout = '30s';\
    SET application_name = 'fleetgrant';\
    SELECT set_config('synchronous_commit', 'on', false)\
        WHERE current_setting('synchronous_commit') = 'off';";

/// The lock that a transaction takes that will write: one at a time, as on SQLite. Its number is
/// the first 7 bytes of SHA-256("fleetgrant write"), so that nobody else's lock is it by chance.
const WRITERS: &str = "pg_advisory_xact_lock(2854743710948090)";

/// How long a connection that was lost is tried again before whoever waits is told, in pauses that
/// double from the first: a restart of the server, or the change to a standby.
const REOPENING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// How often the lock of a lost transaction is waited for, `lock_timeout` each time: longer than
/// `idle_in_transaction_session_timeout`, after which the server ends what it did not miss.
const SETTLING: u32 = 5;

/// What diesel takes for a connection.
pub type PgConnection = AsyncConnectionWrapper<AsyncPgConnection, Reactor>;

thread_local! {
    /// The reactor a connection was made on, until diesel's wrapper asks for one.
    static MADE_ON: RefCell<Option<Reactor>> = const { RefCell::new(None) };
}

/// Runs what a connection waits for.
pub struct Reactor(Option<Runtime>);

impl BlockOn for Reactor {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let runtime = self.0.as_ref().expect("it ends with the connection");
        runtime.block_on(future)
    }

    fn get_runtime() -> Self {
        MADE_ON
            .take()
            .expect("whoever makes a connection leaves its reactor")
    }
}

impl Drop for Reactor {
    /// Without waiting: a connection may be dropped where nobody may wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A connection that is opened again when it was lost.
pub struct Link {
    /// Where queries go.
    pub connection: PgConnection,
    place: Postgres,
    /// Nothing more can come of the connection.
    lost: bool,
    /// The number of the transaction that writes.
    transaction: Option<String>,
    /// Whose numbers of transactions these are; none where the server does not say.
    history: Option<History>,
    pub(super) reason: Option<ActReason>,
}

/// What gives transactions their numbers: a standby that takes over goes on from those it has heard
/// of, on a timeline of its own, so that a number may be another transaction's there.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
struct History {
    /// What no other server has but its copies.
    #[diesel(sql_type = Text)]
    system: String,
    #[diesel(sql_type = Text)]
    timeline: String,
}

#[derive(QueryableByName)]
struct Begun {
    #[diesel(sql_type = Text)]
    transaction: String,
}

#[derive(QueryableByName)]
struct Fate {
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
}

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Bool)]
    standby: bool,
}

impl Link {
    pub(super) fn open(place: &Postgres) -> Result<Self, OpenError> {
        let mut link = Self {
            connection: connect(place)?,
            place: place.clone(),
            lost: false,
            transaction: None,
            history: None,
            reason: None,
        };
        link.examine()?;
        if place.takes_anybody() {
            tracing::warn!(%place, "sslmode=require: whoever answers is taken for the database");
        }
        Ok(link)
    }

    /// A new connection to the same place.
    pub(super) fn another(&self) -> Result<Self, OpenError> {
        Self::open(&self.place)
    }

    fn examine(&mut self) -> Result<(), OpenError> {
        let server: Server = diesel::sql_query(
            "SELECT current_setting('server_version_num')::int AS version, \
             current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby",
        )
        .get_result(&mut self.connection)?;
        let unsuitable = if server.version < OLDEST_SERVER {
            format!(
                "its version is {}, and 13 is the oldest",
                server.version / 10_000
            )
        } else if server.encoding != "UTF8" {
            format!(
                "the database's encoding is {}; make it with ENCODING 'UTF8'",
                server.encoding
            )
        } else if server.standby {
            "it is a standby, which takes no writes".to_owned()
        } else {
            self.history = self.read_history();
            return Ok(());
        };
        Err(OpenError::Unsuitable(unsuitable))
    }

    /// Everybody may ask, unless an administrator took that away. The name of the segment that is
    /// written to begins with the timeline; the control file learns of a new one only later.
    fn read_history(&mut self) -> Option<History> {
        let history = diesel::sql_query(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system, \
             substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline",
        )
        .get_result(&mut self.connection);
        history
            .inspect_err(|error| tracing::warn!(%error, "the server does not say which it is"))
            .ok()
    }

    /// Begins, on a new connection if the old one is gone.
    ///
    /// READ COMMITTED: each statement sees what was committed when it began, and the first one
    /// waits for the lock. Under a higher level the wait itself would fix what the transaction
    /// sees, and that would be the state before the one that it waited for.
    pub(super) fn begin_write(&mut self) -> Result<(), StoreError> {
        self.persistently(|link| {
            link.transaction = None;
            link.connection
                .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
            let begun: Begun = diesel::sql_query(format!(
                "SELECT pg_current_xact_id()::text AS transaction FROM {WRITERS}"
            ))
            .get_result(&mut link.connection)?;
            link.transaction = Some(begun.transaction);
            Ok(())
        })
    }

    /// Begins a transaction that sees one state, on a new connection if the old one is gone.
    pub(super) fn begin_read(&mut self) -> Result<(), StoreError> {
        self.persistently(|link| {
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            Ok(link.connection.batch_execute(begin)?)
        })
    }

    /// Commits. When the connection is lost in the middle, the server is asked on another one what
    /// became of the transaction: `Ok` is always a commit, [`StoreError::Lost`] never one.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        let transaction = self.transaction.take();
        // COMMIT ends a transaction that has failed without a word of complaint; SELECT complains.
        let committed = self.control("SELECT 1; COMMIT");
        match (committed, transaction) {
            (Err(StoreError::Lost(_)), Some(transaction)) => self.settle(&transaction),
            (outcome, _) => outcome,
        }
    }

    /// The lock is the lost transaction's until it has ended, so whoever holds it is told the truth.
    fn settle(&mut self, transaction: &str) -> Result<(), StoreError> {
        let before = self.history.clone();
        let mut begun = self.begin_write();
        for _ in 1..SETTLING {
            if !matches!(begun, Err(StoreError::Busy)) {
                break;
            }
            begun = self.begin_write();
        }
        let asked = begun.and_then(|()| {
            let fate: Fate = diesel::sql_query("SELECT pg_xact_status($1::text::xid8) AS status")
                .bind::<Text, _>(transaction)
                .get_result(&mut self.connection)?;
            Ok(fate.status)
        });
        self.rollback();
        let is_the_same = before.is_some() && before == self.history;
        let outcome = match asked {
            // Elsewhere it may be another's number.
            Ok(Some(_)) if !is_the_same => Err(StoreError::Uncertain),
            Ok(Some(status)) if status == "committed" => Ok(()),
            Ok(Some(status)) if status == "aborted" => Err(StoreError::Lost(
                "the connection broke before the commit".to_owned(),
            )),
            Ok(_) => Err(StoreError::Uncertain),
            // A standby that took over knows nothing of what was not replicated to it; another
            // server knows nothing at all.
            Err(StoreError::Database(error))
                if error.to_string().contains("is in the future")
                    && is_a_copy(before.as_ref(), self.history.as_ref()) =>
            {
                Err(StoreError::Lost("another server took over".to_owned()))
            }
            Err(error) => {
                tracing::error!(%error, "what became of a transaction cannot be learnt");
                Err(StoreError::Uncertain)
            }
        };
        let label = outcome
            .as_ref()
            .map_or_else(StoreError::label, |()| "committed");
        metrics::counter!("fleetgrant_store_commits_lost_total", "outcome" => label).increment(1);
        outcome
    }

    pub(super) fn rollback(&mut self) {
        self.transaction = None;
        if let Err(error) = self.control("ROLLBACK") {
            // BEGIN would go on with what could not be rolled back.
            self.lost = true;
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    pub(super) fn control(&mut self, statements: &str) -> Result<(), StoreError> {
        let outcome: Result<(), StoreError> = self
            .connection
            .batch_execute(statements)
            .map_err(Into::into);
        self.lost |= matches!(outcome, Err(StoreError::Lost(_)));
        outcome
    }

    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Does the first step of a transaction, again on new connections while the old is lost.
    fn persistently(
        &mut self,
        mut step: impl FnMut(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut pause = PAUSE;
        // The first is often a connection that was lost while nobody used it.
        let mut is_first = true;
        loop {
            let tried = if self.lost {
                self.reopen().and_then(|()| step(self))
            } else {
                step(self)
            };
            let Err(error) = tried else { return Ok(()) };
            if !matches!(error, StoreError::Lost(_)) {
                // Perhaps within the transaction.
                self.rollback();
                return Err(error);
            }
            self.lost = true;
            if began.elapsed() + pause > REOPENING {
                return Err(error);
            }
            if !is_first {
                thread::sleep(pause);
                pause *= 2;
            }
            is_first = false;
        }
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let reopened = connect(&self.place);
        let label = if reopened.is_ok() { "ok" } else { "failed" };
        metrics::counter!("fleetgrant_store_reconnects_total", "outcome" => label).increment(1);
        self.connection = reopened.map_err(|error| StoreError::Lost(error.to_string()))?;
        self.lost = false;
        self.examine()
            .map_err(|error| StoreError::Lost(error.to_string()))
    }
}

/// Whether the one goes on from what the other had.
fn is_a_copy(before: Option<&History>, now: Option<&History>) -> bool {
    before
        .zip(now)
        .is_some_and(|(before, now)| before.system == now.system)
}

fn connect(place: &Postgres) -> Result<PgConnection, OpenError> {
    let unreachable = |reason: String| OpenError::Unreachable {
        place: place.to_string(),
        reason,
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(OpenError::Thread)?;
    let tls = tls::connector(place)?;
    let refused = |error: tokio_postgres::Error| {
        // It says what kind of error it is, and its source what happened.
        unreachable(
            error
                .source()
                .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
        )
    };
    let config = place.config();
    let opening = async {
        let made = match tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
        };
        made.map_err(OpenError::Connect)
    };
    let opened = runtime.block_on(async { tokio::time::timeout(CONNECTING, opening).await });
    let opened = opened.unwrap_or_else(|_| {
        let seconds = CONNECTING.as_secs();
        Err(unreachable(format!("no connection within {seconds} s")))
    });
    let reactor = Reactor(Some(runtime));
    let made = opened?;
    MADE_ON.set(Some(reactor));
    let mut connection = PgConnection::from(made);
    connection.batch_execute(SESSION)?;
    Ok(connection)
}
