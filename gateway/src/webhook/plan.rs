//! Which webhooks get a message about an event.

use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::webhook::WebhookState;

use super::concern::Concerns;
use crate::store::event::Stored;
use crate::store::webhook::{self as store, NewDelivery, Wanted, Webhook, WebhookFilter};
use crate::store::{Db, StoreError};

/// Webhooks of an installation, at most.
pub(super) const MAX_WEBHOOKS: i64 = 50;
/// Events that are looked at in one transaction.
const EVENTS: i64 = 500;
/// Events of the history that are gone through in one transaction.
const HISTORY: i64 = 2_000;

/// A webhook, and which kinds of events it wants.
type Subscriber = (Webhook, Wanted);

/// Makes messages of what waits to be looked at, and of the parts of the history that are gone
/// through again, as much as fits a transaction. Whether more is to be done.
///
/// # Errors
/// The database's.
pub fn plan(db: &mut Db, now: Timestamp) -> Result<bool, StoreError> {
    // Nobody stops or resumes one meanwhile: what is not made a message of is in the history then.
    store::lock_all(db)?;
    let mut subscribers = Vec::new();
    for webhook in store::list(db, &WebhookFilter::default(), MAX_WEBHOOKS)? {
        if webhook.state.0 == WebhookState::Active {
            let wanted = store::wanted(db, webhook.id)?;
            subscribers.push((webhook, wanted));
        }
    }
    let mut concerns = Concerns::default();
    let more_waits = look_at_inbox(db, &subscribers, &mut concerns, now)?;
    let mut more_is_replayed = false;
    for subscriber in subscribers {
        more_is_replayed |= replay(db, subscriber, &mut concerns, now)?;
    }
    Ok(more_waits || more_is_replayed)
}

/// What stopped webhooks want is not kept for them: the history has it when they are resumed.
fn look_at_inbox(
    db: &mut Db,
    subscribers: &[Subscriber],
    concerns: &mut Concerns,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let events = store::inbox(db, EVENTS)?;
    let mut messages = Vec::new();
    for event in &events {
        for subscriber in subscribers {
            messages.extend(message(db, event, subscriber, concerns)?);
        }
    }
    store::enqueue(db, &messages, now)?;
    let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
    store::take(db, &positions)?;
    Ok(events.len() as i64 == EVENTS)
}

fn replay(
    db: &mut Db,
    subscriber: Subscriber,
    concerns: &mut Concerns,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let webhook = &subscriber.0;
    let (Some(since), Some(after), Some(to)) = (
        webhook.replay_since,
        webhook.replay_after,
        webhook.replay_to,
    ) else {
        return Ok(false);
    };
    let page = store::history(db, since.0, after, to, HISTORY)?;
    let mut messages = Vec::new();
    let skips = webhook.replay_skips_before.map_or(since, |at| at);
    for event in &page.events {
        if event.at >= skips || !webhook.has_forgotten(event.at.0) {
            messages.extend(message(db, event, &subscriber, concerns)?);
        }
    }
    store::enqueue(db, &messages, now)?;
    let mut webhook = subscriber.0;
    let more = page.end < to;
    if more {
        webhook.replay_after = Some(page.end);
    } else {
        (
            webhook.replay_since,
            webhook.replay_after,
            webhook.replay_to,
        ) = (None, None, None);
        webhook.replay_skips_before = None;
    }
    store::save(db, &webhook)?;
    Ok(more)
}

fn message(
    db: &mut Db,
    event: &Stored,
    (webhook, wanted): &Subscriber,
    concerns: &mut Concerns,
) -> Result<Option<NewDelivery>, StoreError> {
    let is_wanted = wanted.contains(event.kind.0) && concerns.wanted(db, &event.stream, webhook)?;
    Ok(is_wanted.then(|| NewDelivery {
        webhook: webhook.id,
        position: event.position,
        stream: event.stream.clone(),
        at: event.at,
    }))
}
