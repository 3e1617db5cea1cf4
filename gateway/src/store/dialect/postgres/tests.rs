//! What comes of writes when the connection breaks: between transactions, within one, and in the
//! middle of a commit. On SQLite there is no connection, and the tests say that they are skipped.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::{io, thread};

use diesel::prelude::*;
use diesel::sql_types::Text;
use tokio_postgres::config::Host;

use super::History;
use crate::on;
use crate::store::scratch::{self, Scratch};
use crate::store::{Db, Location, Store, StoreError, StoreOptions};

/// What the relay does to the next commit.
const PASS: u8 = 0;
/// The server gets it, and nobody its answer.
const LOSE_ANSWER: u8 = 1;
/// The server never gets it.
const LOSE_COMMIT: u8 = 2;

/// Stands between a gateway and the server.
struct Relay {
    port: u16,
    mode: Arc<AtomicU8>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(AtomicU8::new(PASS));
        let shared = Arc::clone(&mode);
        // It ends with the process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(server).unwrap();
                let mode = Arc::clone(&shared);
                thread::spawn(move || relay(client.unwrap(), server, &mode));
            }
        });
        Self { port, mode }
    }

    fn next_commit(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

/// Until one side ends, or a commit is lost as it was to be.
fn relay(mut client: TcpStream, mut server: TcpStream, mode: &AtomicU8) {
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let silent = Arc::new(AtomicU8::new(0));
    let mute = Arc::clone(&silent);
    let back = thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if mute.load(Ordering::SeqCst) == 1 {
                // The answer to the commit: the server is done with it.
                break;
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 65_536];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let is_commit = buffer[..read].windows(7).any(|word| word == b"COMMIT\0");
        let lost = if is_commit {
            mode.swap(PASS, Ordering::SeqCst)
        } else {
            PASS
        };
        match lost {
            LOSE_COMMIT => break,
            LOSE_ANSWER => {
                silent.store(1, Ordering::SeqCst);
                server.write_all(&buffer[..read]).unwrap();
                back.join().unwrap();
                return;
            }
            _ => {
                if server.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
        }
    }
    let ends: [io::Result<()>; 2] = [
        client.shutdown(Shutdown::Both),
        server.shutdown(Shutdown::Both),
    ];
    drop(ends);
}

/// A database and its address, unless the tests are on SQLite.
fn on_postgres() -> Option<(Scratch, SocketAddr)> {
    let scratch = Scratch::new();
    let Location::Postgres(place) = scratch.location() else {
        println!("skipped on SQLite: there is no connection to break");
        return None;
    };
    let Some(Host::Tcp(host)) = place.config().get_hosts().first() else {
        panic!("the tests reach their server over TCP")
    };
    let port = place.config().get_ports().first().copied().unwrap_or(5_432);
    let address = format!("{host}:{port}").parse().unwrap();
    Some((scratch, address))
}

fn insert(db: &mut Db, name: &str) -> Result<(), StoreError> {
    on!(db, c => diesel::sql_query(
        "INSERT INTO product_lines (id, name, id_prefix, created_at) VALUES ($1::bytea, $2, $2, 0)"
    )
    .bind::<diesel::sql_types::Binary, _>(name.as_bytes())
    .bind::<Text, _>(name)
    .execute(c))?;
    Ok(())
}

fn lines(scratch: &Scratch) -> i64 {
    scratch::number(&scratch.open(), "SELECT count(*) AS n FROM product_lines")
}

/// Ends every connection to the database, as a server does that restarts.
fn cut(location: &Location) {
    let mut db = location.connect().unwrap();
    scratch::execute(
        &mut db,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .unwrap();
}

#[test]
fn a_connection_that_was_lost_between_transactions_is_opened_again() {
    let Some((scratch, _)) = on_postgres() else {
        return;
    };
    let store = scratch.open();
    store.write_blocking("test", |db| insert(db, "a")).unwrap();
    cut(scratch.location());
    store.write_blocking("test", |db| insert(db, "b")).unwrap();
    cut(scratch.location());
    assert_eq!(
        scratch::number(&store, "SELECT count(*) AS n FROM product_lines"),
        2
    );
}

#[test]
fn a_transaction_that_lost_its_connection_is_run_again_as_a_whole() {
    let Some((scratch, _)) = on_postgres() else {
        return;
    };
    let store = scratch.open();
    let runs = Arc::new(AtomicUsize::new(0));
    let (counted, location) = (Arc::clone(&runs), scratch.location().clone());
    let written = store.write_blocking("test", move |db| {
        insert(db, "a")?;
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            cut(&location);
        }
        insert(db, "b")
    });
    written.unwrap();
    assert_eq!((runs.load(Ordering::SeqCst), lines(&scratch)), (2, 2));
}

/// How often an insertion ran, what its caller was told, and the rows there are.
fn lose(mode: u8) -> Option<(usize, Result<(), StoreError>, i64)> {
    let (scratch, server) = on_postgres()?;
    let relay = Relay::to(server);
    let location = scratch.through(relay.port);
    let store = Store::open_at(&location, StoreOptions::default()).unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    relay.next_commit(mode);
    let told = store.write_blocking("test", move |db| {
        counted.fetch_add(1, Ordering::SeqCst);
        insert(db, "a")
    });
    Some((runs.load(Ordering::SeqCst), told, lines(&scratch)))
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_run_again() {
    let Some((runs, told, lines)) = lose(LOSE_ANSWER) else {
        return;
    };
    assert!(told.is_ok(), "{told:?}");
    assert_eq!((runs, lines), (1, 1));
}

#[test]
fn a_commit_that_was_lost_itself_is_run_again() {
    let Some((runs, told, lines)) = lose(LOSE_COMMIT) else {
        return;
    };
    assert!(told.is_ok(), "{told:?}");
    assert_eq!((runs, lines), (2, 1));
}

/// What is told of a commit whose answer was lost, to a gateway that then finds another server.
fn lose_to(transaction: Option<&str>, change: fn(&mut History)) -> Option<(StoreError, i64)> {
    let (scratch, server) = on_postgres()?;
    let relay = Relay::to(server);
    let mut db = scratch.through(relay.port).connect().unwrap();
    let Db::Pg(link) = &mut db else {
        unreachable!("it is PostgreSQL")
    };
    link.begin_write().unwrap();
    let found = link.history.clone().expect("the server says which it is");
    let history = link.history.as_mut().unwrap();
    change(history);
    assert_ne!(found, *history);
    if let Some(number) = transaction {
        link.transaction = Some(number.to_owned());
    }
    insert(&mut db, "a").unwrap();
    relay.next_commit(LOSE_ANSWER);
    let told = db.commit().unwrap_err();
    Some((told, lines(&scratch)))
}

/// The number is another transaction's there, so its being committed says nothing.
#[test]
fn what_another_timeline_says_of_a_number_is_not_believed() {
    let changes: [fn(&mut History); 2] = [
        |before| before.timeline = "0000000A".to_owned(),
        |before| before.system = "1".to_owned(),
    ];
    for change in changes {
        let Some((told, lines)) = lose_to(None, change) else {
            return;
        };
        assert!(matches!(told, StoreError::Uncertain), "{told:?}");
        assert_eq!(lines, 1);
    }
}

#[test]
fn a_number_that_a_standby_has_not_come_to_was_not_replicated_to_it() {
    const FAR: &str = "9000000000000";
    let Some((told, _)) = lose_to(Some(FAR), |before| before.timeline = "0000000A".to_owned())
    else {
        return;
    };
    assert!(matches!(told, StoreError::Lost(_)), "{told:?}");
    // Of a server that has nothing to do with the one before, that says nothing.
    let (told, _) = lose_to(Some(FAR), |before| before.system = "1".to_owned()).unwrap();
    assert!(matches!(told, StoreError::Uncertain), "{told:?}");
}

#[test]
fn what_failed_on_the_way_is_never_said_to_be_committed() {
    let Some((scratch, _)) = on_postgres() else {
        return;
    };
    // The error is swallowed; PostgreSQL would take the COMMIT and roll back without a word.
    let told = scratch.open().write_blocking("test", |db| {
        insert(db, "a")?;
        let _ = insert(db, "a");
        Ok(())
    });
    assert!(told.is_err(), "{told:?}");
    assert_eq!(lines(&scratch), 0);
}

#[test]
fn one_transaction_writes_at_a_time_whichever_gateway_it_is_of() {
    let Some((scratch, _)) = on_postgres() else {
        return;
    };
    let (one, other) = (scratch.open(), scratch.open());
    let inside = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for store in [&one, &other] {
            let inside = Arc::clone(&inside);
            scope.spawn(move || {
                for _ in 0..50 {
                    let inside = Arc::clone(&inside);
                    let written = store.write_blocking("test", move |db| {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        scratch::execute(db, "SELECT pg_sleep(0.001)")?;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    });
                    written.unwrap();
                }
            });
        }
    });
}

/// The certificate is for `localhost`, as `tests/checks/postgres.sh` makes it.
#[test]
fn only_a_server_that_proves_its_name_is_connected_to() {
    const CA: &str = "POSTGRES_CA_FOR_TESTS";
    let (Some((scratch, server)), Some(ca)) = (on_postgres(), std::env::var_os(CA)) else {
        println!("skipped: {CA} names no file with the root of a server's certificate");
        return;
    };
    let ca = std::path::PathBuf::from(ca);
    let other = ca.with_file_name("other.pem");
    let url = scratch.url().unwrap();
    let (user, rest) = url.rsplit_once('@').unwrap();
    let (_, database) = rest.split_once('/').unwrap();
    let at = |host: &str, query: String| {
        let port = server.port();
        Location::parse(&format!("{user}@{host}:{port}/{database}?{query}")).unwrap()
    };
    let verified =
        |root: &std::path::Path| format!("sslmode=verify-full&sslrootcert={}", root.display());
    let is_encrypted = |location: &Location| {
        let mut db = location.connect().unwrap();
        let Db::Pg(link) = &mut db else {
            unreachable!("it is PostgreSQL")
        };
        let found: Encrypted = diesel::sql_query(
            "SELECT ssl AS encrypted FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        )
        .get_result(&mut link.connection)
        .unwrap();
        found.encrypted
    };
    assert!(is_encrypted(&at("localhost", verified(&ca))));
    assert!(is_encrypted(&at("localhost", "sslmode=require".to_owned())));
    assert!(!is_encrypted(&at(
        "localhost",
        "sslmode=disable".to_owned()
    )));
    for (refused, reason) in [
        // Another's name, and another's root.
        (at("127.0.0.1", verified(&ca)), "not valid for name"),
        (at("localhost", verified(&other)), "UnknownIssuer"),
    ] {
        let told = refused.connect().map(drop).unwrap_err().to_string();
        assert!(told.contains("certificate"), "{told}");
        assert!(told.contains(reason), "{told}");
    }
}

#[derive(QueryableByName)]
struct Encrypted {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    encrypted: bool,
}
