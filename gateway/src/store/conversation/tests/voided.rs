//! Codes that are made void while somebody redeems them.

use std::sync::Barrier;
use std::thread;

use fleetgrant_core::domain::{CodeId, CodeState, EntitlementId};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::outcome::WantVerdict;
use fleetgrant_core::rule::Rule;
use fleetgrant_schemas::code::ActivationCode;

use super::*;
use crate::activation::Rules;
use crate::clock::Clock;
use crate::code_void::{CodeError, Codes, CodesVoided};
use crate::operator::{Attempt, Operator};
use crate::store::activation_code::single::{self, CodeRow};
use crate::store::activation_code::{self, ActivationCode as StoredCode};
use crate::store::column::{Code, Octets};
use crate::store::entitlement;
use crate::store::event::{self, Stream};

fn code(n: u8) -> ActivationCode {
    ActivationCode {
        id: CodeId([n; 5]),
        secret: *b"0123456789",
    }
}

impl Fixture {
    /// Codes `1` to `codes` of the pack `PACK`, each for a unit so many times; what they give units of.
    fn pack(&self, codes: u8, uses: i64) -> EntitlementId {
        let write = move |db: &mut Db| {
            let gives = entitlement::by_reference(db, "erp", "O/1/P/perpetual")?.unwrap();
            for n in 1..=codes {
                let stored = StoredCode {
                    id: Octets(code(n).id),
                    hmac_key: Octets(code(n).key()),
                    entitlement_id: gives.id,
                    units: 1,
                    uses,
                    used: 0,
                    failures: 0,
                    failed_at: None,
                    partner_id: None,
                    pack: "PACK".to_owned(),
                    expires_at: None,
                    state: Code(CodeState::Free),
                    created_at: Micros(NOW),
                };
                activation_code::insert(db, &stored)?;
            }
            Ok(gives.id.0)
        };
        self.store.write_blocking("pack", write).unwrap()
    }

    /// Units in all and in use, of what the codes give.
    fn stock(&self) -> (i64, i64) {
        let read = |db: &mut Db| {
            let gives = entitlement::by_reference(db, "erp", "O/1/P/perpetual")?.unwrap();
            Ok((gives.units, gives.live_units))
        };
        self.store.read_blocking("units", read).unwrap()
    }

    fn codes(&self, gives: EntitlementId) -> Vec<CodeRow> {
        let all = Default::default();
        let read = move |db: &mut Db| single::list(db, ("PACK", gives), None, &all, 100);
        self.store.read_blocking("codes", read).unwrap()
    }

    fn told(&self, gives: EntitlementId) -> usize {
        let read = move |db: &mut Db| event::of_stream(db, Stream::Entitlement(gives));
        let told = self.store.read_blocking("told", read).unwrap();
        let voided = told.iter();
        voided
            .filter(|event| event.kind.0 == EventKind::CodesVoided)
            .count()
    }
}

fn operator(store: &Store) -> Operator {
    Operator {
        store: store.clone(),
        rules: Arc::new(Rules {
            authority: Authority {
                realm: Realm::new("test").unwrap(),
                epoch: Epoch(1),
            },
            policy: Policy::default(),
            cache: Cache::default(),
        }),
        clock: Clock::system(),
        actor: "tester".to_owned(),
    }
}

fn void(store: &Store, which: Codes) -> Result<CodesVoided, CodeError> {
    let operator = operator(store);
    let tried = store.write_blocking("void", move |db| operator.attempt_void(db, &which, NOW));
    match tried.unwrap() {
        Attempt::Done(voided) => Ok(voided),
        Attempt::Refused(reason) => Err(reason),
        Attempt::Stale => panic!("nobody else is there"),
    }
}

impl Handset {
    /// What a transaction of a request for a code is decided on, and what it comes to.
    fn decide_code(
        &self,
        db: &mut Db,
        code: ActivationCode,
    ) -> Result<(Basis, Outcome), StoreError> {
        let mut ask = self.ask(1);
        let claim = code.claim("test", &self.key, &ask.nonce);
        ask.wants = vec![Want::Code {
            id: claim.id,
            proof: claim.proof,
        }];
        let snapshot = load(db, &self.cache, &self.id, &ask.wants)?.unwrap();
        let basis = Basis::of(&snapshot);
        let request = Request {
            digest: self.digest(0),
            sender: self.sender(snapshot.device.key()),
            ask,
        };
        let policy = Policy::default();
        let outcome = on_request(snapshot, &request, self.context(&policy), &mut entropy());
        Ok((basis, outcome))
    }

    /// Redeems a code, or is denied it; whether it got it.
    fn redeem(&mut self, store: &Store, code: ActivationCode) -> bool {
        self.seq += 1;
        let handset = self.clone();
        let outcome = store
            .write_blocking("redeem", move |db| {
                let (basis, outcome) = handset.decide_code(db, code)?;
                handset.record(db, &basis, &outcome, handset.digest(0))?;
                Ok(outcome)
            })
            .unwrap();
        self.take_in(&outcome);
        match &outcome.decided[0].verdict {
            WantVerdict::Granted(_) => true,
            WantVerdict::Denied { rule, .. } => {
                assert_eq!(*rule, Rule::CodeRefused);
                false
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_left_of_a_pack_is_void_and_what_was_redeemed_stays() {
    let fixture = Fixture::new(3, 10);
    let gives = fixture.pack(3, 2);
    let mut handsets: Vec<Handset> = (1..=3).map(|n| fixture.handset(n)).collect();
    for handset in &mut handsets {
        handset.admit(&fixture.store, 0);
    }
    // One is used up, one is partly used, and one is free.
    assert!(handsets[0].redeem(&fixture.store, code(1)));
    assert!(handsets[1].redeem(&fixture.store, code(1)));
    assert!(handsets[0].redeem(&fixture.store, code(2)));
    assert_eq!(fixture.stock(), (10, 3));

    let voided = CodesVoided {
        pack: "PACK".to_owned(),
        codes: 2,
        uses: 3,
        void_before: 0,
        used_up: 1,
    };
    let pack = || Codes::Pack("PACK".to_owned());
    assert_eq!(void(&fixture.store, pack()).unwrap(), voided);
    let standing: Vec<_> = fixture
        .codes(gives)
        .iter()
        .map(|code| (code.state.0, code.used))
        .collect();
    assert_eq!(
        standing,
        [
            (CodeState::Used, 2),
            (CodeState::Void, 1),
            (CodeState::Void, 0)
        ]
    );
    assert_eq!(fixture.stock(), (10, 3), "units before are units after");
    for n in [2, 3] {
        assert!(!handsets[2].redeem(&fixture.store, code(n)), "{n}");
    }
    // Once more changes nothing, and is not told again.
    let again = void(&fixture.store, pack()).unwrap();
    assert_eq!((again.codes, again.void_before, again.used_up), (0, 2, 1));
    assert_eq!(
        void(&fixture.store, Codes::One(code(2).id))
            .unwrap()
            .void_before,
        1
    );
    let used = void(&fixture.store, Codes::One(code(1).id));
    assert!(matches!(used, Err(CodeError::Refused { .. })), "{used:?}");
    assert_eq!(fixture.told(gives), 1);
}

/// The decision is made on a code that is good, and is not recorded on one that is not.
#[test]
fn a_code_that_becomes_void_meanwhile_is_decided_anew() {
    let fixture = Fixture::new(1, 10);
    fixture.pack(1, 1);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 0);
    handset.seq += 1;
    let deciding = handset.clone();
    let decided = fixture
        .store
        .write_blocking("decide", move |db| deciding.decide_code(db, code(1)));
    let (basis, outcome) = decided.unwrap();
    assert!(matches!(
        outcome.decided[0].verdict,
        WantVerdict::Granted(_)
    ));
    void(&fixture.another(), Codes::One(code(1).id)).unwrap();
    let late = handset.clone();
    let recorded = fixture.store.write_blocking("record", move |db| {
        late.record(db, &basis, &outcome, late.digest(0))
    });
    assert!(matches!(recorded, Err(StoreError::Stale)), "{recorded:?}");
    handset.seq -= 1;
    assert!(!handset.redeem(&fixture.store, code(1)));
    assert_eq!(fixture.stock(), (10, 0));
}

#[test]
fn of_a_redemption_and_a_void_one_is_first() {
    const ROUNDS: u8 = 40;
    let fixture = Fixture::new(ROUNDS.into(), 100);
    let gives = fixture.pack(ROUNDS, 1);
    let other = fixture.another();
    let mut redeemed = 0;
    for round in 1..=ROUNDS {
        let mut handset = fixture.handset(round.into());
        handset.admit(&fixture.store, 0);
        let barrier = Barrier::new(2);
        let (got, voided) = thread::scope(|scope| {
            let redeeming = scope.spawn(|| {
                barrier.wait();
                handset.redeem(&fixture.store, code(round))
            });
            let voiding = scope.spawn(|| {
                barrier.wait();
                void(&other, Codes::One(code(round).id))
            });
            (redeeming.join().unwrap(), voiding.join().unwrap())
        });
        // Whoever was later met what the other left.
        assert_eq!(got, voided.is_err(), "{round}: {voided:?}");
        redeemed += i64::from(got);
        let stands = fixture.codes(gives)[usize::from(round) - 1].state.0;
        let expected = if got {
            CodeState::Used
        } else {
            CodeState::Void
        };
        assert_eq!(stands, expected, "{round}");
    }
    assert_eq!(fixture.stock(), (100, redeemed));
    assert_eq!(fixture.told(gives) as i64, i64::from(ROUNDS) - redeemed);
}
