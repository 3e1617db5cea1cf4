//! Two gateways on one database, and one gateway that does everything twice.

use std::sync::Barrier;
use std::thread;

use fleetgrant_core::outcome::WantVerdict;
use fleetgrant_core::rule::Rule;

use super::*;
use crate::store::entitlement;
use crate::store::event::{self, Stream};

fn is_granted(outcome: &Outcome) -> bool {
    matches!(&outcome.decided[0].verdict, WantVerdict::Granted(ids) if !ids.is_empty())
}

fn live_units(store: &Store) -> i64 {
    store
        .read_blocking("live", |db| {
            let e = entitlement::by_reference(db, "erp", "O/1/P/perpetual")?.unwrap();
            Ok(e.live_units)
        })
        .unwrap()
}

#[test]
fn exactly_one_of_two_gateways_gets_the_last_unit() {
    const ROUNDS: usize = 60;
    let fixture = Fixture::new(2 * ROUNDS, ROUNDS as u32);
    let stores = [fixture.store.clone(), fixture.another()];
    let mut handsets: Vec<Handset> = (1..=2 * ROUNDS).map(|n| fixture.handset(n)).collect();
    for handset in &mut handsets {
        // Admitted, with nothing yet: nothing is bound to it.
        handset.admit(&fixture.store, 0);
    }
    for round in 0..ROUNDS {
        assert_eq!(live_units(&fixture.store), round as i64);
        fixture.leave_one_unit();
        let barrier = Barrier::new(2);
        let granted: Vec<bool> = thread::scope(|scope| {
            let racers: Vec<_> = stores
                .iter()
                .zip([2 * round, 2 * round + 1])
                .map(|(store, n)| {
                    let mut handset = handsets[n].clone();
                    let barrier = &barrier;
                    scope.spawn(move || {
                        handset.seq += 1;
                        barrier.wait();
                        let outcome = store
                            .write_blocking("race", move |db| handset.request(db, 1))
                            .unwrap();
                        if !is_granted(&outcome) {
                            let WantVerdict::Denied { rule, .. } = outcome.decided[0].verdict
                            else {
                                panic!("{:?}", outcome.decided);
                            };
                            assert_eq!(rule, Rule::NoUnitsLeft);
                        }
                        is_granted(&outcome)
                    })
                })
                .collect();
            racers.into_iter().map(|r| r.join().unwrap()).collect()
        });
        assert_eq!(
            granted.iter().filter(|granted| **granted).count(),
            1,
            "{round}"
        );
    }
    assert_eq!(live_units(&fixture.store), ROUNDS as i64);
}

impl Fixture {
    /// Sets the quantity to one more than is in use.
    fn leave_one_unit(&self) {
        self.store
            .write_blocking("leave-one", move |db| {
                let mut e = entitlement::by_reference(db, "erp", "O/1/P/perpetual")?.unwrap();
                e.units = e.live_units + 1;
                entitlement::update(db, &e)
            })
            .unwrap();
    }
}

#[test]
fn a_decision_on_a_stale_snapshot_is_not_recorded() {
    let fixture = Fixture::new(2, 1);
    let (mut first, mut second) = (fixture.handset(1), fixture.handset(2));
    first.admit(&fixture.store, 0);
    second.admit(&fixture.store, 0);
    first.seq += 1;
    second.seq += 1;
    // Both decide on what they read before either wrote, as two replicas without locks would.
    let refused = fixture
        .store
        .write_blocking("stale", move |db| {
            let policy = Policy::default();
            let mut decide = |handset: &Handset| {
                let ask = handset.ask(1);
                let snapshot = load(db, &Cache::default(), &handset.id, &ask.wants)
                    .unwrap()
                    .unwrap();
                let request = Request {
                    digest: handset.digest(0),
                    sender: handset.sender(snapshot.device.key()),
                    ask,
                };
                let basis = Basis::of(&snapshot);
                let context = handset.context(&policy);
                (
                    basis,
                    on_request(snapshot, &request, context, &mut entropy()),
                )
            };
            let ((basis, outcome), (other_basis, other)) = (decide(&first), decide(&second));
            first.record(db, &basis, &outcome, first.digest(0))?;
            second.record(db, &other_basis, &other, second.digest(0))
        })
        .unwrap_err();
    assert!(matches!(refused, StoreError::Stale), "{refused}");
    assert_eq!(live_units(&fixture.store), 0);
}

#[test]
fn a_message_recorded_twice_counts_once() {
    let fixture = Fixture::new(1, 5);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 0);
    handset.seq += 1;
    let request = |store: &Store, handset: &Handset| {
        let handset = handset.clone();
        store
            .write_blocking("request", move |db| handset.request(db, 2))
            .unwrap()
    };
    // As after a commit whose outcome was lost, and again after a restart.
    let first = request(&fixture.store, &handset);
    let again = request(&fixture.another(), &handset);
    assert!(is_granted(&first) && again.issued.is_none());
    assert_eq!(again.device, first.device);
    assert_eq!(live_units(&fixture.store), 2);
    handset.take_in(&first);
    let acknowledge = |n: u32| {
        let handset = handset.clone();
        fixture
            .store
            .write_blocking("ack", move |db| handset.acknowledge(db, n))
            .unwrap()
    };
    assert_eq!(acknowledge(1).activations.len(), 1);
    assert_eq!(acknowledge(1).activations.len(), 0);
    let events = fixture
        .store
        .read_blocking("events", |db| event::of_stream(db, Stream::Device("d-1")))
        .unwrap();
    assert_eq!(event::verify_chain(&events), Ok(()));
    let activated = fleetgrant_core::event::EventKind::Activated;
    assert_eq!(events.iter().filter(|e| e.kind.0 == activated).count(), 1);
}

#[test]
fn what_is_recorded_is_what_is_read() {
    let fixture = Fixture::new(1, 5);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 3);
    let handset_id = handset.id.clone();
    let read = fixture
        .store
        .read_blocking("load", move |db| {
            load(db, &Cache::default(), &handset_id, &[])
        })
        .unwrap()
        .unwrap();
    handset.seq += 1;
    let outcome = {
        let handset = handset.clone();
        fixture
            .store
            .write_blocking("request", move |db| handset.request(db, 2))
            .unwrap()
    };
    assert_eq!(read.activations.len(), 1);
    assert_eq!(read.activations[0].units, 3);
    let handset_id = handset.id.clone();
    let read = fixture
        .store
        .read_blocking("load", move |db| {
            load(db, &Cache::default(), &handset_id, &[])
        })
        .unwrap()
        .unwrap();
    assert_eq!(read.device, outcome.device);
    let changed = outcome.activations.iter().map(|change| change.activation());
    for activation in changed.filter(|a| a.holds_units()) {
        assert!(read.activations.contains(activation));
    }
}
