//! Boards that are replaced, and the keys that are recorded of them.

use std::sync::Barrier;
use std::thread;

use fleetgrant_core::device::Pin;
use fleetgrant_core::domain::{CredentialState, KeyLoss};
use fleetgrant_core::notice::NoticeCode;
use fleetgrant_core::operator::{KeyStanding, NewKey};
use fleetgrant_core::outcome::Answer;

use super::*;
use crate::store::listing;
use crate::store::waiting_key;

impl Handset {
    /// Another board of the same serial number.
    fn board(&self, n: u8) -> Self {
        let mut key = self.key.0;
        key[31] = n;
        Self {
            key: KeyThumbprint(key),
            seq: 0,
            challenge: None,
            held: None,
            ..self.clone()
        }
    }

    fn repair(&self, store: &Store, new: Option<KeyThumbprint>) -> Outcome {
        let handset = self.clone();
        let operation = move |db: &mut Db| {
            let snapshot = load(db, &handset.cache, &handset.id, &[])?.unwrap();
            let (basis, policy) = (Basis::of(&snapshot), Policy::default());
            let standing = KeyStanding::Unknown;
            let named = new.map(|key| NewKey { key, standing });
            let expected = expected_key(db, &handset.id)?;
            let context = handset.context(&policy);
            let outcome = operator::repair(snapshot, named, expected, context).unwrap();
            expect_of_new_board(db, &handset.id, new)?;
            handset.record(db, &basis, &outcome, MessageDigest([0; 32]))?;
            Ok(outcome)
        };
        store.write_blocking("repair", operation).unwrap()
    }

    fn ask_once(&mut self, store: &Store, total: u32) -> Outcome {
        self.seq += 1;
        let handset = self.clone();
        let outcome = store.write_blocking("request", move |db| handset.request(db, total));
        let outcome = outcome.unwrap();
        self.take_in(&outcome);
        outcome
    }

    fn read(&self, store: &Store) -> Snapshot {
        let id = self.id.clone();
        let read = move |db: &mut Db| load(db, &Cache::default(), &id, &[]);
        store.read_blocking("load", read).unwrap().unwrap()
    }

    fn keys(&self, store: &Store) -> Vec<(KeyThumbprint, CredentialState)> {
        let id = self.id.clone();
        let keys = store.read_blocking("keys", move |db| listing::credentials(db, &id));
        keys.unwrap()
            .into_iter()
            .map(|key| (key.key.0, key.state.0))
            .collect()
    }
}

#[test]
fn a_repair_is_recorded_as_it_was_decided() {
    let fixture = Fixture::new(1, 5);
    let mut old = fixture.handset(1);
    old.admit(&fixture.store, 2);
    // Its first set was never acknowledged, so it is still being pushed.
    let is_due = |at| {
        let looked = fixture
            .store
            .read_blocking("due", move |db| has_due(db, at));
        looked.unwrap()
    };
    assert!(is_due(NOW.plus_seconds(60)));
    let outcome = old.repair(&fixture.store, Some(KeyThumbprint([9; 32])));
    assert!(
        !is_due(NOW.plus_seconds(600)),
        "nothing is sent to the old board"
    );
    let read = old.read(&fixture.store);
    assert_eq!(read.device, outcome.device);
    assert_eq!(read.device.pin, Pin::Lost(KeyLoss::Replaced));
    assert!(
        read.activations
            .iter()
            .all(|activation| activation.stranded)
    );
    assert_eq!(read.sets, [], "those were the old board's");
    let superseded = [(old.key, CredentialState::Superseded)];
    assert_eq!(old.keys(&fixture.store), superseded);
    let (id, key) = (old.id.clone(), old.key);
    let pins = move |db: &mut Db| Pins::load(db, &id, key);
    let pins = fixture.store.read_blocking("pins", pins).unwrap();
    assert_eq!(pins.loss, Some(KeyLoss::Replaced));
    assert_eq!(pins.expected_key, Some(KeyThumbprint([9; 32])));
    assert_eq!(pins.anchor_before.as_deref(), Some("factory"));

    let mut new = old.board(9);
    new.admit(&fixture.store, 2);
    let read = new.read(&fixture.store);
    assert_eq!(read.device.key(), Some(new.key));
    assert!(
        read.activations
            .iter()
            .all(|activation| !activation.stranded)
    );
    assert_eq!(read.sets.len(), 1);
    let mut keys = new.keys(&fixture.store);
    keys.sort_unstable_by_key(|(key, _)| *key);
    let current = (new.key, CredentialState::Current);
    assert_eq!(keys, [superseded[0], current]);
}

/// Both gateways have the row of the device before them, and one of them writes first.
#[test]
fn of_two_new_keys_for_one_repair_exactly_one_is_pinned() {
    const ROUNDS: usize = 30;
    let fixture = Fixture::new(ROUNDS, ROUNDS as u32);
    let stores = [fixture.store.clone(), fixture.another()];
    for round in 1..=ROUNDS {
        let mut old = fixture.handset(round);
        old.admit(&fixture.store, 1);
        old.repair(&fixture.store, None);
        let mut boards = [old.board(8), old.board(9)];
        // Each knows the challenge, so that nothing but the pin is between them.
        boards[0].ask_once(&fixture.store, 1);
        (boards[1].seq, boards[1].challenge) = (boards[0].seq, boards[0].challenge);
        let barrier = Barrier::new(2);
        let codes: Vec<Option<NoticeCode>> = thread::scope(|scope| {
            let racers: Vec<_> = stores
                .iter()
                .zip(&mut boards)
                .map(|(store, board)| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        match board.ask_once(store, 1).answer {
                            Answer::Notice(notice) => Some(notice.code),
                            _ => None,
                        }
                    })
                })
                .collect();
            racers.into_iter().map(|r| r.join().unwrap()).collect()
        });
        let pinned = old.read(&fixture.store).device.key();
        let winner = codes.iter().position(Option::is_none).unwrap();
        assert_eq!(pinned, Some(boards[winner].key), "{round}");
        let refused = Some(NoticeCode::IdentityConflict);
        assert_eq!(codes[1 - winner], refused, "{round}");
        let current = CredentialState::Current;
        let keys = old.keys(&fixture.store);
        let keys: Vec<_> = keys.iter().filter(|(_, state)| *state == current).collect();
        assert_eq!(keys, [&(boards[winner].key, current)], "{round}");
    }
}

#[test]
fn a_board_that_came_before_its_repair_waits_and_another_devices_key_does_not() {
    let fixture = Fixture::new(2, 5);
    let (mut old, mut other) = (fixture.handset(1), fixture.handset(2));
    old.admit(&fixture.store, 1);
    other.admit(&fixture.store, 1);
    let waiting = || {
        let id = old.id.clone();
        let read = move |db: &mut Db| waiting_key::of_late(db, &id, NOW);
        let waiting = fixture.store.read_blocking("waiting", read).unwrap();
        waiting.into_iter().map(|w| w.key).collect::<Vec<_>>()
    };
    assert_eq!(waiting(), []);
    let mut new = old.board(9);
    let mut stranger = Handset {
        key: other.key,
        ..old.board(0)
    };
    for board in [&mut new, &mut stranger] {
        let outcome = board.ask_once(&fixture.store, 1);
        let Answer::Notice(notice) = outcome.answer else {
            panic!("{:?}", outcome.answer);
        };
        assert_eq!(notice.code, NoticeCode::IdentityConflict);
    }
    assert_eq!(waiting(), [new.key]);
    let id = old.id.clone();
    let later = NOW.plus_seconds(31 * 86_400);
    let read = move |db: &mut Db| waiting_key::of_late(db, &id, later);
    let late = fixture.store.read_blocking("waiting", read).unwrap();
    assert_eq!(late, [], "it was shown too long ago");
    old.repair(&fixture.store, None);
    new.admit(&fixture.store, 1);
    assert_eq!(waiting(), []);
}
