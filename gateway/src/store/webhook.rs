//! Webhooks, the events that wait to be looked at for them, and the messages to them.

mod delivery;
mod inbox;

pub use delivery::{
    Delivery, DeliveryFilter, DeliverySort, NewDelivery, Revived, Settled, claim, deliveries,
    enqueue, find_delivery, forget_settled, has_due, revive, settle, waiting,
};
pub(super) use inbox::note;
pub use inbox::{HistoryPage, first_position, history, inbox, last_position, take};

use diesel::prelude::*;
use fleetgrant_core::domain::{PartyId, ProductLineId, Timestamp, WebhookId};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::webhook::{DisabledBecause, Health, WebhookState};

use super::column::{Code, Micros, Octets};
use super::listing::part::{Part, Place, Placed, sorts};
use super::schema::{
    product_lines, webhook_deliveries, webhook_inbox, webhook_kinds, webhooks as table,
};
use super::{Db, StoreError};

/// Stands for every kind of event, those of later versions too.
const EVERY_KIND: i16 = 0;

/// A row.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, treat_none_as_null = true)]
pub struct Webhook {
    /// Its id.
    pub id: Octets<WebhookId>,
    /// What people call it.
    pub name: String,
    /// Where messages are sent.
    pub url: String,
    /// Only what concerns this party.
    pub party_id: Option<Octets<PartyId>>,
    /// Only what concerns devices and products of this line.
    pub product_line_id: Option<Octets<ProductLineId>>,
    /// What messages are signed with.
    pub secret: Vec<u8>,
    /// The secret before, which signs beside it.
    pub former_secret: Option<Vec<u8>>,
    /// Until when it does.
    pub former_until: Option<Micros>,
    /// Whether it is sent to.
    pub state: Code<WebhookState>,
    /// Why it was disabled.
    pub because: Option<Code<DisabledBecause>>,
    /// Attempts that failed since the last that did not.
    pub failures: i64,
    /// When the first of them failed.
    pub failing_since: Option<Micros>,
    /// Nothing is sent before.
    pub not_before: Option<Micros>,
    /// Since when nothing is sent.
    pub stopped_at: Option<Micros>,
    /// Events of this instant and later are gone through again.
    pub replay_since: Option<Micros>,
    /// Those up to this position were.
    pub replay_after: Option<i64>,
    /// Those up to this position are to be.
    pub replay_to: Option<i64>,
    /// When it was made.
    pub created_at: Micros,
    /// When somebody last changed it.
    pub changed_at: Micros,
    /// The first event that a message was about which is forgotten.
    pub forgotten_from: Option<Micros>,
    /// The last.
    pub forgotten_to: Option<Micros>,
    /// Events before this instant are not gone through again if they are forgotten.
    pub replay_skips_before: Option<Micros>,
}

/// Without its secrets.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Which events a webhook wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All, of kinds that are not known yet too.
    All,
    /// Those of these kinds.
    Kinds(Vec<EventKind>),
}

impl Webhook {
    /// How its endpoint has done lately.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
            failing_since: self.failing_since.map(|at| at.0),
            not_before: self.not_before.map(|at| at.0),
        }
    }

    /// Sets how its endpoint has done lately.
    pub fn set_health(&mut self, health: Health) {
        self.failures = health.failures.into();
        self.failing_since = health.failing_since.map(Micros);
        self.not_before = health.not_before.map(Micros);
    }

    /// Whether the message about an event of this instant was settled and is forgotten, if there is
    /// none.
    #[must_use]
    pub fn has_forgotten(&self, at: Timestamp) -> bool {
        let range = self.forgotten_from.zip(self.forgotten_to);
        range.is_some_and(|(from, to)| (from.0..=to.0).contains(&at))
    }

    /// Whether it may be sent to now.
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        self.state.0 == WebhookState::Active && self.not_before.is_none_or(|at| at.0 <= now)
    }
}

impl Wanted {
    /// Whether it wants events of this kind.
    #[must_use]
    pub fn contains(&self, kind: EventKind) -> bool {
        match self {
            Self::All => true,
            Self::Kinds(kinds) => kinds.contains(&kind),
        }
    }
}

/// Adds a webhook with what it wants.
pub fn insert(db: &mut Db, webhook: &Webhook, wanted: &Wanted) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(webhook).execute(c))?;
    let numbers = match wanted {
        Wanted::All => vec![EVERY_KIND],
        Wanted::Kinds(kinds) => kinds.iter().map(|kind| kind.number()).collect(),
    };
    for number in numbers {
        on!(db, c => diesel::insert_into(webhook_kinds::table)
            .values((
                webhook_kinds::webhook_id.eq(webhook.id),
                webhook_kinds::kind.eq(number),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// What a webhook wants.
pub fn wanted(db: &mut Db, id: Octets<WebhookId>) -> Result<Wanted, StoreError> {
    let numbers: Vec<i16> = on!(db, c => webhook_kinds::table
        .filter(webhook_kinds::webhook_id.eq(id))
        .order(webhook_kinds::kind)
        .select(webhook_kinds::kind)
        .load(c))?;
    if numbers.contains(&EVERY_KIND) {
        return Ok(Wanted::All);
    }
    let kinds = numbers.into_iter().map(|number| {
        EventKind::try_from(number).map_err(|error| StoreError::Corrupt(error.to_string()))
    });
    Ok(Wanted::Kinds(kinds.collect::<Result<_, _>>()?))
}

/// The webhook of this name.
pub fn by_name(db: &mut Db, name: &str) -> Result<Option<Webhook>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::name.eq(name))
        .select(Webhook::as_select())
        .first(c)
        .optional())?)
}

/// The webhook of this id.
pub fn find(db: &mut Db, id: Octets<WebhookId>) -> Result<Option<Webhook>, StoreError> {
    Ok(on!(db, c => table::table
        .find(id)
        .select(Webhook::as_select())
        .first(c)
        .optional())?)
}

/// Keeps others from changing a webhook until this transaction ends; it is to be read after that.
pub fn lock(db: &mut Db, id: Octets<WebhookId>) -> Result<(), StoreError> {
    // An UPDATE that changes nothing locks the row wherever rows are locked.
    on!(db, c => diesel::update(table::table.find(id))
        .set(table::changed_at.eq(table::changed_at))
        .execute(c))?;
    Ok(())
}

/// As [`lock`], all of them, in the order of their ids.
pub fn lock_all(db: &mut Db) -> Result<(), StoreError> {
    let ids: Vec<Octets<WebhookId>> = on!(db, c => table::table
        .order(table::id)
        .select(table::id)
        .load(c))?;
    ids.into_iter().try_for_each(|id| lock(db, id))
}

sorts!(
    /// What webhooks can be ordered by.
    pub WebhookSort {
        Name = "name" [Text "webhooks.name"],
        CreatedAt = "created_at" [Number "webhooks.created_at", Text "webhooks.name"],
    }
);

impl Placed for Webhook {
    type By = WebhookSort;

    fn place(&self, by: WebhookSort) -> Place {
        match by {
            WebhookSort::Name => [(&self.name).into()].into(),
            WebhookSort::CreatedAt => [self.created_at.into(), (&self.name).into()].into(),
        }
    }
}

/// Which webhooks.
#[derive(Clone, Debug, Default)]
pub struct WebhookFilter {
    /// Those that are told of events of this kind.
    pub kind: Option<EventKind>,
    /// Those in this state.
    pub state: Option<WebhookState>,
    /// Those that are only told of these parties.
    pub parties: Option<Vec<PartyId>>,
    /// Those that are only told of the product line of this name.
    pub product_line: Option<String>,
    /// In which order, and which part.
    pub part: Part<WebhookSort>,
}

/// Up to `limit` webhooks.
pub fn list(db: &mut Db, filter: &WebhookFilter, limit: i64) -> Result<Vec<Webhook>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .limit(limit)
            .select(Webhook::as_select())
            .into_boxed()
            .order(filter.part.order());
        if let Some(kind) = filter.kind {
            let told = webhook_kinds::table
                .filter(webhook_kinds::kind.eq_any([kind.number(), EVERY_KIND]))
                .select(webhook_kinds::webhook_id);
            query = query.filter(table::id.eq_any(told));
        }
        if let Some(state) = filter.state {
            query = query.filter(table::state.eq(Code(state)));
        }
        if let Some(parties) = &filter.parties {
            let parties = parties.iter().copied().map(Octets);
            query = query.filter(table::party_id.eq_any(parties.collect::<Vec<_>>()));
        }
        if let Some(name) = &filter.product_line {
            let named = product_lines::table
                .filter(product_lines::name.eq(name))
                .select(product_lines::id.nullable());
            query = query.filter(table::product_line_id.eq_any(named));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// How many there are.
pub fn count(db: &mut Db) -> Result<i64, StoreError> {
    Ok(on!(db, c => table::table.count().get_result(c))?)
}

/// Writes a webhook that was changed.
pub fn save(db: &mut Db, webhook: &Webhook) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table.find(webhook.id))
        .set(webhook)
        .execute(c))?;
    Ok(())
}

/// Removes a webhook with all messages to it.
pub fn remove(db: &mut Db, id: Octets<WebhookId>) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(
        webhook_deliveries::table.filter(webhook_deliveries::webhook_id.eq(id))
    )
    .execute(c))?;
    on!(db, c => diesel::delete(
        webhook_kinds::table.filter(webhook_kinds::webhook_id.eq(id))
    )
    .execute(c))?;
    on!(db, c => diesel::delete(table::table.find(id)).execute(c))?;
    Ok(())
}
