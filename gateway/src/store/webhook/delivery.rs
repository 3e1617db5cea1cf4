//! Messages to webhooks.

use diesel::dsl::{max, min};
use diesel::prelude::*;
use fleetgrant_core::domain::{Timestamp, WebhookId};
use fleetgrant_core::webhook::{DeliveryStep, WebhookState};

use super::webhook_deliveries as table;
use crate::store::column::{Code, Micros, Octets};
use crate::store::listing::part::{Part, Place, Placed, sorts};
use crate::store::schema::webhooks;
use crate::store::{Db, StoreError};

condition!(
    /// No earlier message about the same stream waits: they are sent in order.
    IsNextOfItsStream = "NOT EXISTS (SELECT 1 FROM webhook_deliveries AS earlier WHERE earlier.webhook_id = webhook_deliveries.webhook_id AND earlier.stream = webhook_deliveries.stream AND earlier.state = 1 AND earlier.position < webhook_deliveries.position)"
);

/// A row.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct Delivery {
    /// Whom it is for.
    pub webhook_id: Octets<WebhookId>,
    /// The event it is about.
    pub position: i64,
    /// The event's stream.
    pub stream: String,
    /// The event's instant.
    pub at: Micros,
    /// How it stands.
    pub state: Code<DeliveryStep>,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent next; while it is under way, when it is taken to be lost.
    pub next_at: Micros,
    /// The status code of the last answer.
    pub status: Option<i16>,
    /// What was wrong with the last attempt.
    pub problem: Option<String>,
    /// When it was delivered or given up.
    pub settled_at: Option<Micros>,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Whom it is for.
    pub webhook: Octets<WebhookId>,
    /// The event it is about.
    pub position: i64,
    /// The event's stream.
    pub stream: String,
    /// The event's instant.
    pub at: Micros,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct Settled {
    /// How the message stands now.
    pub state: DeliveryStep,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent next.
    pub next_at: Timestamp,
    /// The status code of the answer.
    pub status: Option<i16>,
    /// What was wrong.
    pub problem: Option<String>,
    /// When it is done with.
    pub settled_at: Option<Timestamp>,
}

/// Which messages.
#[derive(Clone, Debug)]
pub struct DeliveryFilter {
    /// To whom.
    pub webhook: Octets<WebhookId>,
    /// Those that stand so.
    pub state: Option<DeliveryStep>,
    /// In which order, and which part.
    pub part: Part<DeliverySort>,
}

sorts!(
    /// What messages can be ordered by.
    pub DeliverySort, descending {
        Position = "position" [Number "webhook_deliveries.position"],
    }
);

impl Placed for Delivery {
    type By = DeliverySort;

    fn place(&self, by: DeliverySort) -> Place {
        match by {
            DeliverySort::Position => [self.position.into()].into(),
        }
    }
}

/// Adds messages; those that are there are left as they are.
pub fn enqueue(db: &mut Db, messages: &[NewDelivery], now: Timestamp) -> Result<usize, StoreError> {
    /// Both databases bind more values than these have.
    const TOGETHER: usize = 1_000;
    let mut added = 0;
    for messages in messages.chunks(TOGETHER) {
        let values: Vec<_> = messages
            .iter()
            .map(|message| {
                (
                    table::webhook_id.eq(message.webhook),
                    table::position.eq(message.position),
                    table::stream.eq(&message.stream),
                    table::at.eq(message.at),
                    table::state.eq(Code(DeliveryStep::Waiting)),
                    table::attempts.eq(0),
                    table::next_at.eq(Micros(now)),
                )
            })
            .collect();
        added += on!(db, c => diesel::insert_into(table::table)
            .values(&values)
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    Ok(added)
}

/// Whether something may be sent now.
pub fn has_due(db: &mut Db, now: Timestamp) -> Result<bool, StoreError> {
    let ready: Vec<Octets<WebhookId>> = on!(db, c => webhooks::table
        .filter(webhooks::state.eq(Code(WebhookState::Active)))
        .filter(webhooks::not_before.is_null().or(webhooks::not_before.le(Micros(now))))
        .select(webhooks::id)
        .load(c))?;
    for webhook in ready {
        if !due(db, webhook, now, 1)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn due(
    db: &mut Db,
    webhook: Octets<WebhookId>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::webhook_id.eq(webhook))
        .filter(table::state.eq(Code(DeliveryStep::Waiting)))
        .filter(table::next_at.le(Micros(now)))
        .filter(IsNextOfItsStream)
        .order(table::position)
        .limit(limit)
        .select(Delivery::as_select())
        .load(c))?)
}

/// Takes up to `limit` messages that are due, for whoever asked to send until `until`; nobody else
/// takes them before.
pub fn claim(
    db: &mut Db,
    webhook: Octets<WebhookId>,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let mut claimed = due(db, webhook, now, limit)?;
    let mut failed = None;
    claimed.retain(|delivery| {
        // Where another replica was faster, its lease stands there.
        let taken = on!(db, c => diesel::update(table::table.find((webhook, delivery.position)))
            .filter(table::state.eq(Code(DeliveryStep::Waiting)))
            .filter(table::next_at.eq(delivery.next_at))
            .set(table::next_at.eq(Micros(until)))
            .execute(c));
        taken.map_or_else(
            |error| {
                failed = Some(error);
                false
            },
            |rows| rows == 1,
        )
    });
    failed.map_or(Ok(claimed), |error| Err(error.into()))
}

/// Writes what came of an attempt, unless somebody has settled or removed the message meanwhile.
pub fn settle(
    db: &mut Db,
    webhook: Octets<WebhookId>,
    position: i64,
    settled: &Settled,
) -> Result<bool, StoreError> {
    let rows = on!(db, c => diesel::update(table::table.find((webhook, position)))
        .filter(table::state.eq(Code(DeliveryStep::Waiting)))
        .set((
            table::state.eq(Code(settled.state)),
            table::attempts.eq(settled.attempts),
            table::next_at.eq(Micros(settled.next_at)),
            table::status.eq(settled.status),
            table::problem.eq(settled.problem.as_deref()),
            table::settled_at.eq(settled.settled_at.map(Micros)),
        ))
        .execute(c))?;
    Ok(rows == 1)
}

/// One message.
pub fn find_delivery(
    db: &mut Db,
    webhook: Octets<WebhookId>,
    position: i64,
) -> Result<Option<Delivery>, StoreError> {
    Ok(on!(db, c => table::table
        .find((webhook, position))
        .select(Delivery::as_select())
        .first(c)
        .optional())?)
}

/// Up to `limit` messages.
pub fn deliveries(
    db: &mut Db,
    filter: &DeliveryFilter,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .filter(table::webhook_id.eq(filter.webhook))
            .limit(limit)
            .select(Delivery::as_select())
            .into_boxed()
            .order(filter.part.order());
        if let Some(state) = filter.state {
            query = query.filter(table::state.eq(Code(state)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// How many messages to a webhook stand so.
pub fn waiting(
    db: &mut Db,
    webhook: Octets<WebhookId>,
    state: DeliveryStep,
) -> Result<i64, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::webhook_id.eq(webhook))
        .filter(table::state.eq(Code(state)))
        .count()
        .get_result(c))?)
}

/// Has settled messages sent once more: one, or those about events of an instant and later.
pub fn revive(
    db: &mut Db,
    webhook: Octets<WebhookId>,
    which: Revived,
    now: Timestamp,
) -> Result<usize, StoreError> {
    Ok(on!(db, c => {
        let target = table::table
            .filter(table::webhook_id.eq(webhook))
            .filter(table::state.eq_any(which.states().iter().map(|step| step.number())));
        let changes = (
            table::state.eq(Code(DeliveryStep::Waiting)),
            table::attempts.eq(0),
            table::next_at.eq(Micros(now)),
            table::settled_at.eq(None::<Micros>),
        );
        match which {
            Revived::One(position) => diesel::update(target.filter(table::position.eq(position)))
                .set(changes)
                .execute(c),
            Revived::Since(at, _) => diesel::update(target.filter(table::at.ge(Micros(at))))
                .set(changes)
                .execute(c),
        }
    })?)
}

/// Which settled messages are sent once more.
#[derive(Clone, Copy, Debug)]
pub enum Revived {
    /// The one about the event at this position.
    One(i64),
    /// Those about events of this instant and later that are dead; delivered ones too, if said.
    Since(Timestamp, bool),
}

impl Revived {
    const fn states(self) -> &'static [DeliveryStep] {
        match self {
            Self::Since(_, false) => &[DeliveryStep::Dead],
            Self::One(_) | Self::Since(_, true) => &[DeliveryStep::Dead, DeliveryStep::Delivered],
        }
    }
}

/// Forgets messages that were settled before an instant, and notes about which events they were: a
/// replay does not take them for events that were never sent.
pub fn forget_settled(db: &mut Db, before: Timestamp) -> Result<usize, StoreError> {
    let settled = table::table.filter(table::settled_at.lt(Micros(before)));
    let ranges: Vec<(Octets<WebhookId>, Option<Micros>, Option<Micros>)> = on!(db, c => settled
        .group_by(table::webhook_id)
        .select((table::webhook_id, min(table::at), max(table::at)))
        .load(c))?;
    for (webhook, from, to) in ranges {
        let row = webhooks::table.find(webhook);
        let known: (Option<Micros>, Option<Micros>) = on!(db, c => row
            .select((webhooks::forgotten_from, webhooks::forgotten_to))
            .first(c))?;
        on!(db, c => diesel::update(row)
            .set((
                webhooks::forgotten_from.eq(known.0.min(from).or(from)),
                webhooks::forgotten_to.eq(known.1.max(to)),
            ))
            .execute(c))?;
    }
    Ok(
        on!(db, c => diesel::delete(table::table.filter(table::settled_at.lt(Micros(before))))
        .execute(c))?,
    )
}
