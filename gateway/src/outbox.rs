//! Step 5, repeated. The outbox pushes each grant set until the device has signed for it.
//!
//! The conductor sends an answer right after its commit; everything else, and every repetition,
//! goes out from here. A delivery is leased before it is pushed, so that replicas do not push the
//! same one, and a crash between lease and push only costs the lease's time.

use std::sync::Arc;
use std::time::Duration;

use fleetgrant_core::delivery::{Due, on_due};
use fleetgrant_core::domain::{DeviceId, SetKey, Timestamp};
use fleetgrant_schemas::topic::MessageType;
use tokio::sync::watch;

use crate::activation::{Rules, system_entropy};
use crate::clock::{Clock, ClockJumped};
use crate::issue::{IssueError, Issuer};
use crate::mqtt::{LinkState, LinkStatus, Outbound};
use crate::store::conversation::{
    self, Basis, Cause, DueDelivery, Recorded, close_delivery, due_deliveries, has_due, postpone,
};
use crate::store::{Db, Store, StoreError, Verdict};

/// How often the outbox looks for what is due.
const INTERVAL: Duration = Duration::from_millis(500);
/// Deliveries leased at once.
const BATCH: i64 = 64;
/// Seconds that a lease lasts: longer than any publish takes.
const LEASE: u64 = 30;

/// Pushes what is due.
#[derive(Debug)]
pub struct Outbox {
    /// Where deliveries are recorded.
    pub store: Store,
    /// What a set that is written anew is decided under.
    pub rules: Arc<Rules>,
    /// Signs.
    pub issuer: Arc<Issuer>,
    /// The way down.
    pub outbound: Outbound,
    /// Whether there is a broker to push to.
    pub link: watch::Receiver<LinkStatus>,
    /// The gateway's clock.
    pub clock: Clock,
}

/// What is to be published.
struct Push {
    device: DeviceId,
    key: SetKey,
    payload: Vec<u8>,
    attempts: u32,
}

/// Why nothing was pushed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Clock(#[from] ClockJumped),
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl Outbox {
    /// Pushes until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let is_connected = matches!(self.link.borrow().state, LinkState::Connected { .. });
            if !is_connected {
                continue;
            }
            if let Err(error) = self.push_due().await {
                tracing::error!(%error, "nothing can be pushed now; it is tried again");
            }
        }
    }

    async fn push_due(&self) -> Result<(), Failed> {
        loop {
            let now = self.clock.trusted_now()?;
            // Looking takes no lock, and most of the time there is nothing.
            if !self.store.read("due", move |db| has_due(db, now)).await? {
                return Ok(());
            }
            let rules = Arc::clone(&self.rules);
            let pushes = self
                .store
                .converse("lease", move |db| {
                    lease(db, &rules, now).map(Verdict::Commit)
                })
                .await?;
            for push in pushes {
                self.push(push, now).await?;
            }
        }
    }

    async fn push(&self, push: Push, now: Timestamp) -> Result<(), Failed> {
        let Push {
            device,
            key,
            payload,
            attempts,
        } = push;
        let signed = self.issuer.sign(MessageType::Grant, payload).await?;
        let published = self
            .outbound
            .publish(&device, MessageType::Grant, signed.into())
            .await;
        let attempts = attempts.saturating_add(1);
        let next = self.rules.policy.push_pauses.next_attempt(attempts, now);
        tracing::info!(%device, set = %key, attempt = attempts, ?published, "pushed");
        if next.is_none() {
            tracing::warn!(%device, set = %key, "the device is silent; its next contact resumes");
        }
        self.store
            .converse("postpone", move |db| {
                postpone(db, &device, key, next, now).map(Verdict::Commit)
            })
            .await?;
        Ok(())
    }
}

/// Leases what is due, and decides what each delivery needs.
fn lease(db: &mut Db, rules: &Rules, now: Timestamp) -> Result<Vec<Push>, StoreError> {
    let mut pushes = Vec::new();
    for due in due_deliveries(db, now, now.plus_seconds(LEASE), BATCH)? {
        pushes.extend(examine(db, due, rules, now)?);
    }
    Ok(pushes)
}

fn examine(
    db: &mut Db,
    due: DueDelivery,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Push>, StoreError> {
    let Some(snapshot) = conversation::load(db, &rules.cache, &due.device, &[])? else {
        return Ok(None);
    };
    let basis = Basis::of(&snapshot);
    match on_due(snapshot, due.key, rules.at(now), &mut system_entropy()) {
        Due::Publish => Ok(Some(Push {
            device: due.device,
            key: due.key,
            payload: due.payload,
            attempts: due.attempts,
        })),
        Due::Settled => {
            close_delivery(db, &due.device, due.key)?;
            Ok(None)
        }
        Due::Reissue(outcome) => {
            let cause = Cause {
                actor: "gateway".to_owned(),
                message: None,
                at: now,
            };
            if conversation::record(db, &rules.cache, &basis, &outcome, &cause)? == Recorded::Stale
            {
                return Err(StoreError::Busy);
            }
            Ok(outcome.issued.map(|issued| Push {
                device: due.device,
                key: issued.set.key,
                payload: issued.payload,
                attempts: 0,
            }))
        }
    }
}
