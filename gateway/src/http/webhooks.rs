//! Webhooks: who else is told what happens, and the messages to them.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use fleetgrant_core::webhook::DeliveryStep;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::{Named, Nothing, Query};
use super::value::{Id, When};
use super::{Api, word};
use crate::store::column::Micros;
use crate::store::listing::{Place, Placed};
use crate::store::webhook::{
    self as store, Delivery, DeliveryFilter, DeliverySort, Wanted, WebhookFilter, WebhookSort,
};
use crate::store::{Db, StoreError, product_line};
use crate::webhook::MessageId;

/// Which webhooks.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WebhookQuery {
    /// Those that are told of events of this kind, with those that are told of everything.
    #[param(inline)]
    kind: Option<word::EventKind>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::WebhookState>,
    /// Those that are only told of this party: its id.
    #[param(inline)]
    party: Option<Id>,
    /// Those that are only told of the product line of this name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// Who is told what happens.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Webhook {
    pub(crate) name: String,
    /// Where messages are sent.
    pub(crate) url: String,
    /// Whether it is told of everything.
    pub(crate) all: bool,
    /// The kinds of events that it is told of, if not of everything.
    pub(crate) kinds: Vec<word::EventKind>,
    /// Only of what concerns this party.
    pub(crate) party: Option<Id>,
    /// Only of what concerns devices and products of this line.
    pub(crate) product_line: Option<String>,
    pub(crate) state: word::WebhookState,
    /// Why it was disabled.
    pub(crate) because: Option<word::DisabledBecause>,
    /// Attempts that failed since the last that did not.
    pub(crate) failures: i64,
    pub(crate) failing_since: Option<When>,
    /// Nothing is sent before.
    pub(crate) not_before: Option<When>,
    pub(crate) stopped_at: Option<When>,
    /// The history is gone through from here on for what was not sent.
    pub(crate) replayed_since: Option<When>,
    /// Until when the secret before signs too.
    pub(crate) former_secret_until: Option<When>,
    pub(crate) created_at: When,
    pub(crate) changed_at: When,
}

/// A webhook in a list, and how many messages it has.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookStanding {
    #[serde(flatten)]
    pub(crate) webhook: Webhook,
    /// Messages that are still to be sent.
    pub(crate) waiting: i64,
    /// Messages that were given up.
    pub(crate) dead: i64,
}

/// A message to a webhook.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Message {
    /// Its id, as the header `webhook-id` bears it.
    pub(crate) message: String,
    /// The event that it is about.
    pub(crate) position: i64,
    /// The event's stream.
    pub(crate) stream: String,
    /// The event's instant.
    pub(crate) event_at: When,
    pub(crate) state: word::DeliveryStep,
    /// How often it was sent.
    pub(crate) attempts: i64,
    /// When it is sent next.
    pub(crate) next_at: Option<When>,
    /// The status code of the last answer.
    pub(crate) status: Option<i16>,
    /// What was wrong with the last attempt.
    pub(crate) problem: Option<String>,
    /// When it was delivered or given up.
    pub(crate) settled_at: Option<When>,
}

/// Which messages.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessageQuery {
    /// Those that stand so.
    #[param(inline)]
    state: Option<word::DeliveryStep>,
}

impl Webhook {
    pub(crate) fn of(db: &mut Db, row: store::Webhook) -> Result<Self, StoreError> {
        let wanted = store::wanted(db, row.id)?;
        let product_line = match row.product_line_id {
            Some(id) => product_line::all(db)?
                .into_iter()
                .find(|line| line.id == id)
                .map(|line| line.name),
            None => None,
        };
        Ok(Self {
            all: wanted == Wanted::All,
            kinds: match wanted {
                Wanted::All => Vec::new(),
                Wanted::Kinds(kinds) => kinds.into_iter().map(word::EventKind).collect(),
            },
            party: row.party_id.map(|id| Id(id.0.0)),
            product_line,
            state: word::WebhookState(row.state.0),
            because: row.because.map(|because| word::DisabledBecause(because.0)),
            failures: row.failures,
            failing_since: row.failing_since.map(|at| When(at.0)),
            not_before: row.not_before.map(|at| When(at.0)),
            stopped_at: row.stopped_at.map(|at| When(at.0)),
            replayed_since: row.replay_since.map(|at| When(at.0)),
            former_secret_until: row.former_until.map(|at| When(at.0)),
            created_at: When(row.created_at.0),
            changed_at: When(row.changed_at.0),
            name: row.name,
            url: row.url,
        })
    }
}

impl WebhookStanding {
    pub(crate) fn of(db: &mut Db, row: store::Webhook) -> Result<Self, StoreError> {
        Ok(Self {
            waiting: store::waiting(db, row.id, DeliveryStep::Waiting)?,
            dead: store::waiting(db, row.id, DeliveryStep::Dead)?,
            webhook: Webhook::of(db, row)?,
        })
    }
}

impl Placed for WebhookStanding {
    type By = WebhookSort;

    fn place(&self, by: WebhookSort) -> Place {
        let name = || (&self.webhook.name).into();
        match by {
            WebhookSort::Name => [name()].into(),
            WebhookSort::CreatedAt => [Micros(self.webhook.created_at.0).into(), name()].into(),
        }
    }
}

impl From<Delivery> for Message {
    fn from(row: Delivery) -> Self {
        let waits = row.state.0 == DeliveryStep::Waiting;
        Self {
            message: MessageId::new(row.webhook_id.0, row.position).to_string(),
            position: row.position,
            stream: row.stream,
            event_at: When(row.at.0),
            state: word::DeliveryStep(row.state.0),
            attempts: row.attempts,
            next_at: waits.then_some(When(row.next_at.0)),
            status: row.status,
            problem: row.problem,
            settled_at: row.settled_at.map(|at| When(at.0)),
        }
    }
}

/// List webhooks, by name
#[utoipa::path(
    get, path = "/webhooks", operation_id = "list_webhooks", tag = "webhooks",
    params(WebhookQuery, PageParams::<WebhookSort>),
    responses((status = OK, body = Page<WebhookStanding>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    list: List<WebhookQuery, WebhookSort>,
) -> Result<Json<Page<WebhookStanding>>, Problem> {
    let query = list.filter.clone();
    let filter = WebhookFilter {
        kind: query.kind.map(|word| word.0),
        state: query.state.map(|word| word.0),
        parties: query.party.map(|id| vec![PartyId(id.0)]),
        product_line: query.product_line,
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let webhooks = api
        .read(move |db| {
            let rows = store::list(db, &filter, limit)?;
            let shown = rows.into_iter().map(|row| WebhookStanding::of(db, row));
            shown.collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(Json(list.page(webhooks)))
}

/// Show a webhook
#[utoipa::path(
    get, path = "/webhooks/{webhook}", operation_id = "show_webhook", tag = "webhooks",
    params(("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = OK, body = Webhook))
)]
pub(super) async fn show(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    _: Query<Nothing>,
) -> Result<Tagged<Webhook>, Problem> {
    let called = webhook.clone();
    let shown = api.read(move |db| sheet(db, &called)).await?;
    found(shown, "webhook", webhook).map(Tagged)
}

/// What a webhook is shown as.
pub(super) fn sheet(db: &mut Db, name: &str) -> Result<Option<Webhook>, StoreError> {
    let row = store::by_name(db, name)?;
    row.map(|row| Webhook::of(db, row)).transpose()
}

/// List the messages to a webhook, those about the latest events first
#[utoipa::path(
    get, path = "/webhooks/{webhook}/deliveries", operation_id = "list_webhook_deliveries", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        MessageQuery, PageParams::<DeliverySort>,
    ),
    responses((status = OK, body = Page<Message>))
)]
pub(super) async fn deliveries(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    list: List<MessageQuery, DeliverySort>,
) -> Result<Json<Page<Message>>, Problem> {
    let state = list.filter.state.map(|word| word.0);
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let called = webhook.clone();
    let rows = api
        .read(move |db| {
            let Some(row) = store::by_name(db, &called)? else {
                return Ok(None);
            };
            let filter = DeliveryFilter {
                webhook: row.id,
                state,
                part,
            };
            store::deliveries(db, &filter, limit).map(Some)
        })
        .await?;
    let rows = found(rows, "webhook", webhook)?;
    Ok(Json(list.page(rows)))
}
