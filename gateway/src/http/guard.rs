//! What stands before every route: a limit of time, a net for panics, and the counting.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::head;
use super::listener::Stopping;
use super::problem::{Problem, ProblemKind};

/// How long an answer may take, the reading of the request's body included.
const LONGEST: Duration = Duration::from_secs(30);
/// When to ask a gateway again that is being stopped.
const COME_BACK: Duration = Duration::from_secs(5);

/// Answers within [`LONGEST`], or at once when the server stops, refuses heads that are too long and what no
/// text may have, and counts.
pub(super) async fn bounded(request: Request, next: Next) -> Response {
    let method = method_label(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let mut response = if let Some(problem) = head::refusal(&request) {
        problem.into_response()
    } else if has_nul(request.uri()) {
        nul(ProblemKind::BadQuery, "the address").into_response()
    } else {
        let stopped = stopped(&request);
        tokio::select! {
            answered = tokio::time::timeout(LONGEST, next.run(request)) => {
                answered.unwrap_or_else(|_| too_long().into_response())
            }
            () = stopped => stops().into_response(),
        }
    };
    let path = path.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    metrics::histogram!("fleetgrant_http_request_seconds", "method" => method, "path" => path.clone())
        .record(began.elapsed());
    metrics::counter!(
        "fleetgrant_http_requests_total",
        "method" => method, "path" => path, "status" => response.status().as_str().to_owned()
    )
    .increment(1);
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether an address has the character NUL, which is written in one way only (RFC 3986 section
/// 2.1) and is nothing that a path or a parameter may hold.
fn has_nul(uri: &Uri) -> bool {
    uri.path_and_query()
        .is_some_and(|text| text.as_str().contains("%00"))
}

/// The refusal of a text with the character NUL, which PostgreSQL stores in no text.
pub(super) fn nul(kind: ProblemKind, what: &str) -> Problem {
    Problem::new(
        kind,
        format!("{what} has the character NUL (U+0000), which no text may have"),
    )
}

/// Resolves when the server stops and does not wait for this request; never for one that may write.
fn stopped(request: &Request) -> impl Future<Output = ()> + use<> {
    let reads = request.method().is_safe();
    let stopping = request.extensions().get::<Stopping>().cloned();
    let stopping = stopping.filter(|_| reads);
    async {
        match stopping {
            Some(stopping) => stopping.over().await,
            None => std::future::pending().await,
        }
    }
}

fn stops() -> Problem {
    Problem::new(
        ProblemKind::Busy,
        "the gateway is being stopped; ask again when it is there again",
    )
    .after(COME_BACK)
}

fn too_long() -> Problem {
    let longest = LONGEST.as_secs();
    Problem::new(
        ProblemKind::Timeout,
        format!(
            "it took more than {longest} s; ask for less at once. What was to be written may have \
             been: look before you try again"
        ),
    )
}

/// What a panic is answered with; what it said goes to the log.
pub(super) fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let said = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("nothing");
    Problem::internal(&format_args!("panicked: {said}")).into_response()
}

/// Methods that are no words of HTTP's own are counted as one.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
