//! Reports: each is made once for all who ask meanwhile, goes on when they have gone, and is told
//! again to who takes it as it was.
//!
//! A report over a large ledger may take longer than a caller waits. Made anew for each who asks
//! again, none would ever be done, and they would take each other's time.
//!
//! What is told again is right for the instant it is of, which `Age` tells (RFC 9111, section 5.1),
//! and for no other: waits go on and hours pass though nothing is written, so that nothing has
//! happened since does not make an older report the one of now. How old it may be is for who asks to
//! say.

mod asked;
mod shelf;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use headers::{Age, ETag, HeaderMapExt as _, IfNoneMatch};
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, watch};

use asked::Asked;
pub(super) use asked::{Ahead, ReportParams};
use shelf::{Found, Key, Shelf, Task};

use super::caller::Caller;
use super::etag;
use super::problem::{Problem, ProblemKind};

/// How long a caller waits before it is told to come back; shorter than an answer may take.
const PATIENCE: Duration = Duration::from_secs(25);
/// When to come back.
const COME_BACK: Duration = Duration::from_secs(15);
/// What took less is made anew for who does not say how old it may be.
const WORTH: Duration = Duration::from_secs(5);

/// The reports that are being made, or were a while ago. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    patience: Duration,
    /// One is made at a time, so that it leaves a reader of the database to everything else, the
    /// messages of devices among it.
    turn: Arc<Semaphore>,
    shelf: Arc<Mutex<Shelf>>,
}

/// A report that was made.
#[derive(Debug)]
struct Made {
    /// The instant it is of: what was written later is not in it.
    of: Instant,
    /// Since when it is there.
    there: Instant,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Default for Kept {
    fn default() -> Self {
        Self::new(PATIENCE, WORTH)
    }
}

impl Kept {
    fn new(patience: Duration, worth: Duration) -> Self {
        Self {
            patience,
            turn: Arc::new(Semaphore::new(1)),
            shelf: Arc::new(Mutex::new(Shelf::new(worth))),
        }
    }

    /// Tells nothing again of what was made, or is being made: it may name who is to be forgotten.
    pub(super) fn forget(&self) {
        self.shelf().clear();
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a report in a task of its own, which goes on when all who asked have gone.
    fn make(&self, task: Task, request: Request, next: Next) {
        let kept = self.clone();
        tokio::spawn(async move {
            // It is never closed.
            let turn = kept.turn.acquire().await;
            let made = Arc::new(make(request, next).await);
            drop(turn);
            kept.shelf().put(task, made);
        });
    }
}

async fn make(request: Request, next: Next) -> Made {
    let of = Instant::now();
    let response = next.run(request).await;
    let (mut parts, body) = response.into_parts();
    // It is in memory already, so it does not fail.
    let body = body.collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    if parts.status == StatusCode::OK
        && let Ok(tag) = HeaderValue::from_str(&etag::tag_of(&body))
    {
        parts.headers.insert(header::ETAG, tag);
    }
    Made {
        of,
        there: Instant::now(),
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

impl Made {
    fn age(&self) -> Duration {
        self.of.elapsed()
    }

    /// How long it was made.
    fn took(&self) -> Duration {
        self.there.saturating_duration_since(self.of)
    }

    /// The report, or that who asks has it already (RFC 9110, section 13.1.2).
    fn answer(&self, known: Option<&IfNoneMatch>) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        if self.status == StatusCode::OK {
            let headers = response.headers_mut();
            headers.typed_insert(Age::from_secs(self.age().as_secs()));
            if let (Some(known), Some(is)) = (known, headers.typed_get::<ETag>())
                && !known.precondition_passes(&is)
            {
                headers.remove(header::CONTENT_TYPE);
                headers.remove(header::CONTENT_LENGTH);
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                *response.body_mut() = Body::empty();
            }
        }
        response
    }
}

/// Answers with the report as it was made a while ago, or waits until it is made.
pub(super) async fn report(State(kept): State<Kept>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    let (&Method::GET, Some(caller)) = (request.method(), caller) else {
        return next.run(request).await;
    };
    let key = Key::of(caller.grant, request.uri());
    let asked = Asked::of(&request);
    let known = request.headers().typed_get::<IfNoneMatch>();
    let found = kept.shelf().find(&key, asked);
    let mut told = match found {
        Found::There(made) => return made.answer(known.as_ref()),
        Found::Coming(told) => told,
        Found::Due(task, told) => {
            kept.make(task, request, next);
            told
        }
        Found::Full => {
            return Problem::new(
                ProblemKind::Busy,
                "many other reports wait to be made; ask again later",
            )
            .after(COME_BACK)
            .into_response();
        }
    };
    match wait(&mut told, kept.patience, asked).await {
        Some(Ok(made)) => made.answer(known.as_ref()),
        Some(Err(gone)) => gone.into_response(),
        None => {
            kept.shelf().promise(&key);
            Problem::new(
                ProblemKind::Busy,
                "the report takes long and is still being made; ask for the same again, and it is \
                 told as soon as it is there",
            )
            .after(COME_BACK)
            .into_response()
        }
    }
}

/// The report when it is there; none, if that takes too long for who asks.
async fn wait(
    told: &mut watch::Receiver<Option<Arc<Made>>>,
    patience: Duration,
    asked: Asked,
) -> Option<Result<Arc<Made>, Problem>> {
    let there = async {
        let told = told.wait_for(Option::is_some).await;
        let made = told.ok().and_then(|told| told.clone());
        made.ok_or_else(|| Problem::internal(&"whoever made the report has gone"))
    };
    if asked.is_ahead() {
        return Some(there.await);
    }
    tokio::time::timeout(patience, there).await.ok()
}
