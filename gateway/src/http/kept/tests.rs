#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::middleware;
use axum::routing::get;
use fleetgrant_core::domain::{ApiKeyId, PartyId, ProductLineId, Role, Roles, Timestamp};
use tower::ServiceExt as _;

use super::shelf::{BYTES, LARGEST, MOST, MOST_THERE};
use super::*;
use crate::access::Grant;

/// Reports that take so long, and how often any was made.
fn served(takes: Duration, kept: Kept) -> (Router, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = |made: &Arc<AtomicUsize>| made.fetch_add(1, Ordering::SeqCst);
    let counted = Arc::clone(&made);
    let slow = move || {
        let number = count(&counted);
        async move {
            tokio::time::sleep(takes).await;
            format!("report {number}")
        }
    };
    let counted = Arc::clone(&made);
    let failing = move || {
        let number = count(&counted);
        async move {
            tokio::time::sleep(takes).await;
            (StatusCode::INTERNAL_SERVER_ERROR, format!("fault {number}"))
        }
    };
    let large = async || vec![b'x'; LARGEST];
    let larger = async || vec![b'x'; LARGEST + 1];
    let router = Router::new()
        .route("/report", get(slow))
        .route("/failing", get(failing))
        .route("/large", get(large))
        .route("/larger", get(larger))
        .layer(middleware::from_fn_with_state(kept, report));
    (router, made)
}

/// A request, as by somebody who sees everything.
fn request(address: &str) -> Request {
    request_as(Grant::All(Roles::of(&[Role::Auditor])), address)
}

fn request_as(grant: Grant, address: &str) -> Request {
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
    request.body(Body::empty()).unwrap()
}

fn with(mut request: Request, name: header::HeaderName, value: &str) -> Request {
    let value = HeaderValue::from_str(value).unwrap();
    request.headers_mut().insert(name, value);
    request
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn send(router: &Router, request: Request) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

async fn ask(router: &Router, address: &str) -> Answer {
    send(router, request(address)).await
}

/// What is told to who takes a report that is so old.
async fn ask_for(router: &Router, address: &str, how_old: &str) -> String {
    let request = with(request(address), header::CACHE_CONTROL, how_old);
    send(router, request).await.body
}

fn is_to_come_back(answer: &Answer) {
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header(header::RETRY_AFTER), Some("15"));
}

const LONG: Duration = Duration::from_millis(400);
const QUICK: Duration = Duration::from_millis(1);

#[tokio::test]
async fn what_takes_longer_than_a_caller_waits_is_there_when_it_comes_back() {
    let kept = Kept::new(Duration::from_millis(50), Duration::from_millis(100));
    let (router, made) = served(LONG, kept);
    for _ in 0..3 {
        is_to_come_back(&ask(&router, "/report").await);
    }
    tokio::time::sleep(LONG).await;
    for _ in 0..3 {
        let answer = ask(&router, "/report").await;
        assert_eq!((answer.status, &*answer.body), (200, "report 0"));
        assert_eq!(answer.header(header::AGE), Some("0"));
    }
    // It was made once, and another is another.
    assert_eq!(made.load(Ordering::SeqCst), 1);
    is_to_come_back(&ask(&router, "/report?by=owner").await);
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn who_was_told_to_come_back_gets_it_however_new_it_was_to_be() {
    let kept = Kept::new(Duration::from_millis(50), WORTH);
    let (router, made) = served(LONG, kept);
    let newest = || with(request("/report"), header::CACHE_CONTROL, "no-cache");
    is_to_come_back(&send(&router, newest()).await);
    tokio::time::sleep(LONG).await;
    assert_eq!(send(&router, newest()).await.body, "report 0");
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_quick_is_made_each_time_and_what_was_kept_long_enough_anew() {
    let kept = Kept::new(PATIENCE, Duration::from_millis(100));
    let (router, made) = served(QUICK, kept.clone());
    for number in 0..3 {
        let answer = ask(&router, "/report").await;
        assert_eq!(
            (answer.status, answer.body),
            (200, format!("report {number}"))
        );
    }
    assert_eq!(made.load(Ordering::SeqCst), 3);
    let (router, made) = served(Duration::from_millis(100), Kept::new(PATIENCE, QUICK));
    assert_eq!(ask(&router, "/report").await.body, "report 0");
    assert_eq!(ask(&router, "/report").await.body, "report 0");
    // Ten times as long as it took.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(ask(&router, "/report").await.body, "report 1");
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn all_who_ask_meanwhile_are_told_what_is_made_once() {
    let (router, made) = served(LONG, Kept::default());
    let (one, other) = tokio::join!(
        ask(&router, "/report?a=1&b=2"),
        ask_for(&router, "/report?b=%32&a=1", "no-cache"),
    );
    assert_eq!((&*one.body, &*other), ("report 0", "report 0"));
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

/// `Age` is counted from the instant that the report is of, and not from when it was there.
#[tokio::test]
async fn who_says_how_old_it_may_be_is_told_an_older_one_with_its_age() {
    let second = Duration::from_secs(1);
    let (router, made) = served(second, Kept::default());
    let first = ask(&router, "/report").await;
    assert_eq!(first.header(header::AGE), Some("1"));
    assert_eq!(ask_for(&router, "/report", "max-age=600").await, "report 0");
    let known = first.header(header::ETAG).unwrap();
    let asked = with(request("/report"), header::CACHE_CONTROL, "max-age=600");
    let same = send(&router, with(asked, header::IF_NONE_MATCH, known)).await;
    assert_eq!((same.status, &*same.body), (304, ""));
    assert_eq!(same.header(header::ETAG), Some(known));
    assert_eq!(same.header(header::CONTENT_TYPE), None);
    assert_eq!(made.load(Ordering::SeqCst), 1);
    // It is a second old since it was made.
    assert_eq!(ask_for(&router, "/report", "max-age=1").await, "report 1");
    let other = send(
        &router,
        with(request("/report"), header::IF_NONE_MATCH, known),
    )
    .await;
    assert_eq!((other.status, &*other.body), (200, "report 2"));
}

#[tokio::test]
async fn a_report_is_known_by_its_tag_or_by_any() {
    let (router, _) = served(Duration::from_secs(1), Kept::default());
    let first = ask(&router, "/report").await;
    let tag = first.header(header::ETAG).unwrap();
    let status = async |known: &str| {
        let asked = with(request("/report"), header::CACHE_CONTROL, "max-age=600");
        let asked = with(asked, header::IF_NONE_MATCH, known);
        send(&router, asked).await.status
    };
    for known in [tag, &format!("\"x\", W/{tag}"), "*"] {
        assert_eq!(status(known).await, 304, "{known}");
    }
    for unknown in ["", "\"x\"", "\"a b\"", tag.trim_matches('"')] {
        assert_eq!(status(unknown).await, 200, "{unknown}");
    }
}

#[tokio::test]
async fn what_is_kept_for_one_party_or_product_line_is_told_to_no_other() {
    let kept = Kept::new(PATIENCE, QUICK);
    let (router, _) = served(Duration::from_millis(20), kept);
    let manufacturer = |id| Grant::Party(Roles::of(&[Role::Factory]), PartyId([id; 16]));
    let told = async |grant, address| {
        let asked = with(
            request_as(grant, address),
            header::CACHE_CONTROL,
            "max-age=60",
        );
        send(&router, asked).await.body
    };
    let asked = async |grant| told(grant, "/report").await;
    let everybody = Grant::All(Roles::of(&[Role::Admin]));
    assert_eq!(asked(manufacturer(1)).await, "report 0");
    assert_eq!(asked(manufacturer(2)).await, "report 1");
    assert_eq!(asked(everybody).await, "report 2");
    assert_eq!(asked(manufacturer(1)).await, "report 0");
    let line = |id| Grant::Line(Roles::of(&[Role::Auditor]), ProductLineId([id; 16]));
    assert_eq!(asked(line(1)).await, "report 3");
    assert_eq!(asked(line(2)).await, "report 4");
    assert_eq!(asked(line(1)).await, "report 3");
    // What everybody may ask for by its name is kept under an address that a key may guess.
    let named = async |grant| told(grant, "/report?product_line=pumps").await;
    assert_eq!(named(everybody).await, "report 5");
    assert_eq!(named(line(2)).await, "report 6");
    assert_eq!(named(line(1)).await, "report 7");
    assert_eq!(named(everybody).await, "report 5");
}

#[tokio::test]
async fn a_fault_is_told_to_who_waited_and_not_again() {
    let (router, _) = served(Duration::from_millis(20), Kept::new(PATIENCE, QUICK));
    let (one, other) = tokio::join!(ask(&router, "/failing"), ask(&router, "/failing"));
    assert_eq!((one.status, one.header(header::ETAG)), (500, None));
    assert_eq!((&*one.body, &*other.body), ("fault 0", "fault 0"));
    assert_eq!(ask_for(&router, "/failing", "max-age=60").await, "fault 1");
}

#[tokio::test]
async fn what_is_forgotten_is_told_to_nobody_who_asks_later() {
    let kept = Kept::new(PATIENCE, QUICK);
    let (router, _) = served(LONG, kept.clone());
    let asked = async || ask_for(&router, "/report", "max-age=60").await;
    assert_eq!(asked().await, "report 0");
    assert_eq!(asked().await, "report 0");
    kept.forget();
    let later = async {
        tokio::time::sleep(LONG / 4).await;
        // While one is made that began before.
        kept.forget();
        asked().await
    };
    let (before, after) = tokio::join!(asked(), later);
    assert_eq!((&*before, &*after), ("report 1", "report 2"));
    assert_eq!(asked().await, "report 2");
}

#[tokio::test]
async fn what_is_made_ahead_is_made_anew_and_told_to_who_says_nothing() {
    let (router, _) = served(LONG, Kept::default());
    let ahead = || {
        let mut request = request("/report");
        request
            .extensions_mut()
            .insert(Ahead(Duration::from_secs(60)));
        request
    };
    assert_eq!(send(&router, ahead()).await.body, "report 0");
    assert_eq!(ask(&router, "/report").await.body, "report 0");
    // The older one is told while the next is made.
    let asked = async {
        tokio::time::sleep(LONG / 4).await;
        ask(&router, "/report").await.body
    };
    let (made, asked) = tokio::join!(send(&router, ahead()), asked);
    assert_eq!((&*made.body, &*asked), ("report 1", "report 0"));
    assert_eq!(ask(&router, "/report").await.body, "report 1");
    assert_eq!(ask_for(&router, "/report", "no-cache").await, "report 2");
}

/// It waits for it as long as it takes, and is told of it no sooner.
#[tokio::test]
async fn what_is_made_ahead_is_too_old_after_twice_its_time() {
    let kept = Kept::new(QUICK, WORTH);
    let (router, _) = served(Duration::from_millis(20), kept);
    let mut ahead = request("/report");
    ahead.extensions_mut().insert(Ahead(LONG));
    assert_eq!(send(&router, ahead).await.body, "report 0");
    assert_eq!(ask(&router, "/report").await.body, "report 0");
    tokio::time::sleep(LONG * 2).await;
    is_to_come_back(&ask(&router, "/report").await);
}

#[tokio::test]
async fn who_asks_for_more_than_is_kept_is_told_to_come_back() {
    let (router, made) = served(LONG, Kept::new(QUICK, QUICK));
    for number in 0..=MOST {
        is_to_come_back(&ask(&router, &format!("/report?number={number}")).await);
    }
    // All but the first wait for their turn, and the last is not even noted.
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_there_is_bounded_in_bytes_and_in_number() {
    let kept = Kept::default();
    let (router, _) = served(QUICK, kept.clone());
    let old = Duration::from_secs(60);
    let mut ahead = request("/large?ahead");
    ahead.extensions_mut().insert(Ahead(old));
    send(&router, ahead).await;
    for number in 0..BYTES / LARGEST + 2 {
        ask(&router, &format!("/large?number={number}")).await;
    }
    assert_eq!(kept.shelf().held(), (BYTES / LARGEST, BYTES));
    let is_there = |address: &str| {
        let key = Key::of(
            Grant::All(Roles::of(&[Role::Auditor])),
            &address.parse().unwrap(),
        );
        let asked = Asked {
            oldest: Some(old),
            ahead: None,
        };
        matches!(kept.shelf().find(&key, asked), Found::There(_))
    };
    // The oldest has gone, and what is made ahead stays.
    assert!(is_there("/large?ahead") && is_there("/large?number=9"));
    assert!(!is_there("/large?number=0"));
    let bytes = kept.shelf().held();
    ask(&router, "/larger").await;
    assert_eq!(kept.shelf().held(), bytes);
    kept.forget();
    for number in 0..MOST_THERE + 3 {
        ask(&router, &format!("/report?number={number}")).await;
    }
    assert_eq!(kept.shelf().held().0, MOST_THERE);
}
