//! The history: every event as it was written, for whoever wants to count again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::{List, Page, PageParams};
use super::problem::Problem;
use super::value::When;
use super::{Api, word};
use crate::report::history::{self, EventSort, Exported, HistoryFilter};

/// Which events.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Those of this stream, as device:pump-1, or of all streams of a kind, as device.
    stream: Option<String>,
    /// Those of this kind.
    #[param(inline)]
    kind: Option<word::EventKind>,
    /// Not those before this.
    #[param(inline)]
    since: Option<When>,
    /// Only those before this.
    #[param(inline)]
    until: Option<When>,
}

/// Something that happened.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Event {
    /// The order in which events were written, over all streams.
    pub(crate) position: i64,
    /// What it is about.
    pub(crate) stream: String,
    /// Its number in the stream, from 1.
    pub(crate) seq: i64,
    /// What kind of thing happened.
    pub(crate) kind: String,
    /// When, with microseconds.
    #[schema(format = DateTime)]
    pub(crate) at: String,
    /// By whom.
    pub(crate) actor: String,
    /// Why: the digest of a message or the id of an import, in hex.
    pub(crate) cause: String,
    /// What else is to be known: numbers and texts, by name.
    pub(crate) body: BTreeMap<String, Detail>,
    /// The hash of the event before it in the stream.
    pub(crate) previous_hash: String,
    /// Its own.
    pub(crate) hash: String,
    /// Why, in the words of whoever acted, while it is kept; outside the hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) reason: Option<String>,
}

/// A number or a text.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Detail {
    Number(u64),
    Text(String),
}

impl From<serde_json::Value> for Detail {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::Text(text),
            other => other
                .as_u64()
                .map_or_else(|| Self::Text(other.to_string()), Self::Number),
        }
    }
}

impl From<Exported> for Event {
    fn from(event: Exported) -> Self {
        Self {
            position: event.position,
            stream: event.stream,
            seq: event.seq,
            kind: event.kind.to_owned(),
            at: event.at,
            actor: event.actor,
            cause: event.cause,
            body: event
                .body
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
            previous_hash: event.previous_hash,
            hash: event.hash,
            reason: event.reason,
        }
    }
}

/// Export the history, in the order in which it was written
#[utoipa::path(
    get, path = "/events", operation_id = "list_events", tag = "events",
    params(EventQuery, PageParams::<EventSort>),
    responses((status = OK, body = Page<Event>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    list: List<EventQuery, EventSort>,
) -> Result<Json<Page<Event>>, Problem> {
    let query = list.filter.clone();
    let filter = HistoryFilter {
        stream: query.stream,
        kinds: query.kind.map(|word| word.0).into_iter().collect(),
        since: query.since.map(|at| at.0),
        until: query.until.map(|at| at.0),
    };
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let events = api
        .read(move |db| history::page(db, &filter, &part, limit))
        .await?;
    Ok(Json(list.page(events)))
}
