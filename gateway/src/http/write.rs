//! Requests that change something: once each, however often they are sent.
//!
//! The answer is stored in the transaction of what it tells of. A caller that heard none sends the
//! same request with the same `Idempotency-Key` and gets the stored answer; nothing is done again.
//! What was refused changed nothing and is not stored: the same request may succeed later. What is
//! refused for want of an approval opens the case of it, which is the same one when it is sent again.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts as _, Request as HttpRequest};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetgrant_core::domain::{ActReason, PartyId, Timestamp};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::Caller;
use super::etag::Expected;
use super::guard;
use super::problem::{Problem, ProblemDetails, ProblemKind};
use super::within::Within;
use crate::approval::Request;
use crate::store::column::{Micros, Octets};
use crate::store::http_write::{self, HttpWrite};
use crate::store::{Db, StoreError, Verdict};

/// The header that names a write.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that says why.
const REASON: HeaderName = HeaderName::from_static("fleetgrant-reason");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Characters of an idempotency key, at most.
const LONGEST_KEY: usize = 128;
/// How long answers are kept.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Things that one request may ask for.
pub(super) const MANY: usize = 100;
/// How often a write on a stale state is tried anew.
const ATTEMPTS: usize = 8;

/// What every write takes, for the description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it is read by `Write`, and described by this")]
pub(super) struct WriteParams {
    /// Names the request, as a UUID; the same request with the same name gets the same answer, and
    /// nothing is done again.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 128)]
    idempotency_key: String,
    /// Why it is done: 1 to 256 characters, for the history. It is percent-encoded where it is not
    /// visible ASCII or a space, in UTF-8; a percent sign is `%25`.
    #[param(rename = "Fleetgrant-Reason", min_length = 1)]
    reason: Option<String>,
}

/// A request that changes something.
#[derive(Debug)]
pub(super) struct Write {
    caller: Caller,
    /// What the caller calls it.
    name: String,
    /// Why it is done.
    reason: Option<ActReason>,
    /// SHA-256 of method, address, body and reason.
    digest: [u8; 32],
    media_type: Option<String>,
    /// The versions of what is changed that it may have.
    expected: Expected,
    pub(super) body: Bytes,
}

/// What one run of a write came to.
pub(super) enum Step<T> {
    /// It is done, and this is the answer.
    Done(T),
    /// It is done; the first answer has a secret that the second, which is stored, lacks.
    Secret(T, T),
    /// This is the answer, and nothing is kept.
    Looked(T),
    /// It is not to be done; nothing of it is kept.
    Refused(Problem),
    /// As above, and this is to wait in a case for an approval.
    Asks(Problem, Request),
    /// The state it was decided on has changed; once more.
    Again,
}

impl<T> Step<T> {
    /// Nothing is kept of a preview.
    pub(super) fn kept_unless(self, preview: bool) -> Self {
        match self {
            Self::Done(answer) | Self::Secret(_, answer) if preview => Self::Looked(answer),
            Self::Asks(problem, _) if preview => Self::Refused(problem),
            other => other,
        }
    }
}

/// What came of many things, in the order in which they were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Many<T> {
    items: Vec<One<T>>,
    /// How many were done.
    done: usize,
    /// How many were refused.
    refused: usize,
}

/// What came of one of many: either was it done, or refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct One<T> {
    // Left out, not null: the description of `T` does not allow for null.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    done: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    refused: Option<ProblemDetails>,
}

/// Whether it is done, or only told what would be.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ActQuery {
    /// Only tells what would come of it, and does nothing.
    #[serde(default)]
    pub(super) preview: bool,
}

/// How a transaction of a write ended.
enum Ended {
    Fresh(Vec<u8>),
    Looked(Vec<u8>),
    Replayed(Vec<u8>),
    Refused(Problem),
    Asks(Problem, Request),
    Again,
}

impl FromRequest<Api> for Write {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, api: &Api) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, api).await?;
        let name = name(&parts.headers)?;
        let reason = reason(&parts.headers)?;
        let media_type = media_type(&parts.headers);
        let expected = Expected::of(&parts.headers)?;
        let address = parts
            .uri
            .path_and_query()
            .map_or("", |uri| uri.as_str())
            .to_owned();
        let method = parts.method.clone();
        let body = Bytes::from_request(HttpRequest::from_parts(parts, body), api)
            .await
            .map_err(unread)?;
        let asked: [&[u8]; 3] = [method.as_str().as_bytes(), address.as_bytes(), &body];
        // What was asked before there were reasons is the same request still.
        let said = reason.as_ref().map(|reason| reason.as_str().as_bytes());
        let digest = digest(asked.into_iter().chain(said));
        Ok(Self {
            digest,
            caller,
            name,
            reason,
            media_type,
            expected,
            body,
        })
    }
}

impl Write {
    /// Who acts, for the history.
    pub(super) fn actor(&self) -> String {
        self.caller.actor.clone()
    }

    /// The party whose things alone the caller sees.
    pub(super) const fn party(&self) -> Option<PartyId> {
        self.caller.grant.party()
    }

    /// What of the ledger is there for the caller.
    pub(super) const fn within(&self) -> Within {
        self.caller.within()
    }

    /// Refuses a body of another type.
    pub(super) fn expect(&self, media_type: &str) -> Result<(), Problem> {
        if self.media_type.as_deref() == Some(media_type) {
            Ok(())
        } else {
            Err(Problem::new(
                ProblemKind::UnsupportedMediaType,
                format!("send the body as Content-Type: {media_type}"),
            ))
        }
    }

    /// The body, parsed; unknown fields are refused.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.expect("application/json")?;
        if has_nul(&self.body) {
            return Err(guard::nul(ProblemKind::BadBody, "a text of the body"));
        }
        let mut read = serde_json::Deserializer::from_slice(&self.body);
        let parsed = serde_path_to_error::deserialize(&mut read);
        let refused = |why: String| Problem::new(ProblemKind::BadBody, why);
        let parsed = parsed.map_err(|error| refused(error.to_string()))?;
        read.end().map_err(|error| refused(error.to_string()))?;
        Ok(parsed)
    }

    /// That there is no body, where none is taken.
    pub(super) fn no_body(&self) -> Result<(), Problem> {
        if self.body.is_empty() {
            Ok(())
        } else {
            Err(Problem::new(ProblemKind::BadBody, "this takes no body"))
        }
    }

    /// That the request expects no version, where nothing has one.
    pub(super) fn changes_nothing_seen(&self) -> Result<(), Problem> {
        if self.says_which() {
            return Err(Problem::new(
                ProblemKind::PreconditionFailed,
                "what is at this address has no version: leave If-Match out",
            ));
        }
        Ok(())
    }

    /// Whether the request says which version of a thing it changes.
    pub(super) fn says_which(&self) -> bool {
        self.expected != Expected::Any
    }

    /// Does it in one transaction with the storing of its answer; or answers as before.
    ///
    /// `operation` may run more than once, each time from the beginning.
    pub(super) async fn once<T, F>(self, api: &Api, operation: F) -> Result<Response, Problem>
    where
        T: Serialize,
        F: FnMut(&mut Db, Timestamp) -> Result<Step<T>, StoreError> + Send + Clone + 'static,
    {
        self.changes_nothing_seen()?;
        self.once_as_seen(api, |_| Ok(None::<()>), operation).await
    }

    /// As [`once`](Self::once), if the thing that `seen` reads is as the request expects it.
    pub(super) async fn once_as_seen<S, R, T, F>(
        self,
        api: &Api,
        seen: R,
        operation: F,
    ) -> Result<Response, Problem>
    where
        S: Serialize,
        R: Fn(&mut Db) -> Result<Option<S>, StoreError> + Send + Clone + 'static,
        T: Serialize,
        F: FnMut(&mut Db, Timestamp) -> Result<Step<T>, StoreError> + Send + Clone + 'static,
    {
        let (answer, was_replayed) = self.run(api, &self.name, seen, operation).await?;
        let mut response = json(answer);
        if was_replayed {
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert(REPLAYED, yes);
        }
        Ok(response)
    }

    /// Notes that the name is this request's from here on, whatever comes of it: for what is done once
    /// however often it is asked for.
    pub(super) async fn begin(&self, api: &Api) -> Result<(), Problem> {
        self.changes_nothing_seen()?;
        let nothing = |_: &mut Db| Ok(None::<()>);
        let begun = |_: &mut Db, _| Ok(Step::Done(()));
        self.run(api, &self.name, nothing, begun).await.map(drop)
    }

    /// Does many things, each as [`once`](Self::once) does one: what is refused of one leaves the
    /// others done, and the same request again does what is not done yet.
    pub(super) async fn each<T, F>(
        self,
        api: &Api,
        preview: bool,
        operations: Vec<F>,
    ) -> Result<Many<serde_json::Value>, Problem>
    where
        T: Serialize,
        F: FnMut(&mut Db, Timestamp) -> Result<Step<T>, StoreError> + Send + Clone + 'static,
    {
        self.changes_nothing_seen()?;
        if operations.len() > MANY {
            let told = format!("{} items are too many: {MANY} at most", operations.len());
            return Err(Problem::new(ProblemKind::BadBody, told));
        }
        let nothing = |_: &mut Db| Ok(None::<()>);
        if !preview {
            self.begin(api).await?;
        }
        let mut many = Many {
            items: Vec::with_capacity(operations.len()),
            done: 0,
            refused: 0,
        };
        for (index, operation) in operations.into_iter().enumerate() {
            // No header can have a line feed, so it is the name of nothing else.
            let name = format!("{}\n{index}", self.name);
            let (done, refused) = match self.run(api, &name, nothing, operation).await {
                Ok((answer, _)) => (Some(decoded(&answer)?), None),
                Err(problem) => (None, Some(problem.counted())),
            };
            many.done += usize::from(done.is_some());
            many.refused += usize::from(refused.is_some());
            many.items.push(One { done, refused });
        }
        Ok(many)
    }

    /// The answer, and whether it was given before.
    async fn run<S, R, T, F>(
        &self,
        api: &Api,
        name: &str,
        seen: R,
        operation: F,
    ) -> Result<(Vec<u8>, bool), Problem>
    where
        S: Serialize,
        R: Fn(&mut Db) -> Result<Option<S>, StoreError> + Send + Clone + 'static,
        T: Serialize,
        F: FnMut(&mut Db, Timestamp) -> Result<Step<T>, StoreError> + Send + Clone + 'static,
    {
        let (id, digest) = (Octets(self.caller.id), self.digest);
        for _ in 0..ATTEMPTS {
            let now = api.clock.trusted_now()?;
            let (name, mut operation) = (name.to_owned(), operation.clone());
            let (expected, seen) = (self.expected.clone(), seen.clone());
            let (reason, asking) = (self.reason.clone(), self.reason.clone());
            let run = move |db: &mut Db| {
                db.because(reason.clone());
                // First, since what was done has changed what it was done to.
                if let Some(stored) = http_write::find(db, id, &name)? {
                    return Ok(Verdict::Rollback(again(stored, digest)));
                }
                if let Err(problem) = expected.hold(db, &seen)? {
                    return Ok(Verdict::Rollback(Ended::Refused(problem)));
                }
                let (answer, kept) = match operation(db, now)? {
                    Step::Done(answer) => {
                        let answer = encoded(&answer)?;
                        (answer.clone(), answer)
                    }
                    Step::Secret(answer, kept) => (encoded(&answer)?, encoded(&kept)?),
                    Step::Looked(answer) => {
                        return Ok(Verdict::Rollback(Ended::Looked(encoded(&answer)?)));
                    }
                    Step::Refused(problem) => {
                        return Ok(Verdict::Rollback(Ended::Refused(problem)));
                    }
                    Step::Asks(problem, request) => {
                        return Ok(Verdict::Rollback(Ended::Asks(problem, request)));
                    }
                    Step::Again => return Ok(Verdict::Rollback(Ended::Again)),
                };
                let write = HttpWrite {
                    api_key_id: id,
                    idempotency_key: name.clone(),
                    request: Octets(digest),
                    answer: kept,
                    at: Micros(now),
                };
                http_write::insert(db, &write, now.minus_seconds(KEPT.as_secs()))?;
                Ok(Verdict::Commit(Ended::Fresh(answer)))
            };
            match api.store.transaction("http-write", run).await? {
                Ended::Fresh(answer) | Ended::Looked(answer) => return Ok((answer, false)),
                Ended::Replayed(answer) => return Ok((answer, true)),
                Ended::Refused(problem) => return Err(problem),
                // What was tried is undone, so the case has a transaction of its own.
                Ended::Asks(problem, request) => {
                    let open = move |db: &mut Db| {
                        db.because(asking.clone());
                        Ok(Verdict::Commit(request.open(db, now)?))
                    };
                    let case = api.store.transaction("approval-request", open).await?;
                    return Err(problem.waits_in(case));
                }
                Ended::Again => {
                    metrics::counter!("fleetgrant_stale_snapshots_total").increment(1);
                }
            }
        }
        Err(Problem::busy("the device is too busy; try again"))
    }
}

/// Whether a text of JSON has the character NUL: it can only be written as an escape there (RFC
/// 8259 section 7), and a backslash only in a text.
fn has_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escaped = &rest[at + 1..];
        if escaped.starts_with(b"u0000") {
            return true;
        }
        // A backslash that is escaped escapes nothing.
        rest = escaped.get(1..).unwrap_or_default();
    }
    false
}

fn unread(rejection: BytesRejection) -> Problem {
    let kind = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ProblemKind::TooLarge
    } else {
        ProblemKind::BadBody
    };
    Problem::new(kind, format!("the body cannot be read: {rejection}"))
}

/// What comes of a write whose name was used.
fn again(stored: HttpWrite, digest: [u8; 32]) -> Ended {
    if stored.request.0 == digest {
        Ended::Replayed(stored.answer)
    } else {
        Ended::Refused(Problem::new(
            ProblemKind::IdempotencyKeyReused,
            "another request was sent with this Idempotency-Key; give each request its own",
        ))
    }
}

fn encoded(answer: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(answer).map_err(|error| StoreError::Corrupt(format!("an answer: {error}")))
}

fn decoded(answer: &[u8]) -> Result<serde_json::Value, Problem> {
    serde_json::from_slice(answer).map_err(|error| Problem::internal(&error))
}

fn json(body: Vec<u8>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

fn name(headers: &HeaderMap) -> Result<String, Problem> {
    let text = headers.get(IDEMPOTENCY_KEY).map(HeaderValue::to_str);
    match text {
        Some(Ok(text)) if (1..=LONGEST_KEY).contains(&text.len()) => Ok(text.to_owned()),
        _ => Err(Problem::new(
            ProblemKind::IdempotencyKeyNeeded,
            format!(
                "send an Idempotency-Key of 1 to {LONGEST_KEY} visible ASCII characters, as a \
                 UUID, and the same one when you send the same request again"
            ),
        )),
    }
}

/// The media type without its parameters, which `headers::ContentType` refuses where they are
/// malformed.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = text.split(';').next()?;
    Some(media_type.trim().to_ascii_lowercase())
}

/// Percent-encoded (RFC 3986 section 2.1), since a header has ASCII only (RFC 9110 section 5.5).
fn reason(headers: &HeaderMap) -> Result<Option<ActReason>, Problem> {
    let mut given = headers.get_all(REASON).iter();
    let (Some(text), None) = (given.next(), given.next()) else {
        return match headers.contains_key(REASON) {
            true => Err(bad_reason("it is given twice")),
            false => Ok(None),
        };
    };
    let text = text
        .to_str()
        .map_err(|_| bad_reason("it has bytes beyond ASCII"))?;
    let text = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| bad_reason("it is no UTF-8"))?;
    let reason = ActReason::new(&text).map_err(|_| bad_reason("it is too long, or blank"))?;
    Ok(Some(reason))
}

fn bad_reason(why: &str) -> Problem {
    Problem::new(
        ProblemKind::BadReason,
        format!(
            "Fleetgrant-Reason: {why}; give 1 to 256 characters without control characters, \
             percent-encoded where they are not visible ASCII or spaces"
        ),
    )
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}
