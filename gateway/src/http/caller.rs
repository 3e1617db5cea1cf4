//! Who asks: the key of a request, and whether it may.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fleetgrant_core::domain::{ApiKeyId, PartyId, ProductLineId, Roles, Timestamp};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use headers::HeaderMapExt as _;
use headers::authorization::{Authorization, Bearer};
use sha2::{Digest as _, Sha256};

use super::Api;
use super::problem::{Problem, ProblemKind};
use super::roles::{self, Endpoint};
use super::within::Within;
use crate::access::{Grant, OidcVerifier, Person, Token, TokenError};
use crate::config::Bucket;
use crate::store::api_key::{self, ApiKey};
use crate::store::{StoreError, product_line};

/// How exactly the last use of a key is known: a write for each request would be too dear.
const COARSELY: Duration = Duration::from_secs(60);
/// Keys whose buckets are remembered before the full ones are forgotten.
const REMEMBERED: usize = 10_000;

/// Whoever asks, once the key is known to be good.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// What its rate and its writes are kept by: the key's id, or a digest of the person.
    pub(super) id: ApiKeyId,
    /// What people call it: the key, or the person.
    pub(super) name: String,
    /// Who acts, for the history.
    pub(super) actor: String,
    pub(super) grant: Grant,
    /// The name of the product line that the grant is for.
    pub(super) product_line: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl Caller {
    /// A person, with the product line that they are of.
    fn of_person(person: Person, line: Option<ProductLineId>) -> Self {
        let digest = Sha256::new_with_prefix("person")
            .chain_update([0_u8])
            .chain_update(&person.issuer)
            .chain_update([0_u8])
            .chain_update(&person.subject);
        let digest: [u8; 32] = digest.finalize().into();
        let name = format!("{} {}", person.issuer, person.subject);
        Self {
            id: ApiKeyId(std::array::from_fn(|index| digest[index])),
            actor: name.clone(),
            name,
            grant: match line {
                Some(line) => Grant::Line(person.roles, line),
                None => Grant::All(person.roles),
            },
            product_line: person.product_line,
            created_at: person.issued_at,
            expires_at: person.expires_at,
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let kind = match error {
            TokenError::Expired(_) => ProblemKind::TokenExpired,
            TokenError::NoRole(_) | TokenError::SeveralLines(_) => ProblemKind::Forbidden,
            TokenError::Unavailable(_) => ProblemKind::IssuerUnavailable,
            _ => ProblemKind::TokenRefused,
        };
        Self::new(kind, format!("the token is not good here: {error}"))
    }
}

impl Caller {
    /// The owners whose things are shown where `asked` is asked for; none: everybody's.
    pub(super) fn owners(&self, asked: Option<PartyId>) -> Option<Vec<PartyId>> {
        match (self.grant.party(), asked) {
            (None, None) => None,
            (None, Some(asked)) => Some(vec![asked]),
            (Some(own), None) => Some(vec![own]),
            (Some(own), Some(asked)) => Some(Vec::from_iter((own == asked).then_some(own))),
        }
    }

    /// The product line whose things alone are shown; none: those of all.
    pub(super) const fn within(&self) -> Within {
        Within::new(self.grant.line())
    }
}

/// Lets a request through if its key is good and its role may; the handler finds the [`Caller`].
pub(super) async fn checked(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let endpoint = roles::endpoint(request.method(), path);
    match admit(&api, request.headers(), endpoint).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => {
            let asks_for_a_key = problem.kind().status() == axum::http::StatusCode::UNAUTHORIZED;
            let mut response = problem.into_response();
            if asks_for_a_key {
                let how = HeaderValue::from_static("Bearer realm=\"fleetgrant\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
            }
            response
        }
    }
}

async fn admit(
    api: &Api,
    headers: &HeaderMap,
    endpoint: Option<&Endpoint>,
) -> Result<Caller, Problem> {
    let caller = identify(api, headers).await?;
    api.rates.take(caller.id)?;
    let allowed = endpoint.map_or(Roles::default(), |endpoint| endpoint.roles);
    if !caller.grant.roles().intersects(allowed) {
        return Err(Problem::new(
            ProblemKind::Forbidden,
            format!(
                "{} has the roles {}; this needs one of: {allowed}",
                caller.actor,
                caller.grant.roles(),
            ),
        ));
    }
    match &caller.product_line {
        Some(line) if endpoint.is_none_or(|endpoint| !endpoint.is_of_a_line) => Err(Problem::new(
            ProblemKind::Forbidden,
            format!(
                "{} is of the product line {line}; this has to do with every line, so it needs a key \
                 of all",
                caller.actor
            ),
        )),
        _ => Ok(caller),
    }
}

async fn identify(api: &Api, headers: &HeaderMap) -> Result<Caller, Problem> {
    let bearer = headers.typed_get::<Authorization<Bearer>>();
    let token = bearer.as_ref().map(Authorization::token).ok_or_else(|| {
        Problem::new(
            ProblemKind::Unauthenticated,
            "send a key as `Authorization: Bearer fgk_…`; `fleetgrant keys create` makes one",
        )
    })?;
    if let Some(people) = api
        .people
        .as_ref()
        .filter(|_| OidcVerifier::is_token(token))
    {
        let now = api.clock.now();
        return person(api, people.verify(token, now).await?).await;
    }
    let unknown = || {
        Problem::new(
            ProblemKind::Unauthenticated,
            "there is no such key: check that it was copied whole",
        )
    };
    let hash = Token::parse(token).ok_or_else(unknown)?.hash();
    let found = api.store.read("api-key", move |db| {
        let Some(key) = api_key::by_hash(db, hash.0)? else {
            return Ok(None);
        };
        let line = Within::new(key.product_line_id.map(|id| id.0)).name(db)?;
        Ok(Some((key, line)))
    });
    let (key, line) = found.await?.ok_or_else(unknown)?;
    let now = api.clock.now();
    let caller = good(key.clone(), line, now)?;
    note_use(api, &key, now);
    Ok(caller)
}

/// A person with a good token. Nothing is known of a product line of the configuration before the first
/// import or the first device of it.
async fn person(api: &Api, person: Person) -> Result<Caller, Problem> {
    let Some(name) = person.product_line.clone() else {
        return Ok(Caller::of_person(person, None));
    };
    let called = name.clone();
    let line = api
        .store
        .read("person", move |db| product_line::by_name(db, &called));
    match line.await? {
        Some(line) => Ok(Caller::of_person(person, Some(line.id.0))),
        None => Err(Problem::new(
            ProblemKind::Forbidden,
            format!(
                "nothing is known of the product line {name} yet: import products or devices of it"
            ),
        )),
    }
}

/// A key that may be used now.
fn good(key: ApiKey, product_line: Option<String>, now: Timestamp) -> Result<Caller, Problem> {
    if let Some(at) = key.revoked_at {
        return Err(Problem::new(
            ProblemKind::KeyRevoked,
            format!("the key {} was revoked at {}", key.name, at.0),
        ));
    }
    if key.expires_at.0 <= now {
        return Err(Problem::new(
            ProblemKind::KeyExpired,
            format!(
                "the key {} expired at {}; `fleetgrant keys create` makes another",
                key.name, key.expires_at.0
            ),
        ));
    }
    let grant = Roles::from_bits(key.roles)
        .and_then(|roles| {
            let (party, line) = (key.party_id, key.product_line_id);
            Grant::new(roles, party.map(|id| id.0), line.map(|id| id.0)).ok()
        })
        .ok_or_else(|| {
            StoreError::Corrupt(format!("roles {} of the key {}", key.roles, key.name))
        })?;
    Ok(Caller {
        id: key.id.0,
        actor: format!("key {}", key.name),
        name: key.name,
        grant,
        product_line,
        created_at: key.created_at.0,
        expires_at: key.expires_at.0,
    })
}

/// Writes beside the request that the key was used, if that is news.
fn note_use(api: &Api, key: &ApiKey, now: Timestamp) {
    let (id, before) = (key.id, now.minus_seconds(COARSELY.as_secs()));
    if key.last_used_at.is_some_and(|at| at.0 >= before) {
        return;
    }
    let store = api.store.clone();
    tokio::spawn(async move {
        let written = store
            .write("api-key-used", move |db| api_key::used(db, id, now, before))
            .await;
        if let Err(error) = written {
            tracing::warn!(%error, "that a key was used could not be written");
        }
    });
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller
            .ok_or_else(|| Problem::internal(&"a route that wants a caller stands before no check"))
    }
}

type Keyed = RateLimiter<ApiKeyId, DashMapStateStore<ApiKeyId>, DefaultClock>;

/// A token bucket for each key.
pub(super) struct Rates(Keyed);

impl Rates {
    pub(super) fn new(bucket: Bucket) -> Self {
        let quota = Quota::with_period(bucket.every)
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(bucket.burst);
        Self(RateLimiter::keyed(quota))
    }

    fn take(&self, key: ApiKeyId) -> Result<(), Problem> {
        if self.0.len() > REMEMBERED {
            self.0.retain_recent();
        }
        self.0.check_key(&key).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            Problem::new(
                ProblemKind::TooManyRequests,
                "the key asks more often than it may; Retry-After says in how many seconds to go on",
            )
            .after(wait)
        })
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates")
            .field("keys", &self.0.len())
            .finish()
    }
}
