//! Step 3: decide and record, in one transaction that locks the device.

use std::sync::Arc;

use fleetgrant_core::acknowledge::on_ack;
use fleetgrant_core::ask::{Ask, Channel, Reason, Request, Sender, SignedAck, SignedUnfit};
use fleetgrant_core::context::Entropy;
use fleetgrant_core::device::StoredAnswer;
use fleetgrant_core::domain::{KeyThumbprint, Timestamp};
use fleetgrant_core::outcome::{Answer, Outcome};
use fleetgrant_core::request::on_request;
use fleetgrant_core::snapshot::Snapshot;
use fleetgrant_core::unfit::on_unfit;
use fleetgrant_core::wire::Said;
use fleetgrant_schemas::topic::MessageType;

use super::answer::Reply;
use super::authenticate::Opened;
use super::verdict::{Shown, verdict};
use super::{Again, Rules, Settled};
use crate::identity::AuthenticatedDevice;
use crate::store::conversation::{
    self, Basis, Cause, Credential, Look, Pins, Provenance, Recorded, payload_of,
};
use crate::store::{Db, Store, StoreError, Verdict};

/// How often a decision on a stale snapshot is made anew.
const ATTEMPTS: usize = 8;

/// Decides what comes of a verified message, and records it.
#[derive(Clone, Debug)]
pub struct Recorder {
    store: Store,
    rules: Arc<Rules>,
}

/// What a verified message asks the core.
#[derive(Clone, Debug)]
enum Question {
    Request(Box<Ask>),
    Ack(fleetgrant_core::ask::Acknowledgement),
    Unfit(fleetgrant_core::ask::Unfit),
}

impl Question {
    const fn name(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Ack(_) => "ack",
            Self::Unfit(_) => "unfit",
        }
    }
}

/// A device's message on its way through the transaction, which may run more than once.
struct Turn {
    sender: AuthenticatedDevice,
    question: Question,
    channel: Channel,
    rules: Arc<Rules>,
    now: Timestamp,
}

impl Recorder {
    /// A recorder on this store.
    #[must_use]
    pub const fn new(store: Store, rules: Arc<Rules>) -> Self {
        Self { store, rules }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) const fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Records what comes of a message.
    pub(super) async fn record(
        &self,
        opened: Opened,
        channel: Channel,
        now: Timestamp,
    ) -> Result<Settled, Again> {
        let question = match opened.said {
            Said::Request(ask) => Question::Request(Box::new(ask)),
            Said::Ack(ack) => Question::Ack(ack),
            Said::Unfit(unfit) => {
                tracing::warn!(reason = %unfit.fault, "a verified message cannot be decided on");
                Question::Unfit(unfit)
            }
        };
        let turn = Arc::new(Turn {
            sender: opened.sender,
            question,
            channel,
            rules: Arc::clone(&self.rules),
            now,
        });
        for _ in 0..ATTEMPTS {
            let turn = Arc::clone(&turn);
            let recorded = self
                .store
                .converse(turn.question.name(), move |db| turn.run(db))
                .await;
            match recorded {
                Ok(Some(outcome)) => return self.settled(outcome).await,
                Ok(None) => metrics::counter!("fleetgrant_stale_snapshots_total").increment(1),
                // It would fail the same way for ever, and hold up what is behind it.
                Err(error) if is_permanent(&error) => {
                    tracing::error!(%error, "the message cannot be recorded and is given up");
                    return Ok(Settled {
                        outcome: error.label(),
                        reply: None,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Again::Contended)
    }

    async fn settled(&self, outcome: Outcome) -> Result<Settled, Again> {
        let device = outcome.device.id.clone();
        let grant = |payload| Reply {
            device: device.clone(),
            message: MessageType::Grant,
            payload,
        };
        let notice = |payload| Reply {
            device: device.clone(),
            message: MessageType::Notice,
            payload,
        };
        let (outcome, reply) = match outcome.answer {
            Answer::None | Answer::Carried => ("recorded", None),
            Answer::Grant => ("granted", outcome.issued.map(|set| grant(set.payload))),
            Answer::Notice(issued) => (issued.code.as_str(), Some(notice(issued.payload))),
            Answer::Repeat(StoredAnswer::Notice(payload)) => ("repeated", Some(notice(payload))),
            Answer::Repeat(StoredAnswer::Grant(key)) => {
                let id = device.clone();
                let payload = self
                    .store
                    .read("payload", move |db| payload_of(db, &id, key))
                    .await?;
                ("repeated", payload.map(grant))
            }
        };
        Ok(Settled { outcome, reply })
    }
}

const fn is_permanent(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Constraint(_) | StoreError::Corrupt(_) | StoreError::Panicked(_)
    )
}

fn credential(sender: &AuthenticatedDevice) -> Credential {
    Credential {
        key: sender.key_thumbprint(),
        certificate: sender.certificate(),
        not_after: sender.not_after(),
        verified: sender.to_stored(),
    }
}

impl Turn {
    /// The transaction: nothing, if the snapshot was stale.
    fn run(&self, db: &mut Db) -> Result<Verdict<Option<Outcome>>, StoreError> {
        let (device, cache) = (self.sender.device(), &self.rules.cache);
        let (digest, context) = (self.sender.message(), self.rules.at(self.now));
        let mut entropy = system_entropy();
        match &self.question {
            Question::Ack(ack) => {
                let load = |db: &mut Db| conversation::load_holdings(db, cache, device);
                let holdings = self.load(db, load)?;
                let basis = Basis::of_holdings(&holdings);
                let signed = SignedAck {
                    digest,
                    sender: self.sender(db, holdings.device.key())?,
                    ack: ack.clone(),
                };
                let outcome = on_ack(holdings, &signed, context, &mut entropy);
                self.keep(db, &basis, outcome)
            }
            Question::Request(ask) => {
                let snapshot = self.snapshot(db, ask)?;
                let basis = Basis::of(&snapshot);
                let request = Request {
                    digest,
                    sender: self.sender(db, snapshot.device.key())?,
                    ask: ask.as_ref().clone(),
                };
                let outcome = on_request(snapshot, &request, context, &mut entropy);
                self.keep(db, &basis, outcome)
            }
            Question::Unfit(unfit) => {
                let load = |db: &mut Db| conversation::load_holdings(db, cache, device);
                let holdings = self.load(db, load)?;
                let basis = Basis::of_holdings(&holdings);
                let signed = SignedUnfit {
                    digest,
                    sender: self.sender(db, holdings.device.key())?,
                    unfit: unfit.clone(),
                };
                let outcome = on_unfit(holdings.into(), &signed, context, &mut entropy);
                self.keep(db, &basis, outcome)
            }
        }
    }

    fn snapshot(&self, db: &mut Db, ask: &Ask) -> Result<Snapshot, StoreError> {
        let look = Look {
            wants: &ask.wants,
            // They matter, though nothing was given back.
            quotas: ask.reason == Reason::Temporary,
            now: Some(self.now),
            ..Look::default()
        };
        let (device, cache) = (self.sender.device(), &self.rules.cache);
        self.load(db, |db| conversation::load_for(db, cache, device, &look))
    }

    /// What is recorded of the device, which is recorded if it was not.
    fn load<T>(
        &self,
        db: &mut Db,
        load: impl Fn(&mut Db) -> Result<Option<T>, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(known) = load(db)? {
            return Ok(known);
        }
        let device = self.sender.device();
        let anchor = self.sender.anchor();
        let provenance = Provenance {
            product_line: anchor.product_line().to_owned(),
            prefix: anchor.id_prefix().to_string(),
            serial: String::from_utf8_lossy(self.sender.identity()).into_owned(),
        };
        conversation::first_seen(db, device, &provenance, self.now)?;
        load(db)?.ok_or_else(|| StoreError::Corrupt(format!("device {device} was not recorded")))
    }

    /// Who speaks, given the key that the device is pinned to.
    fn sender(&self, db: &mut Db, pinned: Option<KeyThumbprint>) -> Result<Sender, StoreError> {
        let (device, key) = (self.sender.device(), self.sender.key_thumbprint());
        let pins = match pinned {
            Some(pinned) if pinned == key => Pins::of_pinned(device),
            _ => Pins::load(db, device, key)?,
        };
        let shown = Shown {
            device,
            key,
            anchor: self.sender.anchor().name(),
            admission: self.sender.admission(),
        };
        Ok(Sender {
            key,
            verdict: verdict(&pins, shown),
            channel: self.channel,
        })
    }

    fn keep(
        &self,
        db: &mut Db,
        basis: &Basis,
        outcome: Outcome,
    ) -> Result<Verdict<Option<Outcome>>, StoreError> {
        let cause = Cause {
            actor: "device".to_owned(),
            message: Some(self.sender.message()),
            at: self.now,
        };
        if conversation::record(db, &self.rules.cache, basis, &outcome, &cause)? == Recorded::Stale
        {
            return Ok(Verdict::Rollback(None));
        }
        let key = self.sender.key_thumbprint();
        if outcome.device.key() == Some(key) && basis.key() != Some(key) {
            credential(&self.sender).record(db, self.sender.device(), self.now)?;
        }
        Ok(Verdict::Commit(Some(outcome)))
    }
}

/// The operating system's randomness, through the generator that it seeds.
pub(crate) fn system_entropy() -> impl Entropy {
    |buffer: &mut [u8]| rand::fill(buffer)
}
