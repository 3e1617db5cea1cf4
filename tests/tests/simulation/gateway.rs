//! The gateway around the pure core: what the conductor, the outbox and the upkeep do, without
//! threads, database and clock.

use std::collections::BTreeSet;

use fleetgrant_core::acknowledge::on_ack;
use fleetgrant_core::ask::{Acknowledgement, Ask, Channel, Request, Sender, SignedAck, Verdict};
use fleetgrant_core::context::{Authority, Context};
use fleetgrant_core::delivery::{Due, on_due};
use fleetgrant_core::device::{Device, StoredAnswer};
use fleetgrant_core::domain::{DeviceId, DeviceState, Epoch, Realm, SetKey, Timestamp};
use fleetgrant_core::model::{Stale, World};
use fleetgrant_core::operator::OperatorError;
use fleetgrant_core::outcome::{Answer, Outcome};
use fleetgrant_core::policy::Policy;
use fleetgrant_core::request::on_request;
use fleetgrant_core::snapshot::Snapshot;
use fleetgrant_core::tick::on_tick;
use fleetgrant_core::wire::{self, Said};
use fleetgrant_schemas::envelope::{Draft, Envelope, Signer};
use fleetgrant_schemas::id::{CertificateThumbprint, Cti, DeviceNonce, MessageDigest};
use fleetgrant_schemas::notice::{Notice, NoticeCode};
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Message, Writer, limits};
use sha2::{Digest, Sha256};

use crate::audit::{Audit, Cause};
use crate::broker::{Parcel, Way};
use crate::cast::{Cast, EPOCH, Identity, REALM};
use crate::chance::Chance;
use crate::stock::{self, OWNER};
use crate::tally::count;

/// The gateway, its database and what watches over both.
pub(crate) struct Gateway {
    cast: &'static Cast,
    pub(crate) world: World,
    pub(crate) policy: Policy,
    authority: Authority,
    pub(crate) audit: Audit,
    /// Devices whose certificate was verified since the last start.
    remembered: BTreeSet<usize>,
    /// Devices whose chain the database has.
    recorded: BTreeSet<usize>,
    /// The process ends at its next transaction.
    pub(crate) crash: Option<Crash>,
    /// So many requests are over their device's rate.
    pub(crate) busy: u8,
}

/// When the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Nothing of the transaction is kept.
    BeforeCommit,
    /// The transaction is kept; nothing is published, and the broker is told nothing.
    AfterCommit,
}

/// A message whose signature is good.
pub(crate) struct Opened {
    device: usize,
    digest: MessageDigest,
    question: Question,
    way: Way,
}

enum Question {
    Request(Box<Ask>),
    Ack(Acknowledgement),
}

/// The gateway did not acknowledge the message to the broker.
#[derive(Debug)]
pub(crate) struct Again;

impl Gateway {
    pub(crate) fn new(cast: &'static Cast, luck: &mut Chance, now: Timestamp) -> Self {
        let mut world = World::default();
        for identity in &cast.devices {
            world.add_device(Device {
                owner: Some(OWNER),
                ..Device::new(identity.id.clone(), DeviceState::Expected)
            });
        }
        stock::stock(&mut world, cast, luck, now);
        let policy = policy(luck);
        Self {
            cast,
            audit: Audit::new(),
            world,
            policy,
            authority: Authority {
                realm: Realm::new(REALM).unwrap(),
                epoch: Epoch(EPOCH),
            },
            remembered: BTreeSet::new(),
            recorded: BTreeSet::new(),
            crash: None,
            busy: 0,
        }
    }

    /// Takes in a message; what goes down for it.
    pub(crate) fn receive(
        &mut self,
        parcel: &Parcel,
        now: Timestamp,
        luck: &mut Chance,
    ) -> Result<Option<Parcel>, Again> {
        let opened = match self.open(parcel, now, luck) {
            Ok(opened) => opened,
            Err(reply) => return Ok(reply),
        };
        loop {
            let outcome = self.decide(&opened, now, luck);
            if let Ok(settled) = self.settle(&opened, &outcome, now) {
                return settled;
            }
        }
    }

    /// Takes in two messages at once, as two replicas do: both decide before either commits.
    pub(crate) fn race(
        &mut self,
        parcels: [&Parcel; 2],
        now: Timestamp,
        luck: &mut Chance,
    ) -> [Result<Option<Parcel>, Again>; 2] {
        let mut decided = parcels.map(|parcel| {
            let opened = self.open(parcel, now, luck)?;
            let outcome = self.decide(&opened, now, luck);
            Ok::<_, Option<Parcel>>((opened, outcome))
        });
        decided.each_mut().map(|decided| match decided {
            Err(reply) => Ok(reply.take()),
            Ok((opened, outcome)) => loop {
                match self.settle(opened, outcome, now) {
                    Ok(settled) => return settled,
                    Err(Stale) => {
                        count("gateway", "stale snapshot");
                        *outcome = self.decide(opened, now, luck);
                    }
                }
            },
        })
    }

    /// What an operator does. The outbox sees to the rest.
    pub(crate) fn operate(
        &mut self,
        device: &DeviceId,
        now: Timestamp,
        luck: &mut Chance,
        act: impl FnOnce(
            Snapshot,
            Context<'_>,
            &mut dyn FnMut(&mut [u8]),
        ) -> Result<Outcome, OperatorError>,
    ) {
        let snapshot = self.world.snapshot(device, None);
        let mut entropy = |bytes: &mut [u8]| luck.fill(bytes);
        if let Ok(outcome) = act(snapshot, self.context(now), &mut entropy) {
            count("operator", "acted");
            self.commit(&outcome, Cause::Operator, now)
                .expect("nothing came between snapshot and outcome");
        }
    }

    /// Publishes what the outbox has due.
    pub(crate) fn push_due(&mut self, now: Timestamp, luck: &mut Chance) -> Vec<Parcel> {
        let mut pushed = Vec::new();
        for identity in &self.cast.devices {
            let Some(key) = self.due(identity).filter(|(_, at)| *at <= now) else {
                continue;
            };
            pushed.extend(self.push(identity, key.0, now, luck));
        }
        pushed
    }

    /// When the outbox has something to do next.
    pub(crate) fn next_push(&self) -> Option<Timestamp> {
        let due = self.cast.devices.iter().filter_map(|i| self.due(i));
        due.map(|(_, at)| at).min()
    }

    /// Lets time pass in the ledger.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        for identity in &self.cast.devices {
            let snapshot = self.world.snapshot(&identity.id, None);
            let outcome = on_tick(snapshot, self.context(now));
            self.commit(&outcome, Cause::Time, now)
                .expect("nothing came between snapshot and outcome");
        }
    }

    /// The process starts anew: what it remembered is gone.
    pub(crate) fn restart(&mut self) {
        self.remembered.clear();
        self.crash = None;
        self.busy = 0;
    }

    /// The trust anchors change.
    pub(crate) fn forget_chains(&mut self) {
        self.remembered.clear();
        self.recorded.clear();
    }

    fn due(&self, identity: &Identity) -> Option<(SetKey, Timestamp)> {
        let latest = self.world.latest_set(&identity.id)?.set.key;
        let due = self.world.delivery(&identity.id, latest)?.due?;
        Some((latest, due))
    }

    fn push(
        &mut self,
        identity: &'static Identity,
        key: SetKey,
        now: Timestamp,
        luck: &mut Chance,
    ) -> Option<Parcel> {
        let snapshot = self.world.snapshot(&identity.id, None);
        let mut entropy = |bytes: &mut [u8]| luck.fill(bytes);
        let due = on_due(snapshot, key, self.context(now), &mut entropy);
        let key = match due {
            Due::Publish => key,
            Due::Settled => panic!("{}: the delivery of {key} is due and settled", identity.id),
            Due::Reissue(outcome) => {
                self.commit(&outcome, Cause::Outbox, now)
                    .expect("nothing came between snapshot and outcome");
                outcome.issued.as_ref()?.set.key
            }
        };
        let issued = self.world.set(&identity.id, key)?;
        assert!(
            now < issued.set.install_until,
            "what is pushed can be installed"
        );
        let payload = issued.payload.clone();
        let pauses = &self.policy.push_pauses;
        self.world.published(&identity.id, key, pauses, now);
        Some(self.sign(identity.place, MessageType::Grant, &payload, Way::Online))
    }

    /// Authenticates and reads a message; a message that gets no further may have a reply.
    fn open(
        &mut self,
        parcel: &Parcel,
        now: Timestamp,
        luck: &mut Chance,
    ) -> Result<Opened, Option<Parcel>> {
        let envelope = Envelope::parse(&parcel.bytes).map_err(|_| None)?;
        if envelope.message() != parcel.message {
            return Err(None);
        }
        let signer = match envelope.signer() {
            Signer::Chain(chain) => {
                let leaf = chain.iter().next().ok_or(None)?;
                let mut devices = self.cast.devices.iter();
                let signer = devices.find(|i| i.certificate == leaf.0).ok_or(None)?;
                self.remembered.insert(signer.place);
                signer
            }
            Signer::Thumbprint(thumbprint) => match self.known(thumbprint) {
                Some(signer) => signer,
                None => {
                    let reply = self.notice(parcel.device, NoticeCode::SendChain, None, now, luck);
                    return Err(Some(Parcel {
                        way: parcel.way,
                        ..reply
                    }));
                }
            },
            Signer::Key(_) => return Err(None),
        };
        if signer.place != parcel.device {
            return Err(None);
        }
        let key = signer.key.public();
        let verified = envelope
            .verify(|signed, signature| self.cast.authority.verify(&key, signed, signature))
            .map_err(|_| None)?;
        let said = wire::read(&verified, &signer.id, &self.authority.realm);
        let question = match said {
            Said::Request(ask) => Question::Request(Box::new(ask)),
            Said::Ack(ack) => Question::Ack(ack),
            Said::Unfit(unfit) => panic!("{}: the agent wrote {unfit:?}", signer.id),
        };
        if let Question::Request(ask) = &question
            && self.busy > 0
            && parcel.way == Way::Online
        {
            self.busy -= 1;
            let (code, nonce) = (NoticeCode::RetryLater, Some(ask.nonce));
            return Err(Some(self.notice(parcel.device, code, nonce, now, luck)));
        }
        Ok(Opened {
            device: signer.place,
            digest: verified.digest(),
            question,
            way: parcel.way,
        })
    }

    fn known(&self, thumbprint: CertificateThumbprint) -> Option<&'static Identity> {
        let is_known =
            |place: usize| self.remembered.contains(&place) || self.recorded.contains(&place);
        self.cast.devices.iter().find(|identity| {
            is_known(identity.place) && Sha256::digest(identity.certificate)[..] == thumbprint.0
        })
    }

    fn decide(&self, opened: &Opened, now: Timestamp, luck: &mut Chance) -> Outcome {
        let identity = &self.cast.devices[opened.device];
        let pinned = self.world.device(&identity.id).and_then(|d| d.key());
        let sender = Sender {
            key: identity.thumbprint(),
            verdict: match pinned {
                Some(_) => Verdict::Pinned,
                None => Verdict::Admissible,
            },
            channel: match opened.way {
                Way::Online => Channel::Online,
                Way::File => Channel::File,
            },
        };
        let mut entropy = |bytes: &mut [u8]| luck.fill(bytes);
        let context = self.context(now);
        match &opened.question {
            Question::Request(ask) => {
                let request = Request {
                    digest: opened.digest,
                    sender,
                    ask: ask.as_ref().clone(),
                };
                let snapshot = self.world.snapshot(&identity.id, Some(ask));
                on_request(snapshot, &request, context, &mut entropy)
            }
            Question::Ack(ack) => {
                let signed = SignedAck {
                    digest: opened.digest,
                    sender,
                    ack: ack.clone(),
                };
                let snapshot = self.world.snapshot(&identity.id, None);
                on_ack(snapshot, &signed, context, &mut entropy)
            }
        }
    }

    /// Commits and answers, unless the process ends.
    fn settle(
        &mut self,
        opened: &Opened,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Result<Option<Parcel>, Again>, Stale> {
        if self.crash == Some(Crash::BeforeCommit) {
            count("gateway", "crash before commit");
            self.restart();
            return Ok(Err(Again));
        }
        let cause = match &opened.question {
            Question::Request(ask) => Cause::Request(opened.digest, ask.nonce),
            Question::Ack(ack) => Cause::Ack(opened.digest, &ack.exceptions),
        };
        self.commit(outcome, cause, now)?;
        if outcome.device.key().is_some() {
            self.recorded.insert(opened.device);
        }
        if self.crash == Some(Crash::AfterCommit) {
            count("gateway", "crash after commit");
            self.restart();
            return Ok(Err(Again));
        }
        let (message, payload) = match &outcome.answer {
            Answer::None | Answer::Carried => return Ok(Ok(None)),
            Answer::Grant => {
                let issued = outcome.issued.as_ref().expect("a grant was issued");
                let pauses = &self.policy.push_pauses;
                self.world
                    .published(&outcome.device.id, issued.set.key, pauses, now);
                (MessageType::Grant, issued.payload.clone())
            }
            Answer::Notice(notice) => (MessageType::Notice, notice.payload.clone()),
            Answer::Repeat(StoredAnswer::Notice(payload)) => (MessageType::Notice, payload.clone()),
            Answer::Repeat(StoredAnswer::Grant(key)) => {
                let set = self.world.set(&outcome.device.id, *key);
                let set = set.expect("what was answered is kept");
                (MessageType::Grant, set.payload.clone())
            }
        };
        Ok(Ok(Some(self.sign(
            opened.device,
            message,
            &payload,
            opened.way,
        ))))
    }

    fn commit(&mut self, outcome: &Outcome, cause: Cause<'_>, now: Timestamp) -> Result<(), Stale> {
        let before = self.world.device(&outcome.device.id).cloned();
        let before = before.expect("every device of the cast is there");
        let standings: Vec<_> = outcome
            .activations
            .iter()
            .map(|change| self.world.activation(change.activation().id).cloned())
            .collect();
        self.world.apply(outcome, now)?;
        self.audit
            .committed(&self.world, &before, &standings, outcome, cause, now);
        Ok(())
    }

    fn context(&self, now: Timestamp) -> Context<'_> {
        Context {
            authority: &self.authority,
            policy: &self.policy,
            now,
        }
    }

    /// A notice about a message that changed nothing.
    fn notice(
        &self,
        device: usize,
        code: NoticeCode,
        nonce: Option<DeviceNonce>,
        now: Timestamp,
        luck: &mut Chance,
    ) -> Parcel {
        count("notice", code.as_str());
        let mut cti = [0; 16];
        luck.fill(&mut cti);
        let notice = Notice {
            realm: REALM,
            device: self.cast.devices[device].id.as_wire(),
            issued_at: now.seconds(),
            cti: Cti(cti),
            confirmation: None,
            nonce,
            code,
            seq_expected: None,
            retry_after: (code == NoticeCode::RetryLater).then_some(60),
            text: None,
            challenge: None,
        };
        let mut payload = vec![0; Writer::measure(|w| notice.encode(w))];
        notice.encode(&mut Writer::new(&mut payload));
        self.sign(device, MessageType::Notice, &payload, Way::Online)
    }

    fn sign(&self, device: usize, message: MessageType, payload: &[u8], way: Way) -> Parcel {
        let authority = &self.cast.authority;
        let signer = Signer::Key(authority.public().thumbprint().key_id());
        let mut buffer = [0; limits::MAX_DOWN];
        let draft = Draft::of_payload(&mut buffer, message, &signer, payload)
            .expect("what is decided can be sent");
        let signature = authority.sign(&draft.to_sign());
        Parcel {
            device,
            message,
            bytes: draft.finish(&signature).into(),
            way,
        }
    }
}

/// Terms that end within a schedule, for some.
fn policy(luck: &mut Chance) -> Policy {
    let usual = Policy::default();
    Policy {
        install_window: [usual.install_window, 3 * DAY][luck.below(2) as usize],
        orphan_after: [usual.orphan_after, 4 * DAY][luck.below(2) as usize],
        renew_after: [usual.renew_after, DAY as u32][luck.below(2) as usize],
        ..usual
    }
}

const DAY: u64 = 86_400;
