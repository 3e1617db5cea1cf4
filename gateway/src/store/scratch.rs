//! A database for one test: a file, or, where `POSTGRES_FOR_TESTS` names a server, a database
//! of its own there, copied from one that was migrated once.
#![allow(clippy::unwrap_used)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process, thread};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::dialect::{Postgres, migrate};
use super::{Db, Location, SchemaPolicy, Store, StoreError, StoreOptions};

/// The URL of a database of a server on which databases may be made.
const SERVER: &str = "POSTGRES_FOR_TESTS";

/// Dropped with all that is in it.
pub(crate) struct Scratch {
    location: Location,
    _folder: tempfile::TempDir,
    made: Option<(Postgres, String)>,
}

impl Scratch {
    /// An empty one, its schema this version's.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let Some(server) = server() else {
            return Self {
                location: Location::Sqlite(folder.path().join("test.db")),
                _folder: folder,
                made: None,
            };
        };
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fg_test_{}_{next}", process::id());
        aside(|| {
            let template = template(&server);
            let mut admin = connect(&server);
            execute(
                &mut admin,
                &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            )
            .unwrap();
            execute(
                &mut admin,
                &format!("CREATE DATABASE {name} TEMPLATE {template}"),
            )
            .unwrap();
        });
        Self {
            location: Location::Postgres(Box::new(server.clone().database(&name))),
            _folder: folder,
            made: Some((server, name)),
        }
    }

    pub(crate) const fn location(&self) -> &Location {
        &self.location
    }

    /// As a configuration names it; none on SQLite, where each has a place of its own.
    #[allow(
        dead_code,
        reason = "for processes, which the library's own tests do not start"
    )]
    pub(crate) fn url(&self) -> Option<String> {
        let (_, name) = self.made.as_ref()?;
        let url = env::var(SERVER).unwrap();
        let (server, _) = url.rsplit_once('/').unwrap();
        Some(format!("{server}/{name}"))
    }

    /// A table of a configuration that names it; empty on SQLite.
    #[allow(
        dead_code,
        reason = "for processes, which the library's own tests do not start"
    )]
    pub(crate) fn table(&self) -> String {
        self.url().map_or_else(String::new, |url| {
            format!("\n[database]\nurl = \"{url}\"\n")
        })
    }

    /// The same by way of a port of this machine.
    pub(crate) fn through(&self, port: u16) -> Location {
        let url = env::var(SERVER).unwrap();
        let (_, name) = self.made.as_ref().unwrap();
        let (user, _) = url.rsplit_once('@').unwrap();
        Location::parse(&format!("{user}@127.0.0.1:{port}/{name}")).unwrap()
    }

    /// A gateway's store in it.
    pub(crate) fn open(&self) -> Store {
        let options = StoreOptions {
            schema: SchemaPolicy::Migrate,
            ..StoreOptions::default()
        };
        Store::open_at(&self.location, options).unwrap()
    }

    /// One connection to it, migrated.
    pub(crate) fn connect(&self) -> Db {
        let mut db = self.location.connect().unwrap();
        migrate(&mut db).unwrap();
        db
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some((server, name)) = self.made.take() {
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            aside(|| execute(&mut connect(&server), &drop).unwrap());
        }
    }
}

/// Whether the tests of this run are on PostgreSQL.
pub(crate) fn is_postgres() -> bool {
    env::var_os(SERVER).is_some()
}

/// Runs statements that are the same on both.
pub(crate) fn execute(db: &mut Db, statements: &str) -> Result<(), StoreError> {
    Ok(on!(db, c => c.batch_execute(statements))?)
}

/// Runs statements in a transaction of the store's.
pub(crate) fn write(store: &Store, statements: &str) -> Result<(), StoreError> {
    let statements = statements.to_owned();
    store.write_blocking("test", move |db| execute(db, &statements))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The number `n` that a query gives.
pub(crate) fn number(store: &Store, query: &str) -> i64 {
    let query = format!("SELECT CAST(n AS BIGINT) AS n FROM ({query}) AS numbers");
    let numbers = store.read_blocking("number", move |db| {
        let numbers: Vec<Number> = on!(db, c => diesel::sql_query(query).load(c))?;
        Ok(numbers)
    });
    numbers.unwrap()[0].n
}

/// Bytes as a literal, from hex.
pub(crate) fn bytes(hex: &str) -> String {
    if is_postgres() {
        format!("'\\x{hex}'")
    } else {
        format!("x'{hex}'")
    }
}

fn server() -> Option<Postgres> {
    let url = env::var(SERVER).ok()?;
    match Location::parse(&url).unwrap() {
        Location::Postgres(place) => Some(*place),
        Location::Sqlite(_) => panic!("{SERVER} names no server"),
    }
}

fn connect(place: &Postgres) -> Db {
    Location::Postgres(Box::new(place.clone()))
        .connect()
        .unwrap()
}

/// On a thread that may wait, whoever calls.
fn aside<T: Send>(step: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(step).join().unwrap())
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The name of a migrated database, made by the first process that asks; another schema is
/// another database.
fn template(server: &Postgres) -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = format!("fg_template_{:x}", hash_of_migrations());
        let mut admin = connect(server);
        // Its end is that of the connection.
        execute(&mut admin, "SELECT pg_advisory_lock(4711)").unwrap();
        let Db::Pg(link) = &mut admin else {
            unreachable!("the server is PostgreSQL's")
        };
        let made: Vec<Named> = diesel::sql_query(format!(
            "SELECT datname::text AS name FROM pg_database WHERE datname = '{name}' AND datistemplate"
        ))
        .load(&mut link.connection)
        .unwrap();
        if made.is_empty() {
            for statement in [
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                format!("CREATE DATABASE {name}"),
            ] {
                execute(&mut admin, &statement).unwrap();
            }
            migrate(&mut connect(&server.clone().database(&name))).unwrap();
            execute(&mut admin, &format!("ALTER DATABASE {name} IS_TEMPLATE true")).unwrap();
        } else {
            assert_eq!(made[0].name, name);
        }
        name
    })
}

fn hash_of_migrations() -> u64 {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres"
    ));
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("up.sql"))
        .collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}
