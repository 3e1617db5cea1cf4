//! Requests, and what becomes of them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use headers::{Age, CacheControl, HeaderMapExt as _};
use http_body_util::Full;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Remote;
use crate::cli::Failure;
use crate::cli::ledger::{ListArgs, SortArgs};
use crate::http::page::{self, Page};
use crate::http::problem::ProblemDetails;
use crate::http::roles::PREFIX;
use crate::outgoing::{Answer, Outgoing, OutgoingError, Reach};
use crate::store::listing::SortBy;

/// How long an answer may take: longer than the gateway takes for one at most.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer, at most.
const LONGEST: usize = 64 << 20;
/// Rows of a page, at most.
const PAGE: usize = 1_000;
/// How often a request is sent, at most.
const ATTEMPTS: u32 = 4;
/// How long the gateway may have a request wait that is sent again.
const LONGEST_WAIT: u64 = 30;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REASON: HeaderName = HeaderName::from_static("fleetgrant-reason");

/// What a header cannot have as it is; spaces at its ends would be lost.
const IN_A_HEADER: &AsciiSet = &CONTROLS.add(b'%').add(b' ');

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Query(Vec<(&'static str, String)>);

/// What a request bears.
pub(in crate::cli) enum Body<'a> {
    /// Nothing.
    None,
    /// A file.
    Csv(Vec<u8>),
    /// A file of JSON, a line each.
    JsonLines(Vec<u8>),
    /// What a route takes.
    Json(&'a dyn erased::Json),
}

/// Why a request was not met.
#[derive(Debug)]
pub(in crate::cli) enum Unmet {
    /// The gateway refused it.
    Problem(Box<ProblemDetails>),
    /// It gave no answer, or none of a gateway's.
    Other(Failure),
}

mod erased {
    /// What is written as JSON.
    pub(in crate::cli) trait Json {
        fn written(&self) -> serde_json::Result<Vec<u8>>;
    }

    impl<T: serde::Serialize> Json for T {
        fn written(&self) -> serde_json::Result<Vec<u8>> {
            serde_json::to_vec(self)
        }
    }
}

impl Query {
    /// With a parameter, if it has a value.
    pub(in crate::cli) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Whether nothing is said.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With a parameter that is said if it is so.
    pub(in crate::cli) fn flag(self, name: &'static str, is_so: bool) -> Self {
        self.with(name, is_so.then_some(true))
    }

    /// Of what is only to be looked at, or is to be done.
    pub(in crate::cli) fn preview(preview: bool) -> Self {
        Self::default().flag("preview", preview)
    }
}

/// What a part of a path may have as it is: what is unreserved (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A part of a path, of a text of any kind.
pub(in crate::cli) fn segment(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, UNRESERVED)
}

/// The address as requests begin with it, and where they may go.
pub(super) fn address(server: &str) -> Result<(String, Reach), Failure> {
    let refused =
        |why: &dyn std::fmt::Display| Failure::config(anyhow!("--server {server}: {why}"));
    let server = server.trim_end_matches('/');
    let anywhere = Reach::anywhere();
    let target = anywhere.target(server).map_err(|error| refused(&error))?;
    if target.uri().query().is_some() {
        return Err(refused(&"leave out what follows the path"));
    }
    if target.uri().scheme_str() == Some("https") {
        return Ok((server.to_owned(), anywhere));
    }
    if !target.is_secure_or_local() {
        return Err(refused(
            &"a key is sent over https only, or to this machine itself as http://127.0.0.1:8080",
        ));
    }
    // Whatever a name is resolved to, what is sent in the clear stays on this machine.
    let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse());
    let networks = loopback.into_iter().collect::<Result<_, _>>();
    let reach = Reach {
        plain: true,
        networks: networks.map_err(Failure::config)?,
    };
    Ok((server.to_owned(), reach))
}

pub(super) fn client(reach: Reach, ca: Option<&Path>) -> Result<Outgoing, Failure> {
    Outgoing::new(reach, ca, PATIENCE, LONGEST).map_err(Failure::config)
}

impl Remote {
    /// Looks at something.
    pub(in crate::cli) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
    ) -> Result<T, Failure> {
        Ok(self.try_get(path, query)?)
    }

    /// As [`Self::get`], with the reason of a refusal.
    pub(in crate::cli) fn try_get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
    ) -> Result<T, Unmet> {
        let answer = self.send(&Method::GET, path, query, &HeaderMap::new(), &Bytes::new())?;
        self.read(&answer)
    }

    /// As [`Self::get`], of what may have been made a while ago, so long at most if that is said; and
    /// how long ago it was.
    pub(in crate::cli) fn get_made<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
        oldest: Option<Duration>,
    ) -> Result<(T, Option<Duration>), Failure> {
        let mut headers = HeaderMap::new();
        if let Some(oldest) = oldest {
            let whole = Duration::from_secs(oldest.as_secs());
            headers.typed_insert(CacheControl::new().with_max_age(whole));
        }
        let answer = self.send(&Method::GET, path, query, &headers, &Bytes::new())?;
        let age = answer.headers.typed_get::<Age>();
        Ok((self.read(&answer)?, age.map(Duration::from)))
    }

    /// Gets a file.
    pub(in crate::cli) fn file(&self, path: &str) -> Result<Bytes, Failure> {
        let (query, none) = (Query::default(), HeaderMap::new());
        let answer = self.send(&Method::GET, path, &query, &none, &Bytes::new())?;
        self.whole_of(answer)
    }

    fn whole_of(&self, answer: Answer) -> Result<Bytes, Failure> {
        if answer.is_whole {
            return Ok(answer.body);
        }
        let server = &self.server;
        Err(Failure::unavailable(anyhow!(
            "{server} answered more than is read"
        )))
    }

    /// Looks at something that may not be there, and its version.
    pub(in crate::cli) fn find<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<(T, Option<HeaderValue>)>, Failure> {
        let (query, none) = (Query::default(), HeaderMap::new());
        match self.send(&Method::GET, path, &query, &none, &Bytes::new()) {
            Ok(answer) => {
                let tag = answer.headers.get(header::ETAG).cloned();
                Ok(Some((self.read(&answer)?, tag)))
            }
            Err(unmet) if unmet.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(unmet) => Err(unmet.into()),
        }
    }

    /// Does something.
    pub(in crate::cli) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
        body: &Body<'_>,
    ) -> Result<T, Failure> {
        Ok(self.try_write(&Method::POST, path, query, body, None)?)
    }

    /// As [`Self::post`], with the method, the version of what is changed, and the reason of a
    /// refusal.
    pub(in crate::cli) fn try_write<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        query: &Query,
        body: &Body<'_>,
        version: Option<HeaderValue>,
    ) -> Result<T, Unmet> {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, self.next_name()?);
        if let Some(version) = version {
            headers.insert(header::IF_MATCH, version);
        }
        if let Some(reason) = &self.reason {
            let encoded = utf8_percent_encode(reason.as_str(), IN_A_HEADER).to_string();
            let encoded = HeaderValue::from_str(&encoded).map_err(Failure::input)?;
            headers.insert(REASON, encoded);
        }
        let (kind, bytes) = match body {
            Body::None => (None, Vec::new()),
            Body::Csv(file) => (Some("text/csv"), file.clone()),
            Body::JsonLines(file) => (Some("application/jsonl"), file.clone()),
            Body::Json(thing) => {
                let written = thing.written().map_err(Failure::input)?;
                (Some("application/json"), written)
            }
        };
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let answer = self.send(method, path, query, &headers, &bytes.into())?;
        self.read(&answer)
    }

    /// A list as long as is wanted, page by page; what is left over is told of.
    pub(in crate::cli) fn list<T: DeserializeOwned, F: SortBy>(
        &self,
        path: &str,
        query: Query,
        list: &ListArgs<F>,
    ) -> Result<Vec<T>, Failure> {
        let query = query
            .with("sort", list.order.sort)
            .with("after", list.after.as_ref());
        let (rows, next) = self.pages(path, query, list.limit())?;
        if let Some(place) = next.as_deref().and_then(page::place) {
            ListArgs::<F>::tell_of_more(&place);
        }
        Ok(rows)
    }

    /// All of a list, in its order.
    pub(in crate::cli) fn whole<T: DeserializeOwned, F: SortBy>(
        &self,
        path: &str,
        query: Query,
        order: &SortArgs<F>,
    ) -> Result<Vec<T>, Failure> {
        let (rows, _) = self.pages(path, query.with("sort", order.sort), usize::MAX)?;
        Ok(rows)
    }

    /// Up to `most` rows of a list, and the cursor of those that follow.
    pub(in crate::cli) fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query,
        most: usize,
    ) -> Result<(Vec<T>, Option<String>), Failure> {
        let filter = query.clone();
        let (mut rows, mut part) = (Vec::new(), query);
        loop {
            let limit = (most - rows.len()).min(PAGE);
            let page: Page<T> = self.get(path, &part.with("limit", Some(limit)))?;
            rows.extend(page.items);
            match page.next {
                next if next.is_none() || rows.len() >= most => return Ok((rows, next)),
                next => {
                    let mut filter = filter.clone();
                    filter.0.retain(|(name, _)| *name != "after");
                    part = filter.with("cursor", next);
                }
            }
        }
    }

    /// Each request of a command has a name of its own: the one that was given, and numbered after
    /// the first.
    fn next_name(&self) -> Result<HeaderValue, Failure> {
        let count = self.named.replace(self.named.get() + 1);
        let name = match (&self.name, count) {
            (None, _) => Uuid::now_v7().to_string(),
            (Some(name), 0) => name.clone(),
            (Some(name), count) => format!("{name}-{count}"),
        };
        HeaderValue::from_str(&name).map_err(|_| {
            Failure::input(anyhow!("--idempotency-key: visible ASCII characters only"))
        })
    }

    /// Sends a request, again where the gateway is busy, or where nobody knows what became of it.
    fn send(
        &self,
        method: &Method,
        path: &str,
        query: &Query,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Answer, Unmet> {
        let mut address = format!("{}{PREFIX}{path}", self.server);
        if !query.0.is_empty() {
            let pairs = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&query.0)
                .finish();
            address = format!("{address}?{pairs}");
        }
        let target = self.reach.target(&address).map_err(Failure::input)?;
        let mut attempt = 1;
        loop {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            request.headers_mut().extend(headers.clone());
            let head = request.headers_mut();
            head.insert(header::AUTHORIZATION, self.key.clone());
            let sent = self.runtime.block_on(self.outgoing.send(&target, request));
            let wait = match &sent {
                Ok(answer) => busy(answer),
                // What may have been done is asked for again under the same name.
                Err(_) if method != Method::GET => Some(1),
                Err(_) => None,
            };
            match (wait, sent) {
                (Some(wait), _) if attempt < ATTEMPTS => {
                    attempt += 1;
                    self.runtime
                        .block_on(tokio::time::sleep(Duration::from_secs(wait)));
                }
                (_, Ok(answer)) => return self.met(answer),
                (_, Err(error)) => return Err(self.unreachable(&error, headers).into()),
            }
        }
    }

    fn met(&self, answer: Answer) -> Result<Answer, Unmet> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        match serde_json::from_slice::<ProblemDetails>(&answer.body) {
            Ok(problem) => Err(Unmet::Problem(Box::new(problem))),
            Err(_) => Err(Failure::unavailable(anyhow!(
                "{} answered {}, and not as a gateway does: check the address",
                self.server,
                answer.status
            ))
            .into()),
        }
    }

    fn unreachable(&self, error: &OutgoingError, headers: &HeaderMap) -> Failure {
        let name = headers
            .get(IDEMPOTENCY_KEY)
            .and_then(|name| name.to_str().ok());
        let cause = anyhow!("{error}");
        Failure::unavailable(match name {
            None => cause.context(format!("cannot ask {}", self.server)),
            Some(name) => cause.context(format!(
                "{} gave no answer, so it is not known whether this was done: the same again with \
                 --idempotency-key {name} does it once at most",
                self.server
            )),
        })
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Unmet> {
        let server = &self.server;
        if !answer.is_whole {
            return Err(
                Failure::unavailable(anyhow!("{server} answered more than is read")).into(),
            );
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::unavailable(anyhow!(error).context(format!(
                "{server} answered what this version does not know: use the version of the gateway"
            )))
            .into()
        })
    }
}

/// Seconds after which a gateway that is busy is to be asked again.
fn busy(answer: &Answer) -> Option<u64> {
    let is_busy = matches!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let wait = answer.headers.get(header::RETRY_AFTER)?;
    let wait = wait.to_str().ok()?.parse().ok()?;
    (is_busy && wait <= LONGEST_WAIT).then_some(wait)
}

impl Unmet {
    /// Whether the gateway refused it with this status.
    pub(in crate::cli) fn is(&self, status: StatusCode) -> bool {
        matches!(self, Self::Problem(problem) if problem.status == status.as_u16())
    }
}

impl From<Failure> for Unmet {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<Unmet> for Failure {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Other(failure) => failure,
            Unmet::Problem(problem) => {
                let cause = anyhow!(problem.detail).context(problem.title);
                match problem.status {
                    400 => Self::Input(cause),
                    401 => Self::Config(cause),
                    429 | 500.. => Self::Unavailable(cause),
                    _ => Self::Refused(cause),
                }
            }
        }
    }
}
