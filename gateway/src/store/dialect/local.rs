//! A connection to SQLite, and for how long what was read on it is still so.

use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use crate::store::error::StoreError;

/// A connection to a file.
pub struct Local {
    /// Where queries go.
    pub connection: SqliteConnection,
    watch: Option<Watch>,
}

/// A stretch of one connection's transactions in which devices changed by nothing but
/// `conversation::record` on that connection: nobody else wrote, nothing was undone. No two are
/// alike in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era(u64);

pub(super) struct Watch {
    era: Era,
    /// `PRAGMA data_version`: another number whenever another connection has committed.
    version: i64,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    data_version: i64,
}

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
        }
    }

    /// Takes the lock, behind which nobody else writes until the commit.
    pub(super) fn begin_write(&mut self) -> Result<(), StoreError> {
        self.connection.batch_execute("BEGIN IMMEDIATE")?;
        if self.watch.is_some() {
            let read: Version =
                diesel::sql_query("PRAGMA data_version").get_result(&mut self.connection)?;
            if self
                .watch
                .as_ref()
                .is_some_and(|w| w.version != read.data_version)
            {
                self.watch = Some(Watch {
                    era: Era::new(),
                    version: read.data_version,
                });
            }
        }
        Ok(())
    }

    pub(super) fn begin_eras(&mut self) {
        self.watch = Some(Watch {
            era: Era::new(),
            // Never the database's: the first transaction begins an era of its own.
            version: -1,
        });
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
            watch.era = Era::new();
        }
    }
}
