//! A ledger that was written as a gateway writes it: by imports, and by what devices say to the
//! core.

use std::collections::BTreeMap;
use std::io::Cursor;

use fleetgrant_core::acknowledge::on_ack;
use fleetgrant_core::activation::Activation;
use fleetgrant_core::ask::{
    Acknowledgement, Ask, Channel, Facts, Hardware, Held, Reason, Request, Sender, SignedAck,
    SignedUnfit, Unfit, Usage, Verdict, Want,
};
use fleetgrant_core::context::{Authority, Context};
use fleetgrant_core::domain::{
    ActivationId, Challenge, CredentialState, DeviceId, DeviceNonce, EntitlementId, Epoch,
    FeatureName, KeyThumbprint, MessageDigest, Realm, Seq, Timestamp,
};
use fleetgrant_core::notice::NoticeCode;
use fleetgrant_core::operator::{self, Publish};
use fleetgrant_core::outcome::{Answer, Change, Outcome};
use fleetgrant_core::policy::Policy;
use fleetgrant_core::request::on_request;
use fleetgrant_core::snapshot::Snapshot;
use fleetgrant_core::unfit::on_unfit;
use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::id::CertificateThumbprint;
use fleetgrant_schemas::topic::MessageType;
use jiff::tz::TimeZone;

use crate::identity::{IdPrefix, StoredCredential, TrustDigest};
use crate::import::{self, ImportOptions, Kind};
use crate::report::history::{self, HistoryFilter};
use crate::store::conversation::{self, Basis, Cache, Cause, Credential, Look, Recorded};
use crate::store::scratch::Scratch;
use crate::store::{Db, Store, StoreError, listing};

pub(super) const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 86_400;

pub(super) struct Ledger {
    pub(super) store: Store,
    pub(super) now: Timestamp,
    authority: Authority,
    policy: Policy,
    devices: BTreeMap<u8, Handset>,
    lines: Vec<(String, IdPrefix)>,
    scratch: Scratch,
}

/// Devices from this one on are of the second product line, where there are two.
pub(super) const SECOND_LINE: u8 = 100;

/// A device as far as the ledger sees it.
struct Handset {
    seq: u64,
    challenge: Option<Challenge>,
    held: Option<Held>,
    n: u32,
    facts: Facts,
    usage: Vec<Usage>,
}

impl Ledger {
    /// An empty one, on 1 November 2026 at noon UTC.
    pub(super) fn new() -> Self {
        let scratch = Scratch::new();
        Self {
            store: scratch.open(),
            now: "2026-11-01T12:00:00Z"
                .parse::<jiff::Timestamp>()
                .map(micros)
                .unwrap(),
            authority: Authority {
                realm: Realm::new("test").unwrap(),
                epoch: Epoch(1),
            },
            policy: Policy::default(),
            devices: BTreeMap::new(),
            lines: vec![("devices".to_owned(), "d".parse().unwrap())],
            scratch,
        }
    }

    /// One with the product lines *devices* and *valves*.
    pub(super) fn of_two_lines() -> Self {
        let mut ledger = Self::new();
        ledger
            .lines
            .push(("valves".to_owned(), "v".parse().unwrap()));
        ledger
    }

    /// A connection of one's own.
    pub(super) fn connect(&self) -> Db {
        self.scratch.connect()
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus_seconds(seconds);
    }

    pub(super) fn import(&self, kind: Kind, text: &str) {
        self.import_as(kind, text, false);
    }

    pub(super) fn amend(&self, kind: Kind, text: &str) {
        self.import_as(kind, text, true);
    }

    fn import_as(&self, kind: Kind, text: &str, amend: bool) {
        let options = ImportOptions {
            dry_run: false,
            amend,
            skip_bad: false,
            actor: "tester".to_owned(),
            now: self.now,
            product_lines: self.lines.clone(),
            time_zone: TimeZone::UTC,
            manufacturer: None,
        };
        let source = Cursor::new(text.as_bytes().to_vec());
        let report = import::run(kind, source, options, &self.store).unwrap();
        assert!(report.committed, "{:?}", report.errors);
    }

    /// What a device says it runs, from its next request on.
    pub(super) fn runs(&mut self, device: u8, model: &[u8], version: &str) {
        self.handset(device).facts = Facts {
            hardware: Some(Hardware {
                maker: "32473".to_owned(),
                model: model.to_vec(),
            }),
            software: Some("pump-os".to_owned()),
            version: Some(version.to_owned()),
            ..Facts::default()
        };
    }

    /// A device has used what an activation gives so often, and tells it from its next request on.
    pub(super) fn uses(&mut self, device: u8, activation: ActivationId, total: u64) {
        self.handset(device).usage = vec![Usage { activation, total }];
    }

    /// A device forgets how many requests it made, and finds it out.
    pub(super) fn lose_number(&mut self, device: u8) {
        let seq = std::mem::take(&mut self.handset(device).seq);
        let told = self.ask_once(Reason::Boot, device, &[]);
        let handset = self.handset(device);
        handset.seq = seq;
        handset.challenge = told.device.challenges.resync.map(|c| c.value);
        self.ask_once(Reason::Boot, device, &[]);
    }

    /// A device asks, for totals of features or for what is bound to it, and again where it is
    /// told a challenge. It has the answer then, and has not signed for it.
    pub(super) fn ask(&mut self, device: u8, wants: &[(&str, u32)]) -> Outcome {
        self.ask_for(Reason::Upgrade, device, wants)
    }

    /// A device gives back what it has beyond these totals, and signs that it is gone.
    pub(super) fn give_back(&mut self, device: u8, wants: &[(&str, u32)]) {
        self.ask_for(Reason::Return, device, wants);
        self.acknowledge(device);
    }

    pub(super) fn ask_for(&mut self, reason: Reason, device: u8, wants: &[(&str, u32)]) -> Outcome {
        loop {
            let outcome = self.ask_once(reason, device, wants);
            let is_challenge = matches!(&outcome.answer, Answer::Notice(notice)
                if notice.code == NoticeCode::Challenge);
            if !is_challenge {
                return outcome;
            }
        }
    }

    /// A device signs for what it holds.
    pub(super) fn acknowledge(&mut self, device: u8) -> Outcome {
        self.acknowledge_by(Channel::Online, None, device)
    }

    /// What a device signed for then is read from a file.
    pub(super) fn acknowledge_in_file(&mut self, device: u8, then: Timestamp) -> Outcome {
        self.acknowledge_by(Channel::File, Some(then), device)
    }

    fn acknowledge_by(
        &mut self,
        channel: Channel,
        issued_at: Option<Timestamp>,
        device: u8,
    ) -> Outcome {
        let handset = self.handset(device);
        handset.n += 1;
        let ack = Acknowledgement {
            n: handset.n,
            held: handset.held.unwrap(),
            issued_at,
            exceptions: Vec::new(),
            usage: Vec::new(),
        };
        let digest = digest(device, handset.seq, handset.n);
        self.transact(device, "device", &[], move |snapshot, context| {
            let signed = SignedAck {
                digest,
                sender: Sender {
                    channel,
                    ..sender(device, &snapshot)
                },
                ack: ack.clone(),
            };
            on_ack(snapshot, &signed, context, &mut entropy())
        })
    }

    /// A device signs a request that cannot be understood, another one for each `n`.
    pub(super) fn babble(&mut self, device: u8, n: u32) {
        let digest = digest(device, 0, n);
        self.transact(device, "device", &[], move |snapshot, context| {
            let signed = SignedUnfit {
                digest,
                sender: sender(device, &snapshot),
                unfit: Unfit {
                    message: MessageType::Request,
                    fault: Malformed::WrongType.into(),
                    nonce: None,
                },
            };
            on_unfit(snapshot, &signed, context, &mut entropy())
        });
    }

    /// A device asks, is answered, and signs for the answer.
    pub(super) fn activate(&mut self, device: u8, wants: &[(&str, u32)]) -> Outcome {
        let outcome = self.ask(device, wants);
        self.acknowledge(device);
        outcome
    }

    /// An operator assigns a unit; `change` makes it come about in another way than by an
    /// operator.
    pub(super) fn assign(
        &mut self,
        device: u8,
        reference: &str,
        change: impl Fn(&mut Activation) + Send + 'static,
    ) -> ActivationId {
        let entitlement = self.entitlement(reference);
        let outcome = self.operate(device, Some(entitlement), move |snapshot, context| {
            let publish = Publish::AtContact;
            let mut outcome =
                operator::assign(snapshot, entitlement, 1, publish, context, &mut entropy())
                    .unwrap();
            let [Change::New(activation)] = &mut outcome.activations[..] else {
                panic!("an assignment makes one activation");
            };
            change(activation);
            outcome
        });
        outcome.activations[0].activation().id
    }

    /// An operator takes an activation back. The device has what is pushed then.
    pub(super) fn revoke(&mut self, device: u8, activation: ActivationId) {
        let outcome = self.operate(device, None, move |snapshot, context| {
            operator::revoke(snapshot, activation, context, &mut entropy()).unwrap()
        });
        self.take_in(device, &outcome);
    }

    /// Records that the board of a device was replaced.
    pub(super) fn repair(&mut self, device: u8, key: Option<KeyThumbprint>) {
        let standing = operator::KeyStanding::Unknown;
        let new = key.map(|key| operator::NewKey { key, standing });
        self.transact(device, "operator", &[], move |snapshot, context| {
            operator::repair(snapshot, new, Some(KeyThumbprint([0; 32])), context).unwrap()
        });
    }

    pub(super) fn revoke_key(&mut self, device: u8) {
        self.transact(device, "operator", &[], move |snapshot, context| {
            let key = snapshot.device.key().unwrap();
            let state = CredentialState::Current;
            operator::revoke_key(snapshot, key, state, context).unwrap()
        });
    }

    fn ask_once(&mut self, reason: Reason, device: u8, wants: &[(&str, u32)]) -> Outcome {
        let handset = self.handset(device);
        handset.seq += 1;
        let digest = digest(device, handset.seq, 0);
        let wants = wants.iter().map(|(feature, total)| Want::Feature {
            feature: FeatureName::new(feature).unwrap(),
            total: *total,
        });
        let ask = Ask {
            seq: Seq::new(handset.seq).unwrap(),
            held: handset.held,
            key_set: 0,
            reason,
            nonce: DeviceNonce([7; 16]),
            wants: wants.collect(),
            usage: handset.usage.clone(),
            concerned: Vec::new(),
            challenge: handset.challenge,
            max_down: 4_096,
            facts: handset.facts.clone(),
        };
        let wants = ask.wants.clone();
        let outcome = self.transact(device, "device", &wants, move |snapshot, context| {
            let request = Request {
                digest,
                sender: sender(device, &snapshot),
                ask: ask.clone(),
            };
            on_request(snapshot, &request, context, &mut entropy())
        });
        self.take_in(device, &outcome);
        outcome
    }

    fn operate(
        &mut self,
        device: u8,
        entitlement: Option<EntitlementId>,
        act: impl Fn(Snapshot, Context<'_>) -> Outcome + Send + 'static,
    ) -> Outcome {
        let load = move |db: &mut Db, id: &DeviceId| {
            let look = Look {
                named: entitlement,
                quotas: true,
                ..Look::default()
            };
            conversation::load_for(db, &Cache::default(), id, &look)
        };
        self.run(device, "operator", load, act)
    }

    fn transact(
        &mut self,
        device: u8,
        actor: &'static str,
        wants: &[Want],
        act: impl Fn(Snapshot, Context<'_>) -> Outcome + Send + 'static,
    ) -> Outcome {
        let wants = wants.to_vec();
        let load =
            move |db: &mut Db, id: &DeviceId| conversation::load(db, &Cache::default(), id, &wants);
        self.run(device, actor, load, act)
    }

    fn run(
        &mut self,
        device: u8,
        actor: &'static str,
        load: impl Fn(&mut Db, &DeviceId) -> Result<Option<Snapshot>, StoreError> + Send + 'static,
        act: impl Fn(Snapshot, Context<'_>) -> Outcome + Send + 'static,
    ) -> Outcome {
        let (authority, policy, now) = (self.authority.clone(), self.policy.clone(), self.now);
        let operation = move |db: &mut Db| {
            let id = device_id(device);
            let snapshot = load(db, &id)?.unwrap();
            let was_pinned = snapshot.device.key().is_some();
            let basis = Basis::of(&snapshot);
            let context = Context {
                authority: &authority,
                policy: &policy,
                now,
            };
            let outcome = act(snapshot, context);
            let cause = Cause {
                actor: actor.to_owned(),
                message: None,
                at: now,
            };
            let recorded = conversation::record(db, &Cache::default(), &basis, &outcome, &cause)?;
            assert_eq!(recorded, Recorded::Whole);
            if outcome.device.key().is_some() && !was_pinned {
                credential(device).record(db, &id, now)?;
            }
            Ok(outcome)
        };
        self.store.write_blocking("test", operation).unwrap()
    }

    fn take_in(&mut self, device: u8, outcome: &Outcome) {
        let handset = self.handset(device);
        handset.challenge = outcome.device.challenges.newest.map(|c| c.value);
        if let Some(issued) = &outcome.issued {
            handset.held = Some(issued.set.held());
            handset.n = 0;
        }
    }

    fn handset(&mut self, device: u8) -> &mut Handset {
        self.devices.entry(device).or_insert_with(|| Handset {
            seq: 0,
            challenge: None,
            held: None,
            n: 0,
            facts: Facts::default(),
            usage: Vec::new(),
        })
    }

    pub(super) fn entitlement(&self, reference: &str) -> EntitlementId {
        let called = reference.to_owned();
        let found = self.read(move |db| listing::entitlement_named(db, &called));
        assert_eq!(found.len(), 1, "{reference}");
        found[0].id.0
    }

    pub(super) fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.read_blocking("test", query).unwrap()
    }

    /// The history as `report events` exports it, a line an event.
    pub(super) fn exported(&self) -> String {
        let mut lines = String::new();
        let mut after = 0;
        loop {
            let filter = HistoryFilter::default();
            let page = self.read(move |db| history::page(db, &filter, &history::after(after), 7));
            let Some(last) = page.last() else {
                return lines;
            };
            after = last.position;
            for event in &page {
                lines.push_str(&serde_json::to_string(event).unwrap());
                lines.push('\n');
            }
        }
    }
}

fn micros(instant: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(instant.as_microsecond())
}

pub(super) fn device_id(device: u8) -> DeviceId {
    let prefix = if device < SECOND_LINE { "d" } else { "v" };
    DeviceId::new(&format!("{prefix}-{device}")).unwrap()
}

fn digest(device: u8, seq: u64, n: u32) -> MessageDigest {
    let mut digest = [device; 32];
    digest[..8].copy_from_slice(&seq.to_be_bytes());
    digest[8..12].copy_from_slice(&n.to_be_bytes());
    MessageDigest(digest)
}

fn sender(device: u8, snapshot: &Snapshot) -> Sender {
    Sender {
        key: KeyThumbprint([device; 32]),
        verdict: match snapshot.device.key() {
            Some(_) => Verdict::Pinned,
            None => Verdict::Admissible,
        },
        channel: Channel::Online,
    }
}

fn credential(device: u8) -> Credential {
    let for_ever = Timestamp::from_seconds(253_402_300_799);
    Credential {
        key: KeyThumbprint([device; 32]),
        certificate: CertificateThumbprint([device; 32]),
        not_after: for_ever,
        verified: StoredCredential {
            chain: vec![0x30; 600],
            anchor: "factory".to_owned(),
            trust: TrustDigest([1; 32]),
            in_force_until: for_ever,
            issuer_expired: false,
        },
    }
}

fn entropy() -> impl FnMut(&mut [u8]) {
    |buffer: &mut [u8]| rand::fill(buffer)
}
