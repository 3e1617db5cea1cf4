//! Refusals, as problem details (RFC 9457).

use std::time::Duration;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetgrant_core::domain::CaseId;
use fleetgrant_core::rule::Rule;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::imports::ImportFault;
use crate::approval::waits;
use crate::clock::ClockJumped;
use crate::store::StoreError;

/// How long to wait for what is busy.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Defines the kinds of problems: their names, status codes and titles, which never change.
macro_rules! problem_kinds {
    ($(#[doc = $meaning:literal] $variant:ident = $name:literal $status:ident $title:literal,)*) => {
        /// What kind of refusal it is. `type` of the answer is `/problems/` and its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name programs go by.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What people read; the same for every problem of the kind.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning.trim_start(),)* }
            }

            /// The status code it comes with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }
        }
    };
}

problem_kinds! {
    /// The query has a parameter that is unknown, or a value that cannot be one.
    BadQuery = "bad-query" BAD_REQUEST "The query cannot be understood",
    /// The cursor is none of this list with these filters.
    BadCursor = "bad-cursor" BAD_REQUEST "The cursor is of no use here",
    /// The body is no JSON, or lacks a field, or has one that is unknown or of no use.
    BadBody = "bad-body" BAD_REQUEST "The body cannot be understood",
    /// Whatever changes something needs a header that names the request.
    IdempotencyKeyNeeded = "idempotency-key-needed" BAD_REQUEST "The request needs a name",
    /// What is said of why it is done is too long, blank, or not encoded as it should be.
    BadReason = "bad-reason" BAD_REQUEST "The reason cannot be understood",
    /// The name of the request was used for another one.
    IdempotencyKeyReused = "idempotency-key-reused" UNPROCESSABLE_ENTITY "The request has the name of another",
    /// There is no key, or none that exists.
    Unauthenticated = "unauthenticated" UNAUTHORIZED "A key is needed",
    /// The key's time is over.
    KeyExpired = "key-expired" UNAUTHORIZED "The key has expired",
    /// The key was ended.
    KeyRevoked = "key-revoked" UNAUTHORIZED "The key was revoked",
    /// The token of a person is not good here.
    TokenRefused = "token-refused" UNAUTHORIZED "The token is not good here",
    /// The token's time is over.
    TokenExpired = "token-expired" UNAUTHORIZED "The token has expired",
    /// The keys of whoever gives tokens cannot be had.
    IssuerUnavailable = "issuer-unavailable" SERVICE_UNAVAILABLE "Tokens cannot be checked now",
    /// The key is good, and its roles may not do this.
    Forbidden = "forbidden" FORBIDDEN "The key may not do this",
    /// The key asks too often.
    TooManyRequests = "too-many-requests" TOO_MANY_REQUESTS "The key asks too often",
    /// Nothing has this address, or the key may not know of it.
    NotFound = "not-found" NOT_FOUND "There is nothing here",
    /// The address is known, and does not take this method.
    MethodNotAllowed = "method-not-allowed" METHOD_NOT_ALLOWED "The method is not allowed here",
    /// It is understood, and a rule or the state of things forbids it.
    Refused = "refused" CONFLICT "It is not to be done",
    /// Nobody decides what they asked for themselves.
    OwnRequest = "own-request" FORBIDDEN "Somebody else must decide it",
    /// The policy contradicts itself, so it was not put in force.
    ContradictoryPolicy = "contradictory-policy" UNPROCESSABLE_ENTITY "The policy contradicts itself",
    /// It has changed since the version that `If-Match` names.
    PreconditionFailed = "precondition-failed" PRECONDITION_FAILED "It has changed meanwhile",
    /// It is replaced whole, so the request must say in `If-Match` which version it replaces.
    PreconditionNeeded = "precondition-needed" PRECONDITION_REQUIRED "The request must say which version it replaces",
    /// Rows of the file are bad; nothing was imported.
    ImportRefused = "import-refused" UNPROCESSABLE_ENTITY "The file was not imported",
    /// The body is longer than it may be.
    TooLarge = "too-large" PAYLOAD_TOO_LARGE "The body is too long",
    /// The head of the request is longer, or has more header fields, than it may have.
    HeadTooLarge = "head-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "The head is too long",
    /// The body is of another type than is taken here.
    UnsupportedMediaType = "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The body is of the wrong type",
    /// The gateway's clock is wrong, so nothing is signed.
    ClockJumped = "clock-jumped" SERVICE_UNAVAILABLE "The gateway's clock is wrong",
    /// Others are served first.
    Busy = "busy" SERVICE_UNAVAILABLE "The gateway is busy",
    /// It took too long.
    Timeout = "timeout" SERVICE_UNAVAILABLE "It took too long",
    /// The fault is the gateway's.
    Internal = "internal" INTERNAL_SERVER_ERROR "The gateway failed",
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    retry_after: Option<Duration>,
    rule: Option<Rule>,
    case: Option<CaseId>,
    errors: Vec<ImportFault>,
}

/// A refusal as it is sent (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemDetails {
    /// What kind of refusal it is: `/problems/` and a name that never changes.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The kind in words.
    pub(crate) title: String,
    /// The status code.
    pub(crate) status: u16,
    /// What was wrong this time, and what can be done about it.
    pub(crate) detail: String,
    /// The rule that denied it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) rule: Option<String>,
    /// The case in which it waits for somebody else's approval, where it does: its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    pub(crate) case: Option<String>,
    /// The bad rows of a file that was not imported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<ImportFault>,
}

impl Problem {
    /// A refusal of a kind; `detail` says what was wrong and what can be done about it.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            retry_after: None,
            rule: None,
            case: None,
            errors: Vec::new(),
        }
    }

    /// What is busy, and may be free in a moment.
    pub fn busy(detail: &str) -> Self {
        Self::new(ProblemKind::Busy, detail).after(A_MOMENT)
    }

    /// With the rule that denied it.
    #[must_use]
    pub const fn by(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// With the case in which it waits for an approval.
    #[must_use]
    pub(super) fn waits_in(mut self, case: CaseId) -> Self {
        self.detail = format!("{}; {}", self.detail, waits(case));
        self.case = Some(case);
        self
    }

    /// With the bad rows of a file.
    #[must_use]
    pub(super) fn with_faults(mut self, errors: Vec<ImportFault>) -> Self {
        self.errors = errors;
        self
    }

    /// With how long to wait before trying again.
    #[must_use]
    pub const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What kind of refusal it is.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// What was wrong, for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// A failure of the gateway's own: what happened goes to the log, and not to the caller.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(
            ProblemKind::Internal,
            "the gateway's log says what happened; try again, and tell its operators if it stays",
        )
    }
}

/// What a problem means, at the address that is its type.
pub(super) async fn meaning(Path(name): Path<String>) -> Result<String, Problem> {
    let kind = ProblemKind::ALL.iter().find(|kind| kind.as_str() == name);
    let kind = found(kind, "problem", name)?;
    Ok(format!("{}\n\n{}\n", kind.title(), kind.meaning()))
}

/// What was asked for by its id, if it is there.
pub(super) fn found<T>(
    thing: Option<T>,
    kind: &str,
    id: impl std::fmt::Display,
) -> Result<T, Problem> {
    thing.ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("there is no {kind} {id}")))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            _ if error.is_transient() => Self::busy("the database is busy; try again"),
            StoreError::Unavailable(_) | StoreError::Closed => {
                Self::busy("the database cannot be reached; try again")
            }
            // The key was kept if the change was, and then gives its answer.
            StoreError::Uncertain => Self::busy(
                "it is not known whether this was kept; send it again with the same Idempotency-Key",
            ),
            _ => Self::internal(&error),
        }
    }
}

impl From<ClockJumped> for Problem {
    fn from(jumped: ClockJumped) -> Self {
        Self::new(ProblemKind::ClockJumped, jumped.to_string())
    }
}

impl Problem {
    /// As it is sent, and counted.
    pub(super) fn counted(self) -> ProblemDetails {
        metrics::counter!("fleetgrant_http_refused_total", "reason" => self.kind.as_str())
            .increment(1);
        ProblemDetails {
            kind: format!("/problems/{}", self.kind.as_str()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail,
            rule: self.rule.map(|rule| rule.as_str().to_owned()),
            case: self.case.map(|case| case.to_string()),
            errors: self.errors,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.kind.status(), self.retry_after);
        let details = self.counted();
        let body = serde_json::to_vec(&details).expect("texts and a number always encode");
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Some(wait) = retry_after {
            // Whole seconds, never fewer than it takes.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}
