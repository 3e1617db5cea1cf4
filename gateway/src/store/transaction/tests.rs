#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use crate::store::scratch::Scratch;
use crate::store::{Db, Store, StoreError, StoreOptions, Verdict};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn store() -> (Scratch, Store) {
    let scratch = Scratch::new();
    let store = scratch.open();
    (scratch, store)
}

fn insert(db: &mut Db, name: &str) -> Result<(), StoreError> {
    on!(db, c => diesel::sql_query(
        "INSERT INTO product_lines (id, name, id_prefix, created_at) VALUES ($1, $2, $3, 0)"
    )
    .bind::<Binary, _>(name.as_bytes())
    .bind::<Text, _>(name)
    .bind::<Text, _>(name)
    .execute(c))?;
    Ok(())
}

fn count(store: &Store) -> i64 {
    store
        .read_blocking("count", |db| {
            let rows: Vec<Count> = on!(db, c => diesel::sql_query(
                "SELECT count(*) AS count FROM product_lines"
            )
            .load(c))?;
            Ok(rows[0].count)
        })
        .unwrap()
}

/// Holds one of the two threads that read until the returned sender is dropped.
fn hold_a_reader(store: &Store) -> mpsc::SyncSender<()> {
    let (release, held) = mpsc::sync_channel::<()>(1);
    let (entered, inside) = mpsc::sync_channel(1);
    let store = store.clone();
    std::thread::spawn(move || {
        store.read_blocking("hold", move |_| {
            let _ = entered.send(());
            let _ = held.recv();
            Ok(())
        })
    });
    inside.recv().unwrap();
    release
}

/// Holds the writer until the returned sender is dropped, so that what follows forms one group.
fn hold(store: &Store) -> mpsc::SyncSender<()> {
    let (release, held) = mpsc::sync_channel::<()>(1);
    let (entered, inside) = mpsc::sync_channel(1);
    let store = store.clone();
    std::thread::spawn(move || {
        store.write_blocking("hold", move |_| {
            let _ = entered.send(());
            let _ = held.recv();
            Ok(())
        })
    });
    inside.recv().unwrap();
    release
}

#[test]
fn one_poisonous_operation_holds_up_nobody_else() {
    let (_scratch, store) = store();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let release = hold(&store);
    let results = runtime.block_on(async {
        let mut set = tokio::task::JoinSet::new();
        for n in 0..40 {
            let store = store.clone();
            set.spawn(async move {
                let result = store
                    .write("insert", move |db| {
                        insert(db, &format!("a{n}"))?;
                        match n {
                            // Effects of an operation that errs later are undone.
                            7 => insert(db, &format!("a{n}")),
                            20 => panic!("as a test"),
                            _ => Ok(()),
                        }
                    })
                    .await;
                (n, result)
            });
        }
        tokio::task::yield_now().await;
        drop(release);
        set.join_all().await
    });
    for (n, result) in results {
        match n {
            7 => assert!(
                matches!(result, Err(StoreError::Constraint(_))),
                "{result:?}"
            ),
            20 => assert!(
                matches!(result, Err(StoreError::Panicked("insert"))),
                "{result:?}"
            ),
            _ => assert!(result.is_ok(), "{n}: {result:?}"),
        }
    }
    assert_eq!(count(&store), 38);
}

#[test]
fn after_a_group_of_several_the_next_waits_for_more() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let options = StoreOptions {
        batch_wait: Duration::from_millis(500),
        ..StoreOptions::default()
    };
    let store = Store::open_at(scratch.location(), options).unwrap();
    let soon = |name: &'static str| {
        let store = store.clone();
        let write = std::thread::spawn(move || store.write_blocking(name, |db| insert(db, name)));
        std::thread::sleep(Duration::from_millis(50));
        write
    };
    let release = hold(&store);
    let several = [soon("one"), soon("two")];
    drop(release);
    for write in several {
        write.join().unwrap().unwrap();
    }
    let third = soon("three");
    let other = store.clone();
    let committed = store.write_blocking("four", move |_| Ok(count(&other)));
    assert_eq!(committed.unwrap(), 2, "the third has not committed before");
    third.join().unwrap().unwrap();
    assert_eq!(count(&store), 3);
}

#[test]
fn an_operation_that_wants_it_undone_still_answers() {
    let (_scratch, store) = store();
    let answer = store
        .transaction_blocking("dry", |db| {
            insert(db, "dry")?;
            Ok(Verdict::Rollback(17))
        })
        .unwrap();
    assert_eq!((answer, count(&store)), (17, 0));
}

#[test]
fn an_operation_run_again_counts_once() {
    let (_scratch, store) = store();
    let runs = Arc::new(AtomicUsize::new(0));
    let release = hold(&store);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let counted = Arc::clone(&runs);
        let good = store.write("good", move |db| {
            counted.fetch_add(1, Ordering::Relaxed);
            insert(db, "good")
        });
        let bad = store.write("bad", |db| insert(db, "far too long for a prefix"));
        let freed = async {
            tokio::task::yield_now().await;
            drop(release);
        };
        let (good, bad, ()) = tokio::join!(good, bad, freed);
        assert!(good.is_ok(), "{good:?}");
        let refused = bad.unwrap_err().to_string();
        assert!(
            refused.contains("product_line_prefix_is_valid"),
            "{refused}"
        );
    });
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(count(&store), 1);
}

#[test]
fn what_was_accepted_commits_before_the_store_is_gone() {
    let (scratch, store) = store();
    store
        .write_blocking("insert", |db| insert(db, "kept"))
        .unwrap();
    drop(store);
    let store = Store::open_at(scratch.location(), StoreOptions::default()).unwrap();
    assert_eq!(count(&store), 1);
}

/// As when a report is being made while the gateway is stopped.
#[test]
fn what_was_accepted_commits_before_the_store_is_closed_and_what_is_read_is_not_waited_for() {
    let (scratch, store) = store();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let (entered, inside) = mpsc::sync_channel(1);
    let reads = store.clone();
    let report = runtime.spawn(async move {
        let slow = reads.read("slow", move |_| {
            entered.send(()).unwrap();
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        });
        slow.await
    });
    inside.recv().unwrap();
    let release = hold(&store);
    let writes = store.clone();
    let accepted =
        runtime.spawn(async move { writes.write("late", |db| insert(db, "late")).await });
    // It waits behind what holds the writer.
    std::thread::sleep(Duration::from_millis(200));
    let frees = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(release);
    });
    let began = Instant::now();
    store.close();
    assert!(began.elapsed() < Duration::from_secs(20), "{began:?}");
    assert!(runtime.block_on(accepted).unwrap().is_ok());
    assert!(!report.is_finished());
    let refused = store.write_blocking("later", |db| insert(db, "later"));
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let refused = store.read_blocking("later", |_| Ok(()));
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    frees.join().unwrap();
    runtime.shutdown_background();
    let store = Store::open_at(scratch.location(), StoreOptions::default()).unwrap();
    assert_eq!(count(&store), 1);
}

#[test]
fn what_nobody_waits_for_any_more_is_not_read() {
    let (_scratch, store) = store();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let held = [(); 2].map(|()| hold_a_reader(&store));
    let runs = Arc::new(AtomicUsize::new(0));
    let (reads, counted) = (store.clone(), Arc::clone(&runs));
    let waits = runtime.spawn(async move {
        let read = reads.read("waits", move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        read.await
    });
    std::thread::sleep(Duration::from_millis(200));
    waits.abort();
    assert!(runtime.block_on(waits).unwrap_err().is_cancelled());
    drop(held);
    assert_eq!(count(&store), 0);
    store.close();
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}
