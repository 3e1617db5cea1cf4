#![allow(clippy::unwrap_used)]

use diesel::prelude::*;

use super::*;
use crate::store::Store;
use crate::store::scratch::Scratch;

const STREAM: Stream<'_> = Stream::Device("acme-1");

fn occasion(at: u64) -> Occasion<'static> {
    Occasion {
        at: Timestamp::from_seconds(at),
        actor: "device",
        cause: &[7; 32],
    }
}

fn store() -> (Scratch, Store) {
    let scratch = Scratch::new();
    let store = scratch.open();
    (scratch, store)
}

fn history(store: &Store) -> Vec<Stored> {
    store
        .write_blocking("append", |db| {
            let first = [
                Event::new(EventKind::FirstContact),
                Event::new(EventKind::Denied)
                    .with("want", "pump")
                    .with("rule", "not-owned"),
            ];
            append(db, STREAM, occasion(1), &first)?;
            append(db, Stream::Catalogue, occasion(1), &first[..1])?;
            append(db, STREAM, occasion(2), &[Event::new(EventKind::Served)])
        })
        .unwrap();
    store
        .read_blocking("read", |db| of_stream(db, STREAM))
        .unwrap()
}

#[test]
fn events_of_a_stream_are_a_chain() {
    let (_scratch, store) = store();
    let events = history(&store);
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(verify_chain(&events), Ok(()));
    // {"rule": "not-owned", "want": "pump"}: of keys of one length the smaller first.
    assert_eq!(
        data_encoding::HEXLOWER.encode(&events[1].body),
        "a26472756c65696e6f742d6f776e65646477616e746470756d70"
    );
}

#[test]
fn two_gateways_that_append_to_one_stream_do_not_fork_it() {
    const EACH: usize = 60;
    let (scratch, one) = store();
    let other = scratch.open();
    std::thread::scope(|scope| {
        for store in [&one, &other] {
            scope.spawn(move || {
                for at in 0..EACH {
                    let append_one = move |db: &mut Db| {
                        let event = [Event::new(EventKind::Served)];
                        append(db, STREAM, occasion(at as u64), &event)
                    };
                    store.write_blocking("append", append_one).unwrap();
                }
            });
        }
    });
    let events = one
        .read_blocking("read", |db| of_stream(db, STREAM))
        .unwrap();
    assert_eq!(events.len(), 2 * EACH);
    assert_eq!(verify_chain(&events), Ok(()));
    assert!(events.is_sorted_by_key(|event| event.position));
}

#[test]
fn the_hash_is_what_is_documented() {
    let (_scratch, store) = store();
    let first = &history(&store)[0];
    let content = Value::Array(vec![
        Value::Text("device:acme-1".into()),
        Value::Integer(1),
        Value::Bytes(vec![0; 32]),
        Value::Integer(i128::from(EventKind::FirstContact.number())),
        Value::Integer(1_000_000),
        Value::Text("device".into()),
        Value::Bytes(vec![7; 32]),
        Value::Bytes(vec![0xa0]),
    ]);
    let digest: [u8; 32] = Sha256::digest(serde_cbor::to_vec(&content).unwrap()).into();
    assert_eq!(first.hash, Octets(digest));
}

#[test]
fn whatever_is_altered_is_found() {
    let (_scratch, store) = store();
    let events = history(&store);
    let altered = |change: fn(&mut Vec<Stored>)| {
        let mut events = events.clone();
        change(&mut events);
        verify_chain(&events).unwrap_err().to_string()
    };
    assert!(altered(|e| e[1].at.0 = e[1].at.0.plus_seconds(1)).contains("event 2 is not"));
    assert!(altered(|e| e[1].body.push(0)).contains("event 2 is not"));
    assert!(altered(|e| drop(e.remove(0))).contains("event 2 stands where event 1"));
    assert!(altered(|e| e.swap(1, 2)).contains("event 3 stands where event 2"));
    assert!(
        altered(|e| {
            // As one who knows the rule would: the hash fits again, but the next event does not.
            e[0].actor = "nobody".into();
            e[0].hash = Link::from(&e[0]).computed();
        })
        .contains("event 2 does not follow")
    );
}

#[test]
fn what_is_written_stays() {
    let (_scratch, store) = store();
    history(&store);
    let refused = |statement: &'static str| {
        store
            .write_blocking("tamper", move |db| {
                on!(db, c => diesel::sql_query(statement).execute(c))?;
                Ok(())
            })
            .unwrap_err()
            .to_string()
    };
    assert!(refused("UPDATE events SET at = 5").contains("events_are_append_only"));
    assert!(refused("DELETE FROM events").contains("events_are_never_deleted"));
    // Personal data can be erased, and the chain holds.
    store
        .write_blocking("erase", |db| {
            on!(db, c => diesel::sql_query("UPDATE events SET personal = NULL").execute(c))?;
            Ok(())
        })
        .unwrap();
    let events = store
        .read_blocking("read", |db| of_stream(db, STREAM))
        .unwrap();
    assert_eq!(verify_chain(&events), Ok(()));
}
