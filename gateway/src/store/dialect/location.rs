//! Where a database is, and how a URL says so.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sqlite::SqliteConnection;

use super::Db;
use super::local::Local;
use super::postgres::{Link, Postgres, UrlError};

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
    /// A database of a PostgreSQL server's.
    Postgres(Box<Postgres>),
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database this build knows.
    #[error("{0:?} names no database; write sqlite:PATH or postgres://USER@HOST/NAME")]
    UnknownUrl(String),
    /// A `postgres:` URL that cannot be followed.
    #[error("the URL of the PostgreSQL database: {0}")]
    PostgresUrl(#[from] UrlError),
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
    /// The server cannot be reached, or refuses.
    #[error("cannot connect to PostgreSQL at {place}: {reason}")]
    Unreachable {
        /// Host, port and name of the database.
        place: String,
        /// What the server or the system said.
        reason: String,
    },
    /// The database would not be set up.
    #[error("cannot set the database up: {0}")]
    Setup(#[from] DieselError),
    /// The server is not of a kind that keeps what it promises.
    #[error("the PostgreSQL server cannot be used: {0}")]
    Unsuitable(String),
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
    /// Reads `sqlite:PATH` or `postgres://…`.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::Postgres(Box::new(Postgres::parse(url)?)));
        }
        match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() && path != ":memory:" => {
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            _ => Err(OpenError::UnknownUrl(redacted(url))),
        }
    }

    /// The same, its relative paths below `base`.
    #[must_use]
    pub fn below(self, base: &Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(base.join(path)),
            Self::Postgres(place) => Self::Postgres(Box::new(place.below(base))),
        }
    }

    /// A connection that reads and writes; a file is made if it is missing.
    ///
    /// Blocks. What it returns must not be used on a thread of an async runtime.
    pub fn connect(&self) -> Result<Db, OpenError> {
        match self {
            Self::Sqlite(path) => {
                create_private(path)?;
                let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
                connection.batch_execute(SQLITE_PRAGMAS)?;
                Ok(Db::Sqlite(Box::new(Local::new(connection))))
            }
            Self::Postgres(place) => Ok(Db::Pg(Box::new(Link::open(place)?))),
        }
    }

    /// A connection that only reads. On PostgreSQL the transaction says so, not the connection.
    pub fn connect_read_only(&self) -> Result<Db, OpenError> {
        let mut db = self.connect()?;
        if let Db::Sqlite(local) = &mut db {
            local.connection.batch_execute("PRAGMA query_only = ON;")?;
        }
        Ok(db)
    }
}

/// A URL without the password it may hold.
pub(super) fn redacted(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// Makes the file if it is missing; SQLite gives its WAL and shared-memory files the same mode.
///
/// A file that is there is not opened: to close it again would drop the locks that this process holds
/// on it (POSIX has them by file, not by descriptor), and whoever opens the database next would take
/// the WAL of connections in use for left behind, and delete it.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(OpenError::File {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::*;

    /// As any program of SQLite's reads it, a backup for instance; one that is not this build.
    const READ: &str = "import sqlite3, sys\n\
        ledger = sqlite3.connect(sys.argv[1])\n\
        print(ledger.execute('SELECT count(*) FROM t').fetchone()[0])\n\
        ledger.close()";

    #[test]
    fn a_program_that_reads_the_file_and_ends_leaves_the_wal_of_those_that_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let place = Location::Sqlite(path.clone());
        let mut writer = place.connect().unwrap();
        let mut write = |sql: &str| match &mut writer {
            Db::Sqlite(local) => local.connection.batch_execute(sql).unwrap(),
            Db::Pg(_) => unreachable!("it is a file"),
        };
        write("CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (1)");
        // Its lock is there from now on, and is to outlast the next connection's opening.
        let _reader = place.connect_read_only().unwrap();

        let other = Command::new("python3")
            .args(["-c", READ])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(other.stdout, b"1\n", "{other:?}");

        write("INSERT INTO t VALUES (2)");
        let wal = folder.path().join("ledger.db-wal");
        assert!(
            wal.exists(),
            "what was committed is in a file without a name"
        );
    }

    #[test]
    fn what_names_no_database_is_refused_without_its_password() {
        for url in ["mysql://u:secret@h/d", "", "sqlite:", "sqlite::memory:"] {
            let refused = Location::parse(url).unwrap_err().to_string();
            assert!(refused.contains("names no database"), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
