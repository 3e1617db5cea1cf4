//! What people do to webhooks. Each is an event of the history.

use std::time::Duration;

use fleetgrant_core::domain::{PartyId, ProductLineId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::webhook::{Health, WebhookState};

use super::plan::MAX_WEBHOOKS;
use super::vault::is_sealed;
use super::{MessageId, Secret, Sender, Vault, VaultError, WebhookName};
use crate::outgoing::InvalidTarget;
use crate::store::column::{Code, Micros, Octets};
use crate::store::event::{self, Occasion, Stream};
use crate::store::webhook::{self as store, Revived, Wanted, Webhook, WebhookFilter};
use crate::store::{Db, StoreError, id};

/// How long the secret before signs beside a new one, at most.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 86_400);
/// Seconds before a webhook was stopped that are gone through too when it is resumed: a transaction
/// that was under way then may have older events. What was sent is not sent again.
const UNDER_WAY: u64 = 900;
/// Positions before the first event of an instant at which a replay begins: events that commit
/// together may stand in another order.
const OUT_OF_ORDER: i64 = 1_000;

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// What people call it.
    pub name: WebhookName,
    /// Where messages are sent.
    pub url: String,
    /// Which events.
    pub wanted: Wanted,
    /// Only what concerns this party.
    pub party: Option<PartyId>,
    /// Only what concerns devices and products of this line.
    pub product_line: Option<ProductLineId>,
}

/// A webhook with a new secret.
#[derive(Debug)]
pub struct Made {
    /// Its row.
    pub webhook: Webhook,
    /// The secret, to be shown once.
    pub secret: Secret,
}

/// What is sent once more.
#[derive(Clone, Debug)]
pub enum Replay {
    /// One message.
    One(MessageId),
    /// What is dead, and what was never sent, of events of an instant and later.
    Since {
        /// The instant.
        since: Timestamp,
        /// What was delivered too.
        delivered: bool,
    },
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address is of no use.
    #[error("the address cannot be sent to: {0}")]
    Target(#[from] InvalidTarget),
    /// It would never be sent anything.
    #[error("a webhook wants events: name their kinds, or all")]
    NothingWanted,
    /// The name is taken.
    #[error("there is a webhook {0}: give this one another name")]
    NameTaken(WebhookName),
    /// There are too many.
    #[error("there are {MAX_WEBHOOKS} webhooks, and no more can be")]
    TooMany,
    /// There is none of this name.
    #[error("there is no webhook {0}: list them with `fleetgrant webhooks list`")]
    Unknown(WebhookName),
    /// It is stopped already.
    #[error("the webhook {0} is {1} already")]
    Stopped(WebhookName, WebhookState),
    /// It is not stopped.
    #[error("the webhook {0} is active: there is nothing to resume")]
    Active(WebhookName),
    /// The secret before would be good for too long.
    #[error("the secret before is good for 30 days more at most")]
    Overlap,
    /// There is no such message that is settled.
    #[error(
        "no message {0} to this webhook was delivered or is dead: list them with `fleetgrant \
         webhooks deliveries`"
    )]
    UnknownMessage(MessageId),
    /// A secret can be neither sealed nor opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a webhook. It is told of what happens from now on.
///
/// # Errors
/// See [`WebhookError`].
pub fn create(
    db: &mut Db,
    new: &NewWebhook,
    sender: &Sender,
    actor: &str,
    now: Timestamp,
) -> Result<Made, WebhookError> {
    let target = sender.reach().target(&new.url)?;
    if new.wanted == Wanted::Kinds(Vec::new()) {
        return Err(WebhookError::NothingWanted);
    }
    if store::by_name(db, new.name.as_str())?.is_some() {
        return Err(WebhookError::NameTaken(new.name.clone()));
    }
    if store::count(db)? >= MAX_WEBHOOKS {
        return Err(WebhookError::TooMany);
    }
    let vault = sender.vault();
    if vault.key_id()?.is_none() {
        // Not a second key beside one that is only not here.
        for webhook in all(db)? {
            vault.open(webhook.id.0, &webhook.secret)?;
        }
    }
    let secret = Secret::random();
    let id = id::fresh(now);
    let webhook = Webhook {
        id,
        name: new.name.to_string(),
        url: new.url.clone(),
        party_id: new.party.map(Octets),
        product_line_id: new.product_line.map(Octets),
        secret: vault.seal(id.0, &secret)?,
        former_secret: None,
        former_until: None,
        state: Code(WebhookState::Active),
        because: None,
        failures: 0,
        failing_since: None,
        not_before: None,
        stopped_at: None,
        replay_since: None,
        replay_after: None,
        replay_to: None,
        created_at: Micros(now),
        changed_at: Micros(now),
        forgotten_from: None,
        forgotten_to: None,
        replay_skips_before: None,
    };
    store::insert(db, &webhook, &new.wanted)?;
    let event = Event::new(EventKind::WebhookCreated)
        .with("name", new.name.as_str())
        // The whole address may hold what only the endpoint should know.
        .with("host", target.host())
        .with("kinds", kinds(&new.wanted).as_str())
        .with_some("party", new.party.map(|id| id.to_string()).as_deref())
        .with_some(
            "product_line",
            new.product_line.map(|id| id.to_string()).as_deref(),
        );
    record(db, &webhook, event, actor, now)?;
    Ok(Made { webhook, secret })
}

/// Gives a webhook another secret; the one before signs beside it for so long.
///
/// # Errors
/// There is no such webhook, or the time is too long.
pub fn rotate(
    db: &mut Db,
    name: &WebhookName,
    overlap: Duration,
    vault: &Vault,
    actor: &str,
    now: Timestamp,
) -> Result<Made, WebhookError> {
    if overlap > LONGEST_OVERLAP {
        return Err(WebhookError::Overlap);
    }
    let mut webhook = called(db, name)?;
    let secret = Secret::random();
    let id = webhook.id.0;
    // One that cannot be opened any more signs nothing.
    let former = vault.open(id, &webhook.secret).ok();
    let former = former.map(|secret| vault.seal(id, &secret)).transpose()?;
    webhook.secret = vault.seal(id, &secret)?;
    let until = now.plus_seconds(overlap.as_secs());
    webhook.former_secret = former.filter(|_| until > now);
    webhook.former_until = webhook.former_secret.is_some().then_some(Micros(until));
    webhook.changed_at = Micros(now);
    store::save(db, &webhook)?;
    let event = Event::new(EventKind::WebhookRotated)
        .with("name", name.as_str())
        .with("former_until", until.seconds());
    record(db, &webhook, event, actor, now)?;
    Ok(Made { webhook, secret })
}

/// Seals the secrets that are not, as those of before; and tells which cannot be opened, and why.
///
/// # Errors
/// The key or the database is of no use.
pub fn seal_all(db: &mut Db, vault: &Vault) -> Result<Vec<(String, VaultError)>, WebhookError> {
    let mut lost = Vec::new();
    store::lock_all(db)?;
    for mut webhook in all(db)? {
        let id = webhook.id.0;
        let mut changed = false;
        for kept in std::iter::once(&mut webhook.secret).chain(&mut webhook.former_secret) {
            if is_sealed(kept) {
                continue;
            }
            *kept = vault.seal(id, &vault.open(id, kept)?)?;
            changed = true;
        }
        if changed {
            store::save(db, &webhook)?;
        } else if let Err(error) = vault.open(id, &webhook.secret) {
            lost.push((webhook.name, error));
        }
    }
    Ok(lost)
}

/// All there are: [`MAX_WEBHOOKS`] at most.
fn all(db: &mut Db) -> Result<Vec<Webhook>, StoreError> {
    store::list(db, &WebhookFilter::default(), MAX_WEBHOOKS)
}

/// Sends a webhook nothing until it is resumed.
///
/// # Errors
/// There is no such webhook, or it is stopped.
pub fn pause(
    db: &mut Db,
    name: &WebhookName,
    actor: &str,
    now: Timestamp,
) -> Result<Webhook, WebhookError> {
    let mut webhook = called(db, name)?;
    if webhook.state.0 != WebhookState::Active {
        return Err(WebhookError::Stopped(name.clone(), webhook.state.0));
    }
    webhook.state = Code(WebhookState::Paused);
    webhook.stopped_at = Some(Micros(now));
    webhook.changed_at = Micros(now);
    store::save(db, &webhook)?;
    let event = Event::new(EventKind::WebhookPaused).with("name", name.as_str());
    record(db, &webhook, event, actor, now)?;
    Ok(webhook)
}

/// Sends to a webhook again, with all that it missed.
///
/// # Errors
/// There is no such webhook, or it is not stopped.
pub fn resume(
    db: &mut Db,
    name: &WebhookName,
    actor: &str,
    now: Timestamp,
) -> Result<Webhook, WebhookError> {
    let mut webhook = called(db, name)?;
    let Some(stopped) = webhook.stopped_at.take() else {
        return Err(WebhookError::Active(name.clone()));
    };
    webhook.state = Code(WebhookState::Active);
    webhook.because = None;
    webhook.set_health(Health::default());
    webhook.changed_at = Micros(now);
    let since = stopped.0.minus_seconds(UNDER_WAY);
    let since = since.max(webhook.created_at.0);
    go_through(db, &mut webhook, since, Forgotten::Too)?;
    store::save(db, &webhook)?;
    let event = Event::new(EventKind::WebhookResumed)
        .with("name", name.as_str())
        .with("stopped", stopped.0.seconds());
    record(db, &webhook, event, actor, now)?;
    Ok(webhook)
}

/// Sends messages once more. How many that were settled are; those about events that no message
/// was made of are made by and by.
///
/// # Errors
/// There is no such webhook, or no such message.
pub fn replay(
    db: &mut Db,
    name: &WebhookName,
    which: &Replay,
    actor: &str,
    now: Timestamp,
) -> Result<usize, WebhookError> {
    let mut webhook = called(db, name)?;
    let event = Event::new(EventKind::WebhookReplayed).with("name", name.as_str());
    let (revived, event) = match which {
        Replay::One(id) => {
            let position = id.position(webhook.id.0);
            let position = position.ok_or_else(|| WebhookError::UnknownMessage(id.clone()))?;
            if store::revive(db, webhook.id, Revived::One(position), now)? == 0 {
                return Err(WebhookError::UnknownMessage(id.clone()));
            }
            (1, event.with("message", id.to_string().as_str()))
        }
        Replay::Since { since, delivered } => {
            let revived = Revived::Since(*since, *delivered);
            let revived = store::revive(db, webhook.id, revived, now)?;
            let forgotten = if *delivered {
                Forgotten::Too
            } else {
                Forgotten::Not
            };
            go_through(db, &mut webhook, *since, forgotten)?;
            (revived, event.with("since", since.seconds()))
        }
    };
    // Whoever replays knows that the endpoint is well.
    webhook.not_before = None;
    store::save(db, &webhook)?;
    record(db, &webhook, event, actor, now)?;
    Ok(revived)
}

/// Removes a webhook with all messages to it.
///
/// # Errors
/// There is no such webhook.
pub fn remove(
    db: &mut Db,
    name: &WebhookName,
    actor: &str,
    now: Timestamp,
) -> Result<(), WebhookError> {
    let webhook = called(db, name)?;
    store::remove(db, webhook.id)?;
    let event = Event::new(EventKind::WebhookRemoved).with("name", name.as_str());
    Ok(record(db, &webhook, event, actor, now)?)
}

/// Whether what was sent so long ago that the message is forgotten is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgotten {
    /// It is.
    Too,
    /// It is not.
    Not,
}

/// Has the history gone through from an instant on; what is gone through already stays so.
fn go_through(
    db: &mut Db,
    webhook: &mut Webhook,
    since: Timestamp,
    forgotten: Forgotten,
) -> Result<(), StoreError> {
    let Some(first) = store::first_position(db, since)? else {
        return Ok(());
    };
    let after = first.saturating_sub(1 + OUT_OF_ORDER);
    let earlier = webhook.replay_since.map_or(since, |at| at.0.min(since));
    // What one of two replays sends, both together send: each skips nothing from its beginning on,
    // or all that is forgotten.
    let under_way = webhook
        .replay_since
        .map(|began| webhook.replay_skips_before.unwrap_or(began).0);
    let skips = match (forgotten, webhook.forgotten_to) {
        (Forgotten::Not, Some(to)) => to.0.plus_seconds(1),
        _ => since,
    };
    let skips = under_way.map_or(skips, |before| skips.min(before));
    webhook.replay_skips_before = Some(Micros(skips));
    webhook.replay_since = Some(Micros(earlier));
    webhook.replay_after = Some(webhook.replay_after.map_or(after, |at| at.min(after)));
    webhook.replay_to = Some(store::last_position(db)?);
    Ok(())
}

fn called(db: &mut Db, name: &WebhookName) -> Result<Webhook, WebhookError> {
    let unknown = || WebhookError::Unknown(name.clone());
    let found = store::by_name(db, name.as_str())?.ok_or_else(unknown)?;
    store::lock(db, found.id)?;
    store::find(db, found.id)?.ok_or_else(unknown)
}

fn kinds(wanted: &Wanted) -> String {
    match wanted {
        Wanted::All => "all".to_owned(),
        Wanted::Kinds(kinds) => {
            let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            names.join(", ")
        }
    }
}

fn record(
    db: &mut Db,
    webhook: &Webhook,
    event: Event,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let occasion = Occasion {
        at: now,
        actor,
        cause: &[],
    };
    event::append(db, Stream::Webhook(webhook.id.0), occasion, &[event])
}
