//! What policy gives unasked is never more than its allowance, even where the program is wrong.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::*;
use crate::store::scratch::{bytes, execute};

/// A row of `quota_uses` about the one entitlement.
struct Row {
    device: &'static str,
    kind: i16,
    leave: i16,
    /// Scope, allowance, and the seconds before the use from which on uses count.
    under: [Option<i64>; 3],
}

impl Row {
    /// A temporary licence of the first device's that policy gave.
    fn new(scope: i64, allowance: i64) -> Self {
        Self {
            device: "d-1",
            kind: 3,
            leave: 1,
            under: [Some(scope), Some(allowance), Some(86_400)],
        }
    }

    /// One that somebody approved.
    fn approved() -> Self {
        Self {
            leave: 2,
            under: [None; 3],
            ..Self::new(0, 0)
        }
    }

    fn sql(&self, id: u8) -> String {
        let (id, at) = (bytes(&format!("{id:032x}")), NOW.micros());
        let Self {
            device,
            kind,
            leave,
            under,
        } = self;
        let text = |number: Option<i64>| number.map_or("NULL".to_owned(), |n| n.to_string());
        let [scope, allowance, since] = under;
        let from = text(since.map(|seconds| at - seconds * 1_000_000));
        let (scope, allowance) = (text(*scope), text(*allowance));
        format!(
            "INSERT INTO quota_uses (id, kind, entitlement_id, owner_id, device_id, units, leave, \
             used_at, scope, allowance, counted_from) \
             SELECT {id}, {kind}, id, owner_id, '{device}', 1, {leave}, \
             {at}, {scope}, {allowance}, {from} FROM entitlements"
        )
    }
}

/// What the database itself says to a statement.
fn said(db: &mut Db, statement: &str) -> Result<(), String> {
    on!(db, c => c.batch_execute(statement)).map_err(|error| error.to_string())
}

#[test]
fn the_schema_gives_nothing_beyond_the_allowance() {
    const WITHIN: &str = "quota_use_within_allowance";
    let fixture = Fixture::new(2, 1);
    let db = &mut fixture.scratch.connect();
    let mut id = 0;
    let mut insert = |row: Row| {
        id += 1;
        said(db, &row.sql(id))
    };
    insert(Row::new(1, 1)).unwrap();
    let mut refused = |row: Row, name: &str| {
        let said = insert(row).unwrap_err();
        assert!(said.contains(name), "{said} is not {name}");
    };
    for scope in [1, 2, 3] {
        refused(Row::new(scope, 1), WITHIN);
    }
    let other_device = |scope, allowance| Row {
        device: "d-2",
        ..Row::new(scope, allowance)
    };
    refused(other_device(1, 1), WITHIN);
    refused(other_device(2, 1), WITHIN);
    let mut partly = Row::approved();
    partly.under[1] = Some(9);
    refused(partly, "quota_use_allowance_is_whole");
    let mut without = Row::approved();
    without.leave = 1;
    refused(without, "quota_use_by_policy_has_an_allowance");
    let mut at_once = Row::new(1, 9);
    at_once.under[2] = Some(60);
    refused(at_once, "quota_use_counts_a_day");

    // Another device's own, and what is of another kind.
    insert(other_device(3, 1)).unwrap();
    insert(Row {
        kind: 1,
        ..Row::new(1, 1)
    })
    .unwrap();
    // What was approved is under no allowance, and counts.
    insert(Row::approved()).unwrap();
    assert!(insert(Row::new(1, 3)).unwrap_err().contains(WITHIN));
    insert(Row::new(1, 4)).unwrap();
}

/// A gateway writes the last use that is allowed, and somebody else does before it has committed.
#[test]
fn exactly_one_of_two_connections_gets_the_last_of_an_allowance() {
    let fixture = Fixture::new(1, 1);
    let mut other = fixture.scratch.connect();
    let (wrote, written) = mpsc::sync_channel(1);
    thread::scope(|scope| {
        let store = &fixture.store;
        let gateway = scope.spawn(move || {
            store.write_blocking("last", move |db| {
                execute(db, &Row::new(1, 1).sql(1))?;
                wrote.send(()).unwrap();
                // The other one waits meanwhile.
                thread::sleep(Duration::from_millis(300));
                Ok(())
            })
        });
        written.recv().unwrap();
        let second = execute(&mut other, &Row::new(1, 1).sql(2));
        assert!(matches!(second, Err(StoreError::Stale)), "{second:?}");
        gateway.join().unwrap().unwrap();
    });
    assert_eq!(fixture.uses().len(), 1);
}

/// A program that reads how much is used, and does not decide anew.
#[test]
fn a_use_that_only_the_schema_refuses_is_stale() {
    let fixture = Fixture::new(3, 1);
    let mut handsets = [1, 2, 3].map(|n| fixture.handset(n));
    for (handset, total) in handsets.iter_mut().zip([1, 0, 0]) {
        handset.admit(&fixture.store, total);
        handset.seq += 1;
    }
    let [_, first, second] = handsets;
    let decide = |db: &mut Db, handset: &Handset| {
        let ask = Ask {
            reason: Reason::Temporary,
            ..handset.ask(1)
        };
        let look = Look {
            wants: &ask.wants,
            quotas: true,
            now: Some(NOW),
            ..Look::default()
        };
        let snapshot = load_for(db, &Cache::default(), &handset.id, &look)?.unwrap();
        let basis = Basis::of(&snapshot);
        let request = Request {
            digest: handset.digest(0),
            sender: handset.sender(snapshot.device.key()),
            ask,
        };
        let policy = Policy::default();
        let outcome = on_request(snapshot, &request, handset.context(&policy), &mut entropy());
        Ok::<_, StoreError>((basis, outcome))
    };
    let recorded = fixture.store.write_blocking("both", move |db| {
        let one = decide(db, &first)?;
        let (basis, mut outcome) = decide(db, &second)?;
        first.record(db, &one.0, &one.1, first.digest(0))?;
        outcome.uses[0].guard.as_mut().unwrap().seen += 1;
        second.record(db, &basis, &outcome, second.digest(0))
    });
    assert!(matches!(recorded, Err(StoreError::Stale)), "{recorded:?}");
    assert_eq!(fixture.uses(), []);
}
