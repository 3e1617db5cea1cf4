//! Who may ask: the keys of this API, made, listed and revoked.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{PartyId, ProductLineId, Roles, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::etag::{MatchParams, Tagged};
use super::page::{List, Page, PageParams};
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::{Id, When};
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, word};
use crate::access::{self, Grant, KeyError, KeyName, NewKey};
use crate::store::api_key::{self, ApiKey as Row, ApiKeyFilter, ApiKeySort};
use crate::store::product_line::{self, Names};
use crate::store::{Db, StoreError};

/// How long a key lives where nothing is said, in seconds.
const USUAL: u64 = 365 * 86_400;

/// Which keys.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ApiKeyQuery {
    /// Those of this role, which may have others.
    #[param(inline)]
    role: Option<word::Role>,
    /// Those of this party: its id.
    #[param(inline)]
    party: Option<Id>,
    /// Those of the product line of this name.
    #[param(max_length = 64)]
    product_line: Option<String>,
    /// Those that stand so now.
    #[param(inline)]
    state: Option<word::KeyState>,
}

/// A key of this API. Its secret is not here, nor anywhere.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    pub(crate) roles: Vec<word::Role>,
    /// The party whose things alone it sees; null for everybody's.
    pub(crate) party: Option<Id>,
    /// The product line whose things alone it sees; null for those of all.
    pub(crate) product_line: Option<String>,
    pub(crate) created_at: When,
    pub(crate) expires_at: When,
    pub(crate) revoked_at: Option<When>,
    /// The minute in which it was last used, about.
    pub(crate) last_used_at: Option<When>,
}

/// A key to be made.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
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
    /// The product line whose things alone it sees, for operator, support, approver, integrator and
    /// auditor: its name.
    #[schema(max_length = 64)]
    pub(crate) product_line: Option<String>,
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

impl ApiKey {
    /// A key as it is shown, with the names of product lines.
    pub(crate) fn of(row: Row, lines: &Names) -> Self {
        let roles = Roles::from_bits(row.roles).unwrap_or_default();
        Self {
            name: row.name,
            roles: roles.iter().map(word::Role).collect(),
            party: row.party_id.map(|id| Id(id.0.0)),
            product_line: row.product_line_id.and_then(|id| lines.get(&id).cloned()),
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
    params(ApiKeyQuery, PageParams::<ApiKeySort>),
    responses((status = OK, body = Page<ApiKey>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    list: List<ApiKeyQuery, ApiKeySort>,
) -> Result<Json<Page<ApiKey>>, Problem> {
    let query = list.filter.clone();
    let filter = ApiKeyFilter {
        role: query.role.map(|word| word.0),
        parties: query.party.map(|id| vec![PartyId(id.0)]),
        product_line: query.product_line,
        state: query.state.map(|word| (word.0, api.clock.now())),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let read =
        move |db: &mut Db| Ok((api_key::list(db, &filter, limit)?, product_line::names(db)?));
    let (rows, lines) = api.read(read).await?;
    Ok(Json(list.cut(rows).map(|row| ApiKey::of(row, &lines))))
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
    write
        .once(&api, move |db, now| {
            let new = match asked.key(db)? {
                Ok(new) => new,
                Err(problem) => return Ok(Step::Refused(problem)),
            };
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
    let Some(row) = api_key::by_name(db, name)? else {
        return Ok(None);
    };
    Ok(Some(ApiKey::of(row, &product_line::names(db)?)))
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
    /// The key that is asked for, whose product line is looked up.
    fn key(&self, db: &mut Db) -> Result<Result<NewKey, Problem>, StoreError> {
        let line = match &self.product_line {
            Some(name) => match product_line::by_name(db, name)? {
                Some(line) => Some(line.id.0),
                None => {
                    let unknown = KeyError::UnknownLine(name.clone());
                    return Ok(Err(Problem::new(ProblemKind::Refused, unknown.to_string())));
                }
            },
            None => None,
        };
        let named = self.named().and_then(|name| Ok((name, self.grant(line)?)));
        Ok(named.map(|(name, grant)| NewKey {
            name,
            grant,
            lives: Duration::from_secs(self.lives_seconds),
        }))
    }

    fn named(&self) -> Result<KeyName, Problem> {
        let bad = |error| Problem::new(ProblemKind::BadBody, format!("name: {error}"));
        self.name.parse().map_err(bad)
    }

    fn grant(&self, line: Option<ProductLineId>) -> Result<Grant, Problem> {
        let roles: Vec<_> = self.roles.iter().map(|role| role.0).collect();
        let party = self.party.map(|id| PartyId(id.0));
        Grant::new(Roles::of(&roles), party, line)
            .map_err(|error| Problem::new(ProblemKind::BadBody, error.to_string()))
    }
}
