//! Who may ask: the keys of this API, made, listed and revoked.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{PartyId, Roles, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::etag::{MatchParams, Tagged};
use super::page::{List, Page, PageParams};
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Nothing, Query};
use super::value::{Id, When};
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, word};
use crate::access::{self, Grant, KeyError, KeyName, NewKey};
use crate::store::api_key::{self, ApiKey as Row, ApiKeySort};
use crate::store::{Db, StoreError};

/// How long a key lives where nothing is said, in seconds.
const USUAL: u64 = 365 * 86_400;

/// A key of this API. Its secret is not here, nor anywhere.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    pub(crate) roles: Vec<word::Role>,
    /// The party whose things alone it sees; null for everybody's.
    pub(crate) party: Option<Id>,
    pub(crate) created_at: When,
    pub(crate) expires_at: When,
    pub(crate) revoked_at: Option<When>,
    /// The minute in which it was last used, about.
    pub(crate) last_used_at: Option<When>,
}

/// A key to be made.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    /// What people call it, and the history whoever acts with it. It is never given twice.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) name: String,
    /// What it may do.
    #[schema(min_items = 1, max_items = 9)]
    pub(crate) roles: Vec<word::Role>,
    /// Whose things it sees, for partner and customer, and for the factory of a contract manufacturer:
    /// the party's id.
    #[schema(inline)]
    pub(crate) party: Option<Id>,
    /// How long it lives, in seconds; a year, if it is not said, and five at most.
    #[serde(default = "usual")]
    #[schema(minimum = 1, maximum = 158112000)]
    pub(crate) lives_seconds: u64,
}

const fn usual() -> u64 {
    USUAL
}

/// A key that was made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKeyMade {
    pub(crate) name: String,
    /// What to send as `Authorization: Bearer …`. It is shown this once: null if the same request is
    /// answered again, and after a preview.
    pub(crate) secret: Option<String>,
    pub(crate) expires_at: When,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        let roles = Roles::from_bits(row.roles).unwrap_or_default();
        Self {
            name: row.name,
            roles: roles.iter().map(word::Role).collect(),
            party: row.party_id.map(|id| Id(id.0.0)),
            created_at: When(row.created_at.0),
            expires_at: When(row.expires_at.0),
            revoked_at: row.revoked_at.map(|at| When(at.0)),
            last_used_at: row.last_used_at.map(|at| When(at.0)),
        }
    }
}

/// List keys, by name
#[utoipa::path(
    get, path = "/keys", operation_id = "list_keys", tag = "keys",
    params(PageParams::<ApiKeySort>),
    responses((status = OK, body = Page<ApiKey>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    list: List<Nothing, ApiKeySort>,
) -> Result<Json<Page<ApiKey>>, Problem> {
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let rows = api.read(move |db| api_key::list(db, &part, limit)).await?;
    Ok(Json(list.page(rows)))
}

/// Show a key
#[utoipa::path(
    get, path = "/keys/{key}", operation_id = "show_api_key", tag = "keys",
    params(("key" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = OK, body = ApiKey))
)]
pub(super) async fn show(
    State(api): State<Api>,
    Named(name): Named<String>,
) -> Result<Tagged<ApiKey>, Problem> {
    let asked = name.clone();
    let answer = api.read(move |db| find(db, &asked)).await?;
    found(answer, "key", name).map(Tagged)
}

/// Make a key
///
/// Its secret is in the answer, and is shown this once.
#[utoipa::path(
    post, path = "/keys", operation_id = "create_key", tag = "keys",
    params(ActQuery, WriteParams),
    request_body = NewApiKey,
    responses((status = OK, body = ApiKeyMade))
)]
pub(super) async fn create(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: NewApiKey = write.json()?;
    let actor = write.actor();
    let new = asked.key()?;
    write
        .once(&api, move |db, now| {
            let made = match access::create(db, &new, &actor, now) {
                Ok(made) => made,
                Err(error) => return refused(error),
            };
            let kept = ApiKeyMade {
                name: made.key.name,
                secret: None,
                expires_at: When(made.key.expires_at.0),
            };
            let shown = ApiKeyMade {
                secret: Some(made.token.to_string()),
                ..kept.clone()
            };
            Ok(Step::Secret(shown, kept).kept_unless(how.preview))
        })
        .await
}

/// End a key now
#[utoipa::path(
    post, path = "/keys/{key}/revoke", operation_id = "revoke_key", tag = "keys",
    params(
        ("key" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = ApiKey))
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Named(name): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let actor = write.actor();
    let key: KeyName = name
        .parse()
        .map_err(|_| Problem::new(ProblemKind::NotFound, format!("there is no key {name:?}")))?;
    write
        .once_as_seen(
            &api,
            move |db| find(db, &name),
            move |db, now| match access::revoke(db, &key, &actor, now) {
                Ok(()) => Ok(Step::Done(ended(db, &key, now)?).kept_unless(how.preview)),
                Err(error) => refused(error),
            },
        )
        .await
}

/// The key of this name.
pub(crate) fn find(db: &mut Db, name: &str) -> Result<Option<ApiKey>, StoreError> {
    Ok(api_key::by_name(db, name)?.map(Into::into))
}

fn ended(db: &mut Db, key: &KeyName, now: Timestamp) -> Result<ApiKey, StoreError> {
    let key = find(db, key.as_str())?;
    key.filter(|key| key.revoked_at == Some(When(now)))
        .ok_or_else(|| StoreError::Corrupt("a key that was revoked is not".to_owned()))
}

fn refused<T>(error: KeyError) -> Result<Step<T>, StoreError> {
    match error {
        KeyError::Store(error) => Err(error),
        KeyError::Unknown(_) => Ok(Step::Refused(Problem::new(
            ProblemKind::NotFound,
            error.to_string(),
        ))),
        error => Ok(Step::Refused(Problem::new(
            ProblemKind::Refused,
            error.to_string(),
        ))),
    }
}

impl NewApiKey {
    fn key(&self) -> Result<NewKey, Problem> {
        let bad = |why: String| Problem::new(ProblemKind::BadBody, why);
        let roles: Vec<_> = self.roles.iter().map(|role| role.0).collect();
        let party = self.party.map(|id| PartyId(id.0));
        Ok(NewKey {
            name: self
                .name
                .parse()
                .map_err(|error| bad(format!("name: {error}")))?,
            grant: Grant::new(Roles::of(&roles), party).map_err(|error| bad(error.to_string()))?,
            lives: Duration::from_secs(self.lives_seconds),
        })
    }
}
