//! Every GET that the API's own description names, asked of a router in this process and timed.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use fleetgrant_core::domain::{Role, Roles};
use http_body_util::BodyExt as _;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::files::product_lines;
use super::{NOW, Progress, ScaleError};
use crate::access::{self, Grant, NewKey};
use crate::activation::Rules;
use crate::clock::Clock;
use crate::config::{Bucket, Reports, Webhooks};
use crate::http::{Api, ApiParts, router};
use crate::mqtt::{LinkState, LinkStatus};
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;
use crate::webhook::Sender;

const PREFIX: &str = "/api/v1";
const DOCUMENT: &str = "/api/v1/openapi.json";

/// Lists are read with these filters too; `{…}` stands for the id of one of such things.
const FILTERED: [&str; 15] = [
    "/activations?device={device}",
    "/activations?entitlement={entitlement}",
    "/activations?owner={party}",
    "/activations?state=activated",
    "/cases?state=open",
    "/cases?device={device}",
    "/devices?owner={party}",
    "/devices?state=admitted",
    "/entitlements?owner={party}",
    "/entitlements?state=active",
    "/events?kind=activated",
    "/events?stream=device:{device}",
    "/history?device={device}",
    "/history?party={party}",
    "/orders?party={party}",
];

/// How old a report may be that is made now, however many wait for it; and one that was made.
const NEW: HeaderValue = HeaderValue::from_static("no-cache");
const OLD: HeaderValue = HeaderValue::from_static("max-age=3600");
/// What is said of the second.
const AGAIN: &str = " (told again)";
/// How often a report is asked for that takes longer than a caller waits.
const PATIENCE: usize = 100;

/// One read, and how long it took.
#[derive(Clone, Debug, Serialize)]
pub struct Read {
    /// What was asked, without the ids.
    pub address: String,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer.
    pub bytes: usize,
    /// The first time, microseconds.
    pub first_micros: u64,
    /// The median of all times, microseconds.
    pub median_micros: u64,
}

/// Asks everything `runs` times.
pub(super) async fn walk(
    store: &Store,
    rules: Arc<Rules>,
    telemetry: &Telemetry,
    runs: NonZeroUsize,
    progress: &impl Progress,
) -> Result<Vec<Read>, ScaleError> {
    let reader = Reader::new(store, rules, telemetry).await?;
    let addresses = reader.addresses().await?;
    let mut reads = Vec::with_capacity(addresses.len());
    for (index, (name, address)) in addresses.iter().enumerate() {
        progress("reading", index, addresses.len());
        reads.push(reader.time(name, address, runs).await?);
    }
    Ok(reads)
}

struct Reader {
    router: Router,
    token: String,
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reader {
    async fn new(
        store: &Store,
        rules: Arc<Rules>,
        telemetry: &Telemetry,
    ) -> Result<Self, ScaleError> {
        // Nobody listens: no read depends on the link.
        let (_, link) = watch::channel(LinkStatus {
            state: LinkState::Stopped,
            since: Instant::now(),
            connections: 0,
        });
        let parts = ApiParts {
            store: store.clone(),
            link,
            rules,
            product_lines: product_lines(),
            time_zone: TimeZone::UTC,
            clock: Clock::manual(NOW).0,
            telemetry: telemetry.clone(),
            people: None,
            webhooks: Sender::new(&Webhooks::default())?,
            reports: Reports::default(),
            signing: None,
        };
        let bucket = Bucket {
            every: Duration::from_nanos(1),
            burst: NonZeroU32::MAX,
        };
        Ok(Self {
            router: router(Api::new(parts, bucket)),
            token: key(store).await?,
        })
    }

    /// What is asked, by what it is called.
    async fn addresses(&self) -> Result<BTreeMap<String, String>, ScaleError> {
        let document = self.json(DOCUMENT).await?;
        let paths = document["paths"].as_object();
        let mut addresses = BTreeMap::new();
        let mut ids = Ids::default();
        // A list comes before what it lists.
        for (path, methods) in paths.into_iter().flatten() {
            if methods.get("get").is_none() {
                continue;
            }
            let Some(address) = self.filled(path, &mut ids).await? else {
                continue;
            };
            let name = path.strip_prefix(PREFIX).unwrap_or(path);
            let answer = self.ask(&address).await?;
            // What wants to be told of which thing is among those with a filter; and nothing is signed
            // here, so that there is no checkpoint.
            if matches!(
                answer.status,
                StatusCode::BAD_REQUEST | StatusCode::CONFLICT
            ) {
                continue;
            }
            if let Some(next) = next_page(&address, &methods["get"], &answer) {
                addresses.insert(format!("{name} (next page)"), next);
            }
            if name.starts_with("/reports/") {
                addresses.insert(format!("{name}{AGAIN}"), address.clone());
            }
            addresses.insert(name.to_owned(), address);
        }
        for filtered in FILTERED {
            let path = format!("{PREFIX}{filtered}");
            if let Some(address) = self.filled(&path, &mut ids).await? {
                addresses.insert(filtered.to_owned(), address);
            }
        }
        Ok(addresses)
    }

    /// The address with the id of something in the place of each `{…}`; none if there is nothing of
    /// that kind.
    async fn filled(&self, path: &str, ids: &mut Ids) -> Result<Option<String>, ScaleError> {
        let mut address = String::new();
        let mut rest = path;
        while let Some((before, (name, after))) = rest
            .split_once('{')
            .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            address.push_str(before);
            if !ids.0.contains_key(name) {
                let id = self.first_of(address.trim_end_matches('/')).await?;
                ids.0.insert(name.to_owned(), id);
            }
            let Some(id) = ids.0.get(name).cloned().flatten() else {
                return Ok(None);
            };
            address.push_str(&id);
            rest = after;
        }
        address.push_str(rest);
        Ok(Some(address))
    }

    /// The id of something in the middle of the first page of a list.
    async fn first_of(&self, list: &str) -> Result<Option<String>, ScaleError> {
        let answer = self.ask(list).await?;
        if answer.status != StatusCode::OK {
            return Ok(None);
        }
        let page = json(list, &answer.body)?;
        let items = page["items"].as_array();
        let item = items.and_then(|items| items.get(items.len() / 2));
        Ok(item.and_then(|item| Some(item.get("id")?.as_str()?.to_owned())))
    }

    async fn time(
        &self,
        name: &str,
        address: &str,
        runs: NonZeroUsize,
    ) -> Result<Read, ScaleError> {
        let mut times = Vec::with_capacity(runs.get());
        let mut read = None;
        for _ in 0..runs.get() {
            let began = Instant::now();
            let how_old = if name.ends_with(AGAIN) { OLD } else { NEW };
            let answer = self.ask_for(address, how_old).await?;
            times.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            read = Some(answer);
        }
        let first_micros = times.first().copied().unwrap_or_default();
        times.sort_unstable();
        let answer = read.ok_or_else(|| unreadable(address, "it was not asked"))?;
        Ok(Read {
            address: name.to_owned(),
            status: answer.status.as_u16(),
            bytes: answer.body.len(),
            first_micros,
            median_micros: times.get(times.len() / 2).copied().unwrap_or_default(),
        })
    }

    async fn json(&self, address: &str) -> Result<Value, ScaleError> {
        json(address, &self.ask(address).await?.body)
    }

    async fn ask(&self, address: &str) -> Result<Answer, ScaleError> {
        self.ask_for(address, NEW).await
    }

    /// Asks until it is there: a report may take longer than a caller waits.
    async fn ask_for(&self, address: &str, how_old: HeaderValue) -> Result<Answer, ScaleError> {
        let mut answer = self.ask_once(address, &how_old).await?;
        for _ in 0..PATIENCE {
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            answer = self.ask_once(address, &how_old).await?;
        }
        Ok(answer)
    }

    async fn ask_once(&self, address: &str, how_old: &HeaderValue) -> Result<Answer, ScaleError> {
        let request = Request::get(address)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CACHE_CONTROL, how_old)
            .body(Body::empty())
            .map_err(|error| unreadable(address, error))?;
        let answered = self.router.clone().oneshot(request).await;
        let response = answered.unwrap_or_else(|never| match never {});
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| unreadable(address, error))?;
        Ok(Answer {
            status,
            body: body.to_bytes().to_vec(),
        })
    }
}

/// What has been found by the name of a parameter.
#[derive(Default)]
struct Ids(BTreeMap<String, Option<String>>);

/// Where a list goes on, or what goes through the history in portions.
fn next_page(address: &str, operation: &Value, answer: &Answer) -> Option<String> {
    let page = json(address, &answer.body).ok()?;
    let next = page["next"].as_str()?;
    let takes = |name: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == *name))
    };
    let parameter = ["cursor", "from"].into_iter().find(|name| takes(name))?;
    Some(format!("{address}?{parameter}={next}"))
}

fn json(address: &str, body: &[u8]) -> Result<Value, ScaleError> {
    serde_json::from_slice(body).map_err(|error| unreadable(address, error))
}

fn unreadable(address: &str, reason: impl ToString) -> ScaleError {
    ScaleError::Answer {
        address: address.to_owned(),
        reason: reason.to_string(),
    }
}

/// A key that reads everything, good for an hour.
async fn key(store: &Store) -> Result<String, ScaleError> {
    let new = NewKey {
        name: "scale".parse().expect("letters make a name"),
        grant: Grant::All(Roles::of(&[Role::Admin, Role::Auditor])),
        lives: Duration::from_secs(3_600),
    };
    let made = store
        .write("scale", move |db| {
            Ok::<_, StoreError>(access::create(db, &new, "scale", NOW))
        })
        .await?;
    let made = made.map_err(|error| unreadable("a key", error))?;
    Ok(made.token.to_string())
}
