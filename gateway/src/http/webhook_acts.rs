//! Webhooks are made, steered and tried.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{PartyId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::etag::MatchParams;
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Nothing, Query};
use super::value::{Id, When};
use super::webhooks::{Webhook, sheet};
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, word};
use crate::store::column::Octets;
use crate::store::webhook::{self as store, Wanted};
use crate::store::{Db, StoreError, party, product_line};
use crate::webhook::{self, Made, MessageId, NewWebhook, Replay, WebhookError, WebhookName};

/// A webhook to be made. Either `all` or `kinds` says what it is told of.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHook {
    /// What people call it.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) name: String,
    /// Where messages are sent, as `https://erp.example.com/hooks`.
    #[schema(max_length = 2048)]
    pub(crate) url: String,
    /// Everything.
    #[serde(default)]
    pub(crate) all: bool,
    /// Events of these kinds.
    #[serde(default)]
    pub(crate) kinds: Vec<word::EventKind>,
    /// Only what concerns this party.
    #[serde(default)]
    pub(crate) party: Option<Id>,
    /// Only what concerns devices and products of this line.
    #[serde(default)]
    pub(crate) product_line: Option<String>,
}

/// A webhook with its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WithSecret {
    pub(crate) webhook: Webhook,
    /// What messages are signed with; it is shown this once. Null where the answer is a replay:
    /// rotate the secret, if it is lost.
    pub(crate) secret: Option<String>,
}

/// How a secret is replaced.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// Seconds for which the secret before signs too: thirty days at most; a day, if it is not said.
    #[serde(default = "a_day")]
    #[schema(minimum = 0, maximum = 2_592_000, default = 86_400)]
    pub(crate) overlap_seconds: u32,
}

const fn a_day() -> u32 {
    86_400
}

/// What is sent once more: one message, or all since an instant.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Again {
    /// This message, delivered or dead.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// What is dead, and what was never sent, of events of this instant and later.
    #[serde(default)]
    pub(crate) since: Option<When>,
    /// What was delivered too.
    #[serde(default)]
    pub(crate) delivered: bool,
}

/// What a replay came to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Replayed {
    /// Messages that are sent once more. Those that were never made are made by and by.
    pub(crate) messages: usize,
}

/// What came of trying an endpoint.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tried {
    /// The id of the message that was sent.
    pub(crate) message: String,
    /// Whether the endpoint took it.
    pub(crate) taken: bool,
    /// The status code of its answer.
    pub(crate) status: Option<u16>,
    /// What was wrong.
    pub(crate) problem: Option<String>,
    pub(crate) took_milliseconds: u64,
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
    let (actor, sender) = (write.actor(), api.webhooks.clone());
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
            let made = webhook::create(db, &new, &sender, &actor, now);
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
    let vault = api.webhooks.vault().clone();
    act(&api, write, &webhook, how, move |db, name, actor, now| {
        let made = webhook::rotate(db, name, overlap, &vault, actor, now);
        with_secret(db, made)
    })
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
    act(&api, write, &webhook, how, |db, name, actor, now| {
        let Some(shown) = sheet(db, name.as_str())? else {
            return Ok(Step::Refused(WebhookError::Unknown(name.clone()).into()));
        };
        step(webhook::remove(db, name, actor, now), |()| Ok(shown))
    })
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
    act(&api, write, &webhook, how, move |db, name, actor, now| {
        let replayed = webhook::replay(db, name, &which, actor, now);
        step(replayed, |messages| Ok(Replayed { messages }))
    })
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
    change: Change,
) -> Result<Response, Problem> {
    write.no_body()?;
    act(api, write, called, how, move |db, name, actor, now| {
        let changed = change(db, name, actor, now);
        step(changed, |row| Webhook::of(db, row))
    })
    .await
}

/// Acts on the webhook that a path names, as it was seen.
async fn act<T: Serialize>(
    api: &Api,
    write: Write,
    called: &str,
    how: ActQuery,
    act: impl Fn(&mut Db, &WebhookName, &str, Timestamp) -> Result<Step<T>, StoreError>
    + Send
    + Clone
    + 'static,
) -> Result<Response, Problem> {
    let (name, actor) = (named(called)?, write.actor());
    let seen = name.clone();
    write
        .once_as_seen(
            api,
            move |db| sheet(db, seen.as_str()),
            move |db, now| Ok(act(db, &name, &actor, now)?.kept_unless(how.preview)),
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
            WebhookError::Vault(error) => Self::internal(&error),
            WebhookError::Unknown(_) | WebhookError::UnknownMessage(_) => {
                Self::new(ProblemKind::NotFound, error.to_string())
            }
            _ => Self::new(ProblemKind::Refused, error.to_string()),
        }
    }
}
