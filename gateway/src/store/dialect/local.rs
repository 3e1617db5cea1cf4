//! A connection to SQLite, and for how long what was read on it is still so.

use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel::sqlite::{Sqlite, SqliteConnection};
use fleetgrant_core::domain::ActReason;

use crate::store::error::StoreError;

/// A connection to a file.
pub struct Local {
    /// Where queries go.
    pub connection: SqliteConnection,
    watch: Option<Watch>,
    pub(super) reason: Option<ActReason>,
}

/// A stretch of one connection's transactions in which devices changed by nothing but
/// `conversation::record` on that connection: nobody else wrote, nothing was undone. No two are
/// alike in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era(u64);

pub(super) struct Watch {
    era: Era,
    /// See [`DataVersion`].
    version: i64,
    /// Whether no webhook takes any event, if it was asked in this era.
    unheard: Option<bool>,
}

impl Watch {
    fn new(version: i64) -> Self {
        Self {
            era: Era::new(),
            version,
            unheard: None,
        }
    }
}

/// Another number whenever another connection has committed. It is asked at each transaction, so that
/// it is kept prepared.
#[derive(Clone, Copy, Debug, QueryId)]
struct DataVersion;

impl Query for DataVersion {
    type SqlType = BigInt;
}

impl QueryFragment<Sqlite> for DataVersion {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("PRAGMA data_version");
        Ok(())
    }
}

impl RunQueryDsl<SqliteConnection> for DataVersion {}

impl Era {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

impl Local {
    pub(super) const fn new(connection: SqliteConnection) -> Self {
        Self {
            connection,
            watch: None,
            reason: None,
        }
    }

    /// Takes the lock, behind which nobody else writes until the commit.
    pub(super) fn begin_write(&mut self) -> Result<(), StoreError> {
        self.connection.batch_execute("BEGIN IMMEDIATE")?;
        if let Some(watch) = &mut self.watch {
            let version: i64 = DataVersion.get_result(&mut self.connection)?;
            if watch.version != version {
                *watch = Watch::new(version);
            }
        }
        Ok(())
    }

    pub(super) fn begin_eras(&mut self) {
        // Never the database's: the first transaction begins an era of its own.
        self.watch = Some(Watch::new(-1));
    }

    pub(super) fn era(&self) -> Option<Era> {
        self.watch.as_ref().map(|watch| watch.era)
    }

    /// No era until it is resumed, with the next one.
    pub(super) const fn pause(&mut self) -> Option<Watch> {
        self.watch.take()
    }

    pub(super) fn resume(&mut self, watch: Option<Watch>) {
        self.watch = watch;
        self.end_era();
    }

    pub(super) fn end_era(&mut self) {
        if let Some(watch) = &mut self.watch {
            *watch = Watch::new(watch.version);
        }
    }

    pub(super) fn unheard(&self) -> Option<bool> {
        self.watch.as_ref()?.unheard
    }

    pub(super) const fn keep_unheard(&mut self, unheard: bool) {
        if let Some(watch) = &mut self.watch {
            watch.unheard = Some(unheard);
        }
    }
}
