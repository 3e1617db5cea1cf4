//! Sends what waits, until endpoints take it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fleetgrant_core::domain::{Timestamp, WebhookId};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::webhook::{
    DeliveryStep, DisabledBecause, Endpoint, Message, Patience, WebhookState, after_attempt,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::MessageId;
use super::act::{WebhookError, seal_all};
use super::message::payload;
use super::plan::{MAX_WEBHOOKS, plan};
use super::send::{Sender, Sent};
use crate::clock::Clock;
use crate::config::Webhooks;
use crate::store::column::{Code, Micros, Octets};
use crate::store::event::{self, Occasion, Stream};
use crate::store::webhook::{self as store, Delivery, Settled, Webhook, WebhookFilter};
use crate::store::{Db, Store, StoreError, Verdict};

/// How often it is looked for what waits.
const INTERVAL: Duration = Duration::from_millis(500);
/// How often what was settled long ago is forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(3_600);
/// Messages to one endpoint that are under way at once.
const PARALLEL: usize = 8;
/// Seconds that a claim outlasts an attempt: after a crash the message is sent again then.
const SPARE: u64 = 15;
/// How long attempts under way may take when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// Sends messages to webhooks.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    /// The ledger.
    pub store: Store,
    /// Patience, and how long things are kept.
    pub config: Webhooks,
    /// Signs and sends.
    pub sender: Sender,
    /// The gateway's clock.
    pub clock: Clock,
}

/// A message that is to be sent now.
struct Work {
    webhook: Webhook,
    delivery: Delivery,
    payload: Vec<u8>,
}

/// How many more messages to each webhook may be under way.
#[derive(Debug, Default)]
struct Room(HashMap<WebhookId, Arc<Semaphore>>);

impl Room {
    fn of(&mut self, webhook: WebhookId) -> &Arc<Semaphore> {
        let room = self.0.entry(webhook);
        room.or_insert_with(|| Arc::new(Semaphore::new(PARALLEL)))
    }

    /// An endpoint that fails is tried with one message at a time.
    fn free(&mut self, webhook: &Webhook) -> usize {
        let free = self.of(webhook.id.0).available_permits();
        match webhook.failures {
            0 => free,
            _ => usize::from(free == PARALLEL),
        }
    }
}

impl Dispatcher {
    /// Sends until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        self.seal().await;
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forget_ticks = tokio::time::interval(FORGET_INTERVAL);
        let mut under_way = JoinSet::new();
        let mut room = Room::default();
        loop {
            let to_forget = tokio::select! {
                _ = ticks.tick() => false,
                // What ended makes room for more at once.
                Some(_) = under_way.join_next() => false,
                _ = forget_ticks.tick() => true,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            while under_way.try_join_next().is_some() {}
            let done = if to_forget {
                self.forget().await.map(|()| false)
            } else {
                self.round(&mut under_way, &mut room).await
            };
            match done {
                Ok(more) if more => ticks.reset_immediately(),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "webhooks cannot be sent to now; it is tried again");
                }
            }
        }
        // What is cut is sent again when its claim has run out.
        let ended = async { while under_way.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }

    /// Secrets that were kept in clear are sealed; what cannot be opened is told of.
    async fn seal(&self) {
        let vault = self.sender.vault().clone();
        let seal = move |db: &mut Db| match seal_all(db, &vault) {
            Ok(lost) => Ok(Verdict::Commit(Ok(lost))),
            Err(WebhookError::Store(error)) => Err(error),
            Err(error) => Ok(Verdict::Rollback(Err(error))),
        };
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "the secrets of webhooks are not sealed");
        };
        match self.store.transaction("webhook-seal", seal).await {
            Ok(Ok(lost)) => {
                for (webhook, error) in lost {
                    tracing::error!(webhook, %error, "nothing can be signed for a webhook");
                }
            }
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let before = self.clock.now().minus_seconds(self.config.keep.as_secs());
        let forgotten = self
            .store
            .write("webhook-forget", move |db| {
                store::forget_settled(db, before)
            })
            .await?;
        if forgotten > 0 {
            tracing::info!(
                messages = forgotten,
                "settled messages to webhooks are forgotten"
            );
        }
        Ok(())
    }

    /// Whether more events wait to be looked at.
    async fn round(
        &self,
        under_way: &mut JoinSet<()>,
        room: &mut Room,
    ) -> Result<bool, StoreError> {
        let Ok(now) = self.clock.trusted_now() else {
            return Ok(false);
        };
        let looked = self.store.read("webhooks", move |db| look(db, now)).await?;
        let mut more = false;
        if looked.to_plan {
            // What is more is left for the next round: what is due is sent meanwhile, and whoever
            // stops the gateway does not wait for the whole history.
            more = self
                .store
                .write("webhook-plan", move |db| plan(db, now))
                .await?;
        }
        if !looked.to_plan && !looked.due {
            return Ok(more);
        }
        let webhooks = looked.webhooks.into_iter();
        let wanted: Vec<_> = webhooks
            .filter(|webhook| webhook.is_ready(now))
            .map(|webhook| (webhook.id, room.free(&webhook)))
            .filter(|(_, free)| *free > 0)
            .collect();
        if wanted.is_empty() {
            return Ok(more);
        }
        let until = now.plus_seconds(self.config.timeout.as_secs() + SPARE);
        let works = self
            .store
            .write("webhook-claim", move |db| claim(db, &wanted, now, until))
            .await?;
        for work in works {
            let permit = Arc::clone(room.of(work.webhook.id.0)).try_acquire_owned();
            // There is as much room as was counted: nobody else takes any.
            if let Ok(permit) = permit {
                under_way.spawn(self.clone().attempt(work, permit));
            }
        }
        Ok(more)
    }

    async fn attempt(self, work: Work, permit: OwnedSemaphorePermit) {
        let (webhook, position) = (work.webhook.id, work.delivery.position);
        let id = MessageId::new(webhook.0, position);
        let began = self.clock.now();
        let sent = self
            .sender
            .send(&work.webhook, &id, work.payload, began)
            .await;
        tracing::info!(
            webhook = work.webhook.name, message = %id, status = sent.status,
            problem = sent.problem, "sent"
        );
        let (now, jitter) = (self.clock.now(), rand::random());
        let patience = self.config.patience.clone();
        let settled = self
            .store
            .write("webhook-settle", move |db| {
                let attempt = Attempt {
                    sent: &sent,
                    began,
                    now,
                    jitter,
                };
                attempt.settle(db, webhook, position, &patience)
            })
            .await;
        if let Err(error) = settled {
            tracing::error!(%error, message = %id, "what came of it was not written; it is sent again");
        }
        drop(permit);
    }
}

/// What a round begins with.
struct Looked {
    to_plan: bool,
    due: bool,
    webhooks: Vec<Webhook>,
}

fn look(db: &mut Db, now: Timestamp) -> Result<Looked, StoreError> {
    let webhooks = store::list(db, &WebhookFilter::default(), MAX_WEBHOOKS)?;
    let is_replayed = webhooks
        .iter()
        .any(|webhook| webhook.state.0 == WebhookState::Active && webhook.replay_since.is_some());
    Ok(Looked {
        to_plan: is_replayed || !store::inbox(db, 1)?.is_empty(),
        due: !webhooks.is_empty() && store::has_due(db, now)?,
        webhooks,
    })
}

fn claim(
    db: &mut Db,
    wanted: &[(Octets<WebhookId>, usize)],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Work>, StoreError> {
    let mut works = Vec::new();
    for (id, free) in wanted {
        let Some(webhook) = store::find(db, *id)?.filter(|webhook| webhook.is_ready(now)) else {
            continue;
        };
        for delivery in store::claim(db, *id, now, until, *free as i64)? {
            let event = event::at(db, delivery.position)?.ok_or_else(|| {
                StoreError::Corrupt(format!("no event has the position {}", delivery.position))
            })?;
            works.push(Work {
                webhook: webhook.clone(),
                payload: payload(event)?,
                delivery,
            });
        }
    }
    Ok(works)
}

/// An attempt that ended.
struct Attempt<'a> {
    sent: &'a Sent,
    began: Timestamp,
    now: Timestamp,
    jitter: u8,
}

impl Attempt<'_> {
    fn settle(
        &self,
        db: &mut Db,
        id: Octets<WebhookId>,
        position: i64,
        patience: &Patience,
    ) -> Result<(), StoreError> {
        store::lock(db, id)?;
        let webhook = store::find(db, id)?;
        let delivery = store::find_delivery(db, id, position)?;
        // It may have been removed meanwhile.
        let (Some(mut webhook), Some(delivery)) = (webhook, delivery) else {
            return Ok(());
        };
        let before = u32::try_from(delivery.attempts).unwrap_or(u32::MAX);
        let (message, endpoint) = after_attempt(
            self.sent.attempted,
            before,
            self.began,
            webhook.health(),
            patience,
            self.now,
            self.jitter,
        );
        store::settle(db, id, position, &self.settled(message, &delivery))?;
        if webhook.state.0 != WebhookState::Active {
            return Ok(());
        }
        match endpoint {
            Endpoint::Goes(health) if health == webhook.health() => Ok(()),
            Endpoint::Goes(health) => {
                webhook.set_health(health);
                store::save(db, &webhook)
            }
            Endpoint::Disabled(because) => self.disable(db, webhook, because),
        }
    }

    fn settled(&self, message: Message, delivery: &Delivery) -> Settled {
        let (state, next_at) = match message {
            Message::Delivered => (DeliveryStep::Delivered, self.now),
            Message::Again(at) => (DeliveryStep::Waiting, at),
            Message::Dead => (DeliveryStep::Dead, self.now),
        };
        if state != DeliveryStep::Waiting {
            metrics::counter!("fleetgrant_webhook_messages_total", "state" => state.as_str())
                .increment(1);
        }
        Settled {
            state,
            attempts: delivery.attempts + 1,
            next_at,
            status: self
                .sent
                .status
                .and_then(|status| i16::try_from(status).ok()),
            problem: self.sent.problem.clone(),
            settled_at: (state != DeliveryStep::Waiting).then_some(self.now),
        }
    }

    fn disable(
        &self,
        db: &mut Db,
        mut webhook: Webhook,
        because: DisabledBecause,
    ) -> Result<(), StoreError> {
        tracing::error!(
            webhook = webhook.name,
            reason = because.as_str(),
            "the webhook is disabled; `fleetgrant webhooks resume` sends what it missed"
        );
        metrics::counter!("fleetgrant_webhooks_disabled_total", "reason" => because.as_str())
            .increment(1);
        webhook.state = Code(WebhookState::Disabled);
        webhook.because = Some(Code(because));
        webhook.stopped_at = Some(Micros(self.now));
        store::save(db, &webhook)?;
        let event = Event::new(EventKind::WebhookDisabled)
            .with("name", webhook.name.as_str())
            .with("reason", because.as_str());
        let occasion = Occasion {
            at: self.now,
            actor: "gateway",
            cause: &[],
        };
        event::append(db, Stream::Webhook(webhook.id.0), occasion, &[event])
    }
}
