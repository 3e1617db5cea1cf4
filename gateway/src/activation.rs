//! The path of one activation, one line a step.
//!
//! ```text
//!  device ─request─▶ 1 rate ▶ 2 authenticate ▶ 3 decide and record ▶ 4 acknowledge to the broker
//!  device ◀─grant── 5 answer: sign what was recorded, publish it; the outbox repeats it
//!  device ─ack────▶ 1 rate ▶ 2 authenticate ▶ 3 record             ▶ 4 acknowledge to the broker
//! ```
//!
//! `docs/activation-cycle.md` tells the same steps with what each one guards against.

mod answer;
mod authenticate;
mod bucket;
mod file;
mod record;
mod verdict;

use std::sync::Arc;

use fleetgrant_core::ask::Channel;
use fleetgrant_core::context::{Authority, Context};
use fleetgrant_core::policy::Policy;
use tracing::Instrument;

use crate::clock::Clock;
use crate::crypto::{Lanes, PublishedKeySet};
use crate::identity::DeviceVerifier;
use crate::issue::Issuer;
use crate::mqtt::{Inbound, InboundMessage, Outbound};
use crate::store::conversation::Cache;

pub use bucket::Buckets;
pub use file::{Answered, FileDesk, FileError};
pub use record::Recorder;
pub(crate) use record::system_entropy;

use answer::Reply;
use authenticate::{Dropped, Received};

/// Takes a message to its effects, whichever way it came.
#[derive(Debug)]
pub struct Intake {
    /// Whose devices are known.
    pub verifier: Arc<DeviceVerifier>,
    /// Threads for signatures.
    pub lanes: Lanes,
    /// Decides and records.
    pub recorder: Recorder,
}

/// Takes each message from the wire to its effects and its answer.
#[derive(Debug)]
pub struct Conductor {
    /// Authenticates, decides and records.
    pub intake: Intake,
    /// Signs what goes down.
    pub issuer: Arc<Issuer>,
    /// The key set that devices with an older one are sent.
    pub key_set: Option<PublishedKeySet>,
    /// Rates of devices.
    pub buckets: Buckets,
    /// The way down.
    pub outbound: Outbound,
    /// The gateway's clock.
    pub clock: Clock,
}

/// What became of a message, when it is settled for good.
struct Settled {
    /// A word for the counter.
    outcome: &'static str,
    reply: Option<Reply>,
}

/// The key set, if the device is to get it.
type Keys<'a> = Option<&'a PublishedKeySet>;

/// The message is to come again: nothing of it was kept.
#[derive(Debug, thiserror::Error)]
enum Again {
    #[error(transparent)]
    Clock(#[from] crate::clock::ClockJumped),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Lane(#[from] crate::crypto::LaneClosed),
    #[error("another transaction was always faster")]
    Contended,
}

/// How many messages are taken from the link at once.
const BATCH: usize = 256;

impl Conductor {
    /// Serves until the link has stopped and everything taken from it is settled. The link's
    /// receive maximum bounds how many messages are under way.
    pub async fn serve(self: Arc<Self>, mut inbound: Inbound) {
        let mut messages = Vec::with_capacity(BATCH);
        let mut under_way = tokio::task::JoinSet::new();
        while inbound.recv_many(&mut messages, BATCH).await > 0 {
            for message in messages.drain(..) {
                let conductor = Arc::clone(&self);
                let span = message.span();
                under_way.spawn(async move { conductor.conduct(message).await }.instrument(span));
            }
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn conduct(&self, message: InboundMessage) {
        let kind = message.kind.as_str();
        match self.settle(&message).await {
            Ok((Settled { outcome, reply }, keys)) => {
                count(kind, outcome);
                message.ack.acknowledge();
                // Before the answer, which may be signed by a key that only they hold.
                if let Some(keys) = keys {
                    self.send_keys(&message.device, keys).await;
                }
                if let Some(reply) = reply {
                    self.answer(reply).await;
                }
            }
            Err(again) => {
                count(kind, "again");
                tracing::error!(%again, "the message could not be settled and will come again");
            }
        }
    }

    /// Steps 1 to 3. An error leaves the message with the broker.
    async fn settle(&self, message: &InboundMessage) -> Result<(Settled, Keys<'_>), Again> {
        let now = self.clock.trusted_now()?;
        let rate = match self.buckets.take(&message.device) {
            Ok(rate) => rate,
            Err(dropped) => {
                count_unauthenticated(dropped);
                return Ok((Settled::dropped(dropped), None));
            }
        };
        let received = Received {
            kind: message.kind,
            device: Some(&message.device),
            payload: &message.payload,
        };
        let opened = match self.intake.authenticate(received, now).await? {
            Ok(opened) => opened,
            Err(dropped) => {
                count_unauthenticated(dropped);
                return Ok((self.intake.refuse(message, dropped, now), None));
            }
        };
        if let Some(held_back) = self.intake.hold_back(&opened, rate, now) {
            return Ok((held_back, None));
        }
        let keys = self.keys_for(&opened);
        let recorder = &self.intake.recorder;
        Ok((recorder.record(opened, Channel::Online, now).await?, keys))
    }
}

impl Settled {
    const fn dropped(dropped: Dropped) -> Self {
        Self {
            outcome: dropped.as_str(),
            reply: None,
        }
    }
}

fn count(kind: &'static str, outcome: &'static str) {
    metrics::counter!("fleetgrant_messages_total", "kind" => kind, "outcome" => outcome)
        .increment(1);
}

/// Counts messages that were rejected before anybody knew who sent them, by reason. They leave no
/// other trace.
pub const UNAUTHENTICATED: &str = "fleetgrant_messages_unauthenticated_total";

fn count_unauthenticated(dropped: Dropped) {
    metrics::counter!(UNAUTHENTICATED, "reason" => dropped.as_str()).increment(1);
}

/// What every decision is made under.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who grants.
    pub authority: Authority,
    /// What is allowed.
    pub policy: Policy,
    /// What was read of the catalogue and the policies.
    pub cache: Cache,
}

impl Rules {
    /// The context of a decision at an instant.
    #[must_use]
    pub const fn at(&self, now: fleetgrant_core::domain::Timestamp) -> Context<'_> {
        Context {
            authority: &self.authority,
            policy: &self.policy,
            now,
        }
    }
}
