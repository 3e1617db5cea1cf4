//! Reports that take long: each is made once for all who ask meanwhile, goes on when they have
//! gone, and is kept for a while.
//!
//! A report over a large ledger may take longer than a caller waits. Made anew for each who asks
//! again, none would ever be done, and they would take each other's time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fleetgrant_core::domain::{PartyId, ProductLineId};
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, watch};

use super::caller::Caller;
use super::problem::{Problem, ProblemKind};
use crate::access::Grant;

/// How long a caller waits before it is told to come back; shorter than an answer may take.
const PATIENCE: Duration = Duration::from_secs(25);
/// When to come back.
const COME_BACK: Duration = Duration::from_secs(15);
/// What took less is made anew each time.
const WORTH: Duration = Duration::from_secs(5);
/// So many times as long as it took to make is it kept, so that the same report takes a tenth of
/// one processor at most; and no longer than this.
const TIMES: u32 = 10;
const LONGEST: Duration = Duration::from_secs(600);
/// Reports that are kept or made at once.
const MOST: usize = 64;
/// Bytes of a report that is kept.
const LARGEST: usize = 4 * 1024 * 1024;

/// The reports that are being made, or were a while ago.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    patience: Duration,
    worth: Duration,
    /// One is made at a time, so that it leaves a reader of the database to everything else, the
    /// messages of devices among it.
    turn: Arc<Semaphore>,
    reports: Arc<Mutex<HashMap<Key, watch::Receiver<Option<Made>>>>>,
}

/// Which report: whoever sees one party's things only, or one product line's, is told another than
/// everybody else, under the same address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    party: Option<PartyId>,
    line: Option<ProductLineId>,
    address: String,
}

/// A report that was made.
#[derive(Clone, Debug)]
struct Made {
    at: Instant,
    took: Duration,
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
            worth,
            turn: Arc::new(Semaphore::new(1)),
            reports: Arc::default(),
        }
    }

    /// Where the report comes: from whoever makes it already, or from a task of its own. None, if
    /// there is no room for one more.
    fn find(
        &self,
        grant: Grant,
        request: Request,
        next: Next,
    ) -> Option<watch::Receiver<Option<Made>>> {
        let key = Key {
            party: grant.party(),
            line: grant.line(),
            address: request.uri().to_string(),
        };
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.retain(|_, report| self.is_good(report));
        if let Some(report) = reports.get(&key) {
            return Some(report.clone());
        }
        if reports.len() >= MOST {
            reports.retain(|_, report| report.borrow().is_none());
        }
        if reports.len() >= MOST {
            return None;
        }
        let (tell, told) = watch::channel(None);
        reports.insert(key, told.clone());
        let turn = Arc::clone(&self.turn);
        tokio::spawn(async move {
            // It is never closed.
            let _turn = turn.acquire().await;
            let made = make(request, next).await;
            tell.send_replace(Some(made));
        });
        Some(told)
    }

    /// Whether it is being made, or may be told again.
    fn is_good(&self, report: &watch::Receiver<Option<Made>>) -> bool {
        match &*report.borrow() {
            // Whoever makes it may have panicked.
            None => report.has_changed().is_ok(),
            Some(made) => {
                let good_for = made.took.saturating_mul(TIMES).min(LONGEST);
                made.status == StatusCode::OK
                    && made.took >= self.worth
                    && made.body.len() <= LARGEST
                    && made.at.elapsed() < good_for
            }
        }
    }
}

async fn make(request: Request, next: Next) -> Made {
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status();
    let headers = response.headers().clone();
    // It is in memory already, so it does not fail.
    let body = response.into_body().collect().await;
    Made {
        at: Instant::now(),
        took: began.elapsed(),
        status,
        headers,
        body: body.map(|body| body.to_bytes()).unwrap_or_default(),
    }
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.status == StatusCode::OK {
            let age = HeaderValue::from(self.at.elapsed().as_secs());
            response.headers_mut().insert(header::AGE, age);
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
    let Some(mut told) = kept.find(caller.grant, request, next) else {
        return Problem::new(
            ProblemKind::Busy,
            "many other reports wait to be made; ask again later",
        )
        .after(COME_BACK)
        .into_response();
    };
    match tokio::time::timeout(kept.patience, told.wait_for(Option::is_some)).await {
        Ok(Ok(made)) => match &*made {
            Some(made) => made.clone().into_response(),
            None => Problem::internal(&"a report that is made is none").into_response(),
        },
        Ok(Err(_)) => Problem::internal(&"whoever made the report has gone").into_response(),
        Err(_) => Problem::new(
            ProblemKind::Busy,
            "the report takes long and is still being made; ask for the same again, and it is told \
             as soon as it is there",
        )
        .after(COME_BACK)
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::middleware;
    use axum::routing::get;
    use fleetgrant_core::domain::{ApiKeyId, Role, Roles, Timestamp};
    use tower::ServiceExt as _;

    use super::*;

    /// A report that takes so long, and how often it was made.
    fn served(takes: Duration, kept: Kept) -> (Router, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let slow = move || {
            let counted = Arc::clone(&counted);
            async move {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(takes).await;
                format!("report {number}")
            }
        };
        let router = Router::new()
            .route("/report", get(slow))
            .layer(middleware::from_fn_with_state(kept, report));
        (router, made)
    }

    async fn ask(router: &Router, address: &str) -> (u16, Option<String>, String) {
        ask_as(Grant::All(Roles::of(&[Role::Auditor])), router, address).await
    }

    async fn ask_as(grant: Grant, router: &Router, address: &str) -> (u16, Option<String>, String) {
        let (created_at, expires_at) = (Timestamp::from_micros(0), Timestamp::from_micros(1));
        let caller = Caller {
            id: ApiKeyId([0; 16]),
            name: "tester".to_owned(),
            actor: "key tester".to_owned(),
            grant,
            product_line: None,
            created_at,
            expires_at,
        };
        let request = Request::get(address).extension(caller);
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let header = |name| {
            response
                .headers()
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        let told = header(header::RETRY_AFTER).or_else(|| header(header::AGE));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, told, String::from_utf8(body.to_vec()).unwrap())
    }

    const LONG: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn what_takes_longer_than_a_caller_waits_is_there_when_it_comes_back() {
        let kept = Kept::new(Duration::from_millis(50), Duration::from_millis(100));
        let (router, made) = served(LONG, kept);
        for _ in 0..3 {
            let (status, come_back, _) = ask(&router, "/report").await;
            assert_eq!((status, come_back.as_deref()), (503, Some("15")));
        }
        tokio::time::sleep(LONG).await;
        for _ in 0..3 {
            let (status, age, body) = ask(&router, "/report").await;
            assert_eq!(
                (status, age.as_deref(), &*body),
                (200, Some("0"), "report 0")
            );
        }
        // It was made once, and another is another.
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert_eq!(ask(&router, "/report?by=owner").await.0, 503);
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_is_quick_is_made_each_time_and_what_was_kept_long_enough_anew() {
        let kept = Kept::new(PATIENCE, Duration::from_millis(100));
        let (router, made) = served(Duration::from_millis(1), kept.clone());
        for number in 0..3 {
            let (status, _, body) = ask(&router, "/report").await;
            assert_eq!((status, body), (200, format!("report {number}")));
        }
        assert_eq!(made.load(Ordering::SeqCst), 3);
        let (router, made) = served(Duration::from_millis(100), kept);
        assert_eq!(ask(&router, "/report").await.2, "report 0");
        assert_eq!(ask(&router, "/report").await.2, "report 0");
        // Ten times as long as it took.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(ask(&router, "/report").await.2, "report 1");
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_is_kept_for_one_party_or_product_line_is_told_to_no_other() {
        let kept = Kept::new(PATIENCE, Duration::from_millis(1));
        let (router, _) = served(Duration::from_millis(20), kept);
        let manufacturer = |id| Grant::Party(Roles::of(&[Role::Factory]), PartyId([id; 16]));
        let asked = async |grant| ask_as(grant, &router, "/report").await.2;
        assert_eq!(asked(manufacturer(1)).await, "report 0");
        assert_eq!(asked(manufacturer(2)).await, "report 1");
        assert_eq!(
            asked(Grant::All(Roles::of(&[Role::Admin]))).await,
            "report 2"
        );
        assert_eq!(asked(manufacturer(1)).await, "report 0");
        let line = |id| Grant::Line(Roles::of(&[Role::Auditor]), ProductLineId([id; 16]));
        assert_eq!(asked(line(1)).await, "report 3");
        assert_eq!(asked(line(2)).await, "report 4");
        assert_eq!(asked(line(1)).await, "report 3");
        // What everybody may ask for by its name is kept under an address that a key may guess.
        let named = async |grant| ask_as(grant, &router, "/report?product_line=pumps").await.2;
        let everybody = Grant::All(Roles::of(&[Role::Admin]));
        assert_eq!(named(everybody).await, "report 5");
        assert_eq!(named(line(2)).await, "report 6");
        assert_eq!(named(line(1)).await, "report 7");
        assert_eq!(named(everybody).await, "report 5");
    }

    #[tokio::test]
    async fn who_asks_for_more_than_is_kept_is_told_to_come_back() {
        let kept = Kept::new(Duration::from_millis(1), Duration::from_millis(1));
        let (router, made) = served(LONG, kept);
        for number in 0..=MOST {
            let (status, come_back, _) = ask(&router, &format!("/report?number={number}")).await;
            assert_eq!((status, come_back.as_deref()), (503, Some("15")));
        }
        // All but the first wait for their turn, and the last is not even noted.
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }
}
