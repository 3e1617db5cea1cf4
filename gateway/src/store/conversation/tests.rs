//! The conversation's tables under the real core: races, repetition, and what a message costs.
#![allow(clippy::unwrap_used)]

mod allowance;
mod cached;
mod cost;
mod delivered;
mod held;
mod moves;
mod race;
mod raised;
mod recent;
mod repair;
mod reserved;
mod statements;
mod voided;

use std::io::Cursor;
use std::sync::Arc;

use fleetgrant_core::acknowledge::on_ack;
use fleetgrant_core::ask::{
    Acknowledgement, Ask, Channel, Facts, Held, Reason, Request, Sender, SignedAck, Verdict, Want,
};
use fleetgrant_core::context::{Authority, Context};
use fleetgrant_core::domain::{
    Challenge, DeviceId, DeviceNonce, Epoch, FeatureName, KeyThumbprint, MessageDigest, Realm, Seq,
    Timestamp,
};
use fleetgrant_core::operator;
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::policy::Policy;
use fleetgrant_core::request::on_request;
use fleetgrant_schemas::id::CertificateThumbprint;
use jiff::tz::TimeZone;

use super::*;
use crate::identity::{StoredCredential, TrustDigest};
use crate::import::{self, ImportOptions, Kind};
use crate::store::Store;
use crate::store::column::Micros;
use crate::store::scratch::Scratch;

/// 2026-12-01T12:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_796_126_400);

struct Fixture {
    store: Store,
    scratch: Scratch,
    authority: Arc<Authority>,
    cache: Cache,
}

impl Fixture {
    /// Devices `d-1` to `d-{devices}` of one owner, who has `units` of the feature `pump`.
    fn new(devices: usize, units: u32) -> Self {
        let scratch = Scratch::new();
        let fixture = Self {
            store: scratch.open(),
            scratch,
            cache: Cache::default(),
            authority: Arc::new(Authority {
                realm: Realm::new("test").unwrap(),
                epoch: Epoch(1),
            }),
        };
        fixture.import(Kind::Products, "product,title,feature\nP,Pump,pump\n");
        fixture.import(Kind::Skus, "sku,title,product,model\nS,Pump,P,perpetual\n");
        fixture.import(Kind::Parties, "system,party,name\nerp,C,Customer\n");
        let order = "system,order,ordered_at,sold_to,line,sku,quantity";
        fixture.import(
            Kind::Orders,
            &format!("{order}\nerp,O,2026-11-01,C,1,S,{units}\n"),
        );
        let mut manifest = String::from("serial,system,owner\n");
        for n in 1..=devices {
            manifest.push_str(&format!("{n},erp,C\n"));
        }
        fixture.import(Kind::Manifest, &manifest);
        fixture
    }

    fn import(&self, kind: Kind, text: &str) {
        self.import_as(kind, text, false);
    }

    fn import_as(&self, kind: Kind, text: &str, amend: bool) {
        let options = ImportOptions {
            dry_run: false,
            amend,
            skip_bad: false,
            actor: "tester".to_owned(),
            now: NOW,
            product_lines: vec![("devices".to_owned(), "d".parse().unwrap())],
            time_zone: TimeZone::UTC,
            manufacturer: None,
        };
        let source = Cursor::new(text.as_bytes().to_vec());
        let report = import::run(kind, source, options, &self.store).unwrap();
        assert!(report.committed, "{:?}", report.errors);
    }

    /// A second gateway's connection to the same database.
    fn another(&self) -> Store {
        self.scratch.open()
    }

    fn handset(&self, n: usize) -> Handset {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Handset {
            id: DeviceId::new(&format!("d-{n}")).unwrap(),
            key: KeyThumbprint(key),
            authority: Arc::clone(&self.authority),
            cache: self.cache.clone(),
            seq: 0,
            challenge: None,
            held: None,
        }
    }
}

#[test]
fn an_admitted_device_has_the_time_of_its_admission() {
    let fixture = Fixture::new(1, 1);
    fixture.handset(1).admit(&fixture.store, 1);
    let read = |db: &mut Db| crate::store::device::find(db, "d-1");
    let device = fixture.store.read_blocking("test", read).unwrap().unwrap();
    assert_eq!(device.admitted_at, Some(Micros(NOW)));
}

#[test]
fn what_answers_nobody_is_the_outboxs_at_once_and_an_answer_after_the_first_pause() {
    let fixture = Fixture::new(1, 2);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 1);
    let is_due = |at| {
        let looked = fixture
            .store
            .read_blocking("due", move |db| has_due(db, at));
        looked.unwrap()
    };
    assert!(!is_due(NOW.plus_seconds(59)) && is_due(NOW.plus_seconds(60)));

    let pushed = handset.clone();
    let push = move |db: &mut Db| {
        let snapshot = load(db, &Cache::default(), &pushed.id, &[])?.unwrap();
        let (basis, policy) = (Basis::of(&snapshot), Policy::default());
        let outcome = operator::push(snapshot, pushed.context(&policy), &mut entropy()).unwrap();
        pushed.record(db, &basis, &outcome, MessageDigest([0; 32]))
    };
    fixture.store.write_blocking("push", push).unwrap();
    assert!(is_due(NOW));
}

/// A device as far as the tables see it.
#[derive(Clone)]
struct Handset {
    id: DeviceId,
    key: KeyThumbprint,
    authority: Arc<Authority>,
    cache: Cache,
    seq: u64,
    challenge: Option<Challenge>,
    held: Option<Held>,
}

impl Handset {
    /// A digest that is this message's alone.
    fn digest(&self, kind: u8) -> MessageDigest {
        let mut digest = self.key.0;
        digest[8..16].copy_from_slice(&self.seq.to_be_bytes());
        digest[16] = kind;
        MessageDigest(digest)
    }

    fn ask(&self, total: u32) -> Ask {
        Ask {
            seq: Seq::new(self.seq).unwrap(),
            held: self.held,
            key_set: 0,
            reason: Reason::Boot,
            nonce: DeviceNonce([7; 16]),
            wants: vec![Want::Feature {
                feature: FeatureName::new("pump").unwrap(),
                total,
            }],
            usage: Vec::new(),
            concerned: Vec::new(),
            challenge: self.challenge,
            max_down: 4_096,
            facts: Facts::default(),
        }
    }

    fn sender(&self, pinned: Option<KeyThumbprint>) -> Sender {
        Sender {
            key: self.key,
            verdict: match pinned {
                Some(_) => Verdict::Pinned,
                None => Verdict::Admissible,
            },
            channel: Channel::Online,
        }
    }

    fn context<'a>(&'a self, policy: &'a Policy) -> Context<'a> {
        Context {
            authority: &self.authority,
            policy,
            now: NOW,
        }
    }

    /// The transaction of a request for so many units, as the conductor runs it.
    fn request(&self, db: &mut Db, total: u32) -> Result<Outcome, StoreError> {
        let ask = self.ask(total);
        let snapshot = load(db, &self.cache, &self.id, &ask.wants)?.unwrap();
        let was_pinned = snapshot.device.key();
        let basis = Basis::of(&snapshot);
        let request = Request {
            digest: self.digest(0),
            sender: self.sender(was_pinned),
            ask,
        };
        let policy = Policy::default();
        let outcome = on_request(snapshot, &request, self.context(&policy), &mut entropy());
        self.record(db, &basis, &outcome, request.digest)?;
        if outcome.device.key().is_some() && was_pinned.is_none() {
            self.credential().record(db, &self.id, NOW)?;
        }
        Ok(outcome)
    }

    /// The transaction of an acknowledgement of what is held.
    fn acknowledge(&self, db: &mut Db, n: u32) -> Result<Outcome, StoreError> {
        let holdings = load_holdings(db, &self.cache, &self.id)?.unwrap();
        let basis = Basis::of_holdings(&holdings);
        let signed = SignedAck {
            digest: self.digest(1),
            sender: self.sender(holdings.device.key()),
            ack: Acknowledgement {
                n,
                held: self.held.unwrap(),
                issued_at: None,
                exceptions: Vec::new(),
                usage: Vec::new(),
            },
        };
        let policy = Policy::default();
        let outcome = on_ack(holdings, &signed, self.context(&policy), &mut entropy());
        self.record(db, &basis, &outcome, signed.digest)?;
        Ok(outcome)
    }

    fn record(
        &self,
        db: &mut Db,
        basis: &Basis,
        outcome: &Outcome,
        message: MessageDigest,
    ) -> Result<(), StoreError> {
        let cause = Cause {
            actor: "device".to_owned(),
            message: Some(message),
            at: NOW,
        };
        match record(db, &self.cache, basis, outcome, &cause)? {
            Recorded::Whole => Ok(()),
            Recorded::Stale => Err(StoreError::Stale),
        }
    }

    fn credential(&self) -> Credential {
        Credential {
            key: self.key,
            certificate: CertificateThumbprint(self.key.0),
            not_after: Timestamp::from_seconds(253_402_300_799),
            verified: StoredCredential {
                chain: vec![0x30; 600],
                anchor: "factory".to_owned(),
                trust: TrustDigest([1; 32]),
                in_force_until: Timestamp::from_seconds(253_402_300_799),
                issuer_expired: false,
            },
        }
    }

    /// Takes up what the gateway answered.
    fn take_in(&mut self, outcome: &Outcome) {
        self.challenge = outcome.device.challenges.newest.map(|c| c.value);
        if let Some(issued) = &outcome.issued {
            self.held = Some(issued.set.held());
        }
    }

    /// Asks until it is admitted: the first answer bears the challenge that the second echoes.
    fn admit(&mut self, store: &Store, total: u32) -> Outcome {
        loop {
            self.seq += 1;
            let handset = self.clone();
            let outcome = store
                .write_blocking("request", move |db| handset.request(db, total))
                .unwrap();
            self.take_in(&outcome);
            if outcome.device.key().is_some() {
                return outcome;
            }
        }
    }
}

fn entropy() -> impl FnMut(&mut [u8]) {
    |buffer: &mut [u8]| rand::fill(buffer)
}
