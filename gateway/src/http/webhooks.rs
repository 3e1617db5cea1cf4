//! Webhooks: who else is told what happens.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{PartyId, Timestamp};
use fleetgrant_core::webhook::DeliveryStep;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::etag::{MatchParams, Tagged};
use super::page::{List, Page, PageParams};
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Nothing, Query};
use super::value::{Id, When};
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, word};
use crate::store::column::Octets;
use crate::store::webhook::{self as store, Delivery, DeliveryFilter, Wanted};
use crate::store::{Db, StoreError, party, product_line};
use crate::webhook::{self, Made, MessageId, NewWebhook, Replay, WebhookError, WebhookName};

/// Who is told what happens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhook {
    name: String,
    /// Where messages are sent.
    url: String,
    /// Whether it is told of everything.
    all: bool,
    /// The kinds of events that it is told of, if not of everything.
    kinds: Vec<word::EventKind>,
    /// Only of what concerns this party.
    party: Option<Id>,
    /// Only of what concerns devices and products of this line.
    product_line: Option<String>,
    state: word::WebhookState,
    /// Why it was disabled.
    because: Option<word::DisabledBecause>,
    /// Attempts that failed since the last that did not.
    failures: i64,
    failing_since: Option<When>,
    /// Nothing is sent before.
    not_before: Option<When>,
    stopped_at: Option<When>,
    /// The history is gone through from here on for what was not sent.
    replayed_since: Option<When>,
    /// Until when the secret before signs too.
    former_secret_until: Option<When>,
    created_at: When,
    changed_at: When,
}

/// A webhook to be made. Either `all` or `kinds` says what it is told of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHook {
    /// What people call it.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    name: String,
    /// Where messages are sent, as `https://erp.example.com/hooks`.
    #[schema(max_length = 2048)]
    url: String,
    /// Everything.
    #[serde(default)]
    all: bool,
    /// Events of these kinds.
    #[serde(default)]
    kinds: Vec<word::EventKind>,
    /// Only what concerns this party.
    #[serde(default)]
    party: Option<Id>,
    /// Only what concerns devices and products of this line.
    #[serde(default)]
    product_line: Option<String>,
}

/// A webhook with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WithSecret {
    webhook: Webhook,
    /// What messages are signed with; it is shown this once. Null where the answer is a replay:
    /// rotate the secret, if it is lost.
    secret: Option<String>,
}

/// How a secret is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// Seconds for which the secret before signs too: thirty days at most; a day, if it is not said.
    #[serde(default = "a_day")]
    #[schema(minimum = 0, maximum = 2_592_000, default = 86_400)]
    overlap_seconds: u32,
}

const fn a_day() -> u32 {
    86_400
}

/// What is sent once more: one message, or all since an instant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// This message, delivered or dead.
    #[serde(default)]
    message: Option<String>,
    /// What is dead, and what was never sent, of events of this instant and later.
    #[serde(default)]
    since: Option<When>,
    /// What was delivered too.
    #[serde(default)]
    delivered: bool,
}

/// What a replay came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Messages that are sent once more. Those that were never made are made by and by.
    messages: usize,
}

/// What came of trying an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tried {
    /// The id of the message that was sent.
    message: String,
    /// Whether the endpoint took it.
    taken: bool,
    /// The status code of its answer.
    status: Option<u16>,
    /// What was wrong.
    problem: Option<String>,
    took_milliseconds: u64,
}

/// A message to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message {
    /// Its id, as the header `webhook-id` bears it.
    message: String,
    /// The event that it is about.
    position: i64,
    /// The event's stream.
    stream: String,
    /// The event's instant.
    event_at: When,
    state: word::DeliveryStep,
    /// How often it was sent.
    attempts: i64,
    /// When it is sent next.
    next_at: Option<When>,
    /// The status code of the last answer.
    status: Option<i16>,
    /// What was wrong with the last attempt.
    problem: Option<String>,
    /// When it was delivered or given up.
    settled_at: Option<When>,
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
    fn of(db: &mut Db, row: store::Webhook) -> Result<Self, StoreError> {
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
    params(PageParams),
    responses((status = OK, body = Page<Webhook>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    list: List<Nothing>,
) -> Result<Json<Page<Webhook>>, Problem> {
    let after = list.after(|key| Some(key.to_owned()))?;
    let limit = list.rows_to_read();
    let webhooks = api
        .read(move |db| {
            let rows = store::list(db, after.as_deref(), limit)?;
            let shown = rows.into_iter().map(|row| Webhook::of(db, row));
            shown.collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(Json(list.page(webhooks, |webhook| webhook.name.clone())))
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

fn sheet(db: &mut Db, name: &str) -> Result<Option<Webhook>, StoreError> {
    let row = store::by_name(db, name)?;
    row.map(|row| Webhook::of(db, row)).transpose()
}

/// List the messages to a webhook, those about the latest events first
#[utoipa::path(
    get, path = "/webhooks/{webhook}/deliveries", operation_id = "list_webhook_deliveries", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        MessageQuery, PageParams,
    ),
    responses((status = OK, body = Page<Message>))
)]
pub(super) async fn deliveries(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    list: List<MessageQuery>,
) -> Result<Json<Page<Message>>, Problem> {
    let state = list.filter.state.map(|word| word.0);
    let before = list.after(|key| key.parse().ok())?;
    let limit = list.rows_to_read();
    let called = webhook.clone();
    let rows = api
        .read(move |db| {
            let Some(row) = store::by_name(db, &called)? else {
                return Ok(None);
            };
            let filter = DeliveryFilter {
                webhook: row.id,
                state,
                before,
            };
            store::deliveries(db, &filter, limit).map(Some)
        })
        .await?;
    let rows = found(rows, "webhook", webhook)?;
    Ok(Json(list.page(rows, |row| row.position.to_string())))
}

/// Make a webhook; the answer has its secret
#[utoipa::path(
    post, path = "/webhooks", operation_id = "add_webhook", tag = "webhooks",
    params(ActQuery, WriteParams),
    request_body = NewHook,
    responses((status = OK, body = WithSecret))
)]
pub(super) async fn add(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: NewHook = write.json()?;
    let bad = |why: String| Problem::new(ProblemKind::BadBody, why);
    let wanted = match (asked.all, asked.kinds.is_empty()) {
        (true, true) => Wanted::All,
        (false, false) => {
            let mut kinds: Vec<_> = asked.kinds.iter().map(|word| word.0).collect();
            kinds.sort();
            kinds.dedup();
            Wanted::Kinds(kinds)
        }
        _ => return Err(bad("say either \"all\": true or \"kinds\"".to_owned())),
    };
    let name: WebhookName = asked
        .name
        .parse()
        .map_err(|error| bad(format!("name: {error}")))?;
    let (actor, reach) = (write.actor(), api.webhooks.reach().clone());
    let (url, party, line) = (asked.url, asked.party, asked.product_line);
    write
        .once(&api, move |db, now| {
            let party = match party.map(|id| PartyId(id.0)) {
                Some(id) if party::find(db, Octets(id))?.is_none() => {
                    return Ok(refused(format!("there is no party {id}")));
                }
                party => party,
            };
            let product_line = match &line {
                Some(name) => match product_line::by_name(db, name)? {
                    Some(line) => Some(line.id.0),
                    None => return Ok(refused(format!("there is no product line {name:?}"))),
                },
                None => None,
            };
            let new = NewWebhook {
                name: name.clone(),
                url: url.clone(),
                wanted: wanted.clone(),
                party,
                product_line,
            };
            let made = webhook::create(db, &new, &reach, &actor, now);
            Ok(with_secret(db, made)?.kept_unless(how.preview))
        })
        .await
}

/// Give a webhook another secret; the answer has it, and the one before signs beside it for a while
#[utoipa::path(
    post, path = "/webhooks/{webhook}/rotate", operation_id = "rotate_webhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery, WriteParams, MatchParams,
    ),
    request_body = Rotation,
    responses((status = OK, body = WithSecret))
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: Rotation = write.json()?;
    let overlap = std::time::Duration::from_secs(asked.overlap_seconds.into());
    let (name, actor) = (named(&webhook)?, write.actor());
    write
        .once_as_seen(
            &api,
            move |db| sheet(db, &webhook),
            move |db, now| {
                let made = webhook::rotate(db, &name, overlap, &actor, now);
                Ok(with_secret(db, made)?.kept_unless(how.preview))
            },
        )
        .await
}

/// Send a webhook nothing until it is resumed
#[utoipa::path(
    post, path = "/webhooks/{webhook}/pause", operation_id = "pause_webhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery, WriteParams, MatchParams,
    ),
    responses((status = OK, body = Webhook))
)]
pub(super) async fn pause(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    change(&api, write, &webhook, how, webhook::pause).await
}

/// Send to a webhook again, with all that it missed
#[utoipa::path(
    post, path = "/webhooks/{webhook}/resume", operation_id = "resume_webhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery, WriteParams, MatchParams,
    ),
    responses((status = OK, body = Webhook))
)]
pub(super) async fn resume(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    change(&api, write, &webhook, how, webhook::resume).await
}

/// Remove a webhook with all messages to it; the answer is what it was
#[utoipa::path(
    post, path = "/webhooks/{webhook}/remove", operation_id = "remove_webhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery, WriteParams, MatchParams,
    ),
    responses((status = OK, body = Webhook))
)]
pub(super) async fn remove(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let (name, actor) = (named(&webhook)?, write.actor());
    write
        .once_as_seen(
            &api,
            move |db| sheet(db, &webhook),
            move |db, now| {
                let Some(shown) = sheet(db, name.as_str())? else {
                    return Ok(Step::Refused(WebhookError::Unknown(name.clone()).into()));
                };
                let removed = webhook::remove(db, &name, &actor, now);
                Ok(step(removed, |()| Ok(shown))?.kept_unless(how.preview))
            },
        )
        .await
}

/// Send messages once more
#[utoipa::path(
    post, path = "/webhooks/{webhook}/replay", operation_id = "replay_webhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery, WriteParams, MatchParams,
    ),
    request_body = Again,
    responses((status = OK, body = Replayed))
)]
pub(super) async fn replay(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: Again = write.json()?;
    let which = match (asked.message, asked.since) {
        (Some(message), None) => Replay::One(MessageId::of(message)),
        (None, Some(since)) => Replay::Since {
            since: since.0,
            delivered: asked.delivered,
        },
        _ => {
            return Err(Problem::new(
                ProblemKind::BadBody,
                "say either \"message\" or \"since\"",
            ));
        }
    };
    let (name, actor) = (named(&webhook)?, write.actor());
    write
        .once_as_seen(
            &api,
            move |db| sheet(db, &webhook),
            move |db, now| {
                let replayed = webhook::replay(db, &name, &which, &actor, now);
                let answer = step(replayed, |messages| Ok(Replayed { messages }))?;
                Ok(answer.kept_unless(how.preview))
            },
        )
        .await
}

/// Send a message of the type `test` now, and tell what came of it
///
/// It is sent once for each request, also where one has the name of another.
#[utoipa::path(
    post, path = "/webhooks/{webhook}/test", operation_id = "test_webhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        WriteParams,
    ),
    responses((status = OK, body = Tried))
)]
pub(super) async fn test(
    State(api): State<Api>,
    Named(webhook): Named<String>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Json<Tried>, Problem> {
    write.no_body()?;
    write.changes_nothing_seen()?;
    let called = webhook.clone();
    let row = api.read(move |db| store::by_name(db, &called)).await?;
    let row = found(row, "webhook", webhook)?;
    let now = api.clock.trusted_now()?;
    let (id, payload) = webhook::test_message(&row.name, now);
    let sent = api.webhooks.send(&row, &id, payload, now).await;
    Ok(Json(Tried {
        message: id.to_string(),
        taken: sent.problem.is_none(),
        status: sent.status,
        problem: sent.problem,
        took_milliseconds: u64::try_from(sent.took.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// What changes a webhook, in whose name and when.
type Change = fn(&mut Db, &WebhookName, &str, Timestamp) -> Result<store::Webhook, WebhookError>;

async fn change(
    api: &Api,
    write: Write,
    called: &str,
    how: ActQuery,
    act: Change,
) -> Result<Response, Problem> {
    let (name, actor) = (named(called)?, write.actor());
    let seen = name.clone();
    write
        .once_as_seen(
            api,
            move |db| sheet(db, seen.as_str()),
            move |db, now| {
                let changed = act(db, &name, &actor, now);
                Ok(step(changed, |row| Webhook::of(db, row))?.kept_unless(how.preview))
            },
        )
        .await
}

/// The answer with the secret, and the one that is stored without.
fn with_secret(
    db: &mut Db,
    made: Result<Made, WebhookError>,
) -> Result<Step<WithSecret>, StoreError> {
    let Made { webhook, secret } = match made {
        Ok(made) => made,
        Err(error) => return step(Err(error), Ok),
    };
    let answer = |db: &mut Db, secret| {
        let webhook = Webhook::of(db, webhook.clone())?;
        Ok::<_, StoreError>(WithSecret { webhook, secret })
    };
    let told = answer(db, Some(secret.to_string()))?;
    Ok(Step::Secret(told, answer(db, None)?))
}

fn step<T, A>(
    outcome: Result<T, WebhookError>,
    answer: impl FnOnce(T) -> Result<A, StoreError>,
) -> Result<Step<A>, StoreError> {
    match outcome {
        Ok(done) => answer(done).map(Step::Done),
        Err(WebhookError::Store(error)) => Err(error),
        Err(refusal) => Ok(Step::Refused(refusal.into())),
    }
}

fn refused<T>(why: String) -> Step<T> {
    Step::Refused(Problem::new(ProblemKind::Refused, why))
}

/// The webhook that a path names.
fn named(text: &str) -> Result<WebhookName, Problem> {
    text.parse()
        .map_err(|_| Problem::new(ProblemKind::NotFound, format!("there is no webhook {text}")))
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Store(error) => error.into(),
            WebhookError::Unknown(_) | WebhookError::UnknownMessage(_) => {
                Self::new(ProblemKind::NotFound, error.to_string())
            }
            _ => Self::new(ProblemKind::Refused, error.to_string()),
        }
    }
}
