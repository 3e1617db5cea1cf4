//! Reports: the same figures as everywhere else.

use std::time::{Duration, Instant};

use fleetgrant::config::Reports;
use fleetgrant::report::{activation, delay, group::GroupBy, usage};
use fleetgrant_core::domain::Role;
use jiff::tz::TimeZone;

use crate::api::{NOW, Served};

#[tokio::test]
async fn a_report_is_what_the_ledger_says() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Auditor).await;
    let expected = api
        .store
        .read("test-report", |db| {
            Ok([
                serde_json::to_value(activation::read(db, None, NOW, None, &TimeZone::UTC)?)
                    .unwrap(),
                serde_json::to_value(usage::usage(db, None, NOW, GroupBy::Owner)?).unwrap(),
                serde_json::to_value(delay::order_to_activation(
                    db,
                    None,
                    NOW,
                    delay::Cohort::default(),
                    GroupBy::Product,
                )?)
                .unwrap(),
            ])
        })
        .await
        .unwrap();
    let paths = [
        "/api/v1/reports/activation",
        "/api/v1/reports/utilisation?by=owner",
        "/api/v1/reports/order-to-activation?by=product",
    ];
    for (path, expected) in paths.into_iter().zip(expected) {
        let answer = api.get_as(&key, path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json(), expected, "{path}");
    }
}

const OLD: (&str, &str) = ("cache-control", "max-age=600");
const NEW: (&str, &str) = ("cache-control", "no-cache");

/// What was written since is in one that is made now, and in none that was made before.
#[tokio::test]
async fn a_report_may_be_an_older_one_if_whoever_asks_says_so() {
    let api = Served::with_samples().await;
    let (key, admin) = (api.key(Role::Auditor).await, api.key(Role::Admin).await);
    let path = "/api/v1/reports/utilisation?by=owner";
    let before = api.get_as(&key, path).await;
    let (clinic, group) = (api.party("C-200").await, api.party("C-100").await);
    let merged = api
        .post(
            &admin,
            "merge",
            &format!("/api/v1/parties/{clinic}/merge"),
            ("application/json", &format!("{{\"into\":\"{group}\"}}")),
        )
        .await;
    assert_eq!(merged.status, 200, "{merged:?}");
    let old = api.get_with(&key, path, OLD).await;
    assert_eq!((old.status, &old.body), (200, &before.body));
    let tag = old.headers["etag"].to_str().unwrap();
    assert!(old.headers.contains_key("age"), "{old:?}");
    let new = api.get_with(&key, path, NEW).await;
    assert!(before.body.contains("Lakeside Clinic"), "{before:?}");
    assert!(!new.body.contains("Lakeside Clinic"), "{new:?}");
    let changed = api.get_with(&key, path, ("if-none-match", tag)).await;
    assert_eq!(changed.status, 200);
    let tag = new.headers["etag"].to_str().unwrap();
    let same = api.get_with(&key, path, ("if-none-match", tag)).await;
    assert_eq!((same.status, &*same.body), (304, ""));
    // What is quick and is asked for without a word is made anew.
    api.hands.advance(Duration::from_secs(60));
    assert_ne!(api.get_as(&key, path).await.json()["at"], new.json()["at"]);
    // In which order the parameters come is nothing to the report.
    let of = |query: &str| format!("/api/v1/reports/activations?{query}");
    let one = of("by=product,tier&within_days=30");
    let one = api.get_as(&key, &one).await.json();
    api.hands.advance(Duration::from_secs(60));
    let other = of("within_days=30&by=product%2Ctier");
    let other = api.get_with(&key, &other, OLD).await.json();
    assert_eq!(one, other);
}

#[tokio::test]
async fn a_name_that_is_erased_is_in_no_report_that_was_made_before() {
    let api = Served::with_samples().await;
    let (key, admin) = (api.key(Role::Auditor).await, api.key(Role::Admin).await);
    let path = "/api/v1/reports/utilisation?by=owner";
    let name = "Lakeside Clinic";
    assert!(api.get_as(&key, path).await.body.contains(name));
    assert!(api.get_with(&key, path, OLD).await.body.contains(name));
    let party = api.party("C-200").await;
    let erase = format!("/api/v1/parties/{party}/erase");
    assert_eq!(
        api.post(&admin, "erase", &erase, ("", "")).await.status,
        200
    );
    assert!(!api.get_with(&key, path, OLD).await.body.contains(name));
}

/// They are told to who says nothing, and to nobody who wants them new or sees other things.
#[tokio::test]
async fn a_report_that_was_made_ahead_is_there_at_once() {
    let ahead = Some(Duration::from_secs(3_600));
    let api = Served::with_reports(Reports { ahead }).await;
    let key = api.key(Role::Auditor).await;
    let at = async |path: &str| api.get_as(&key, path).await.json()["at"].clone();
    // Of those that have an instant the last that is made.
    let last = "/api/v1/reports/license-models";
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let before = at(last).await;
        api.hands.advance(Duration::from_secs(1));
        if at(last).await == before {
            break;
        }
        assert!(Instant::now() < deadline, "it was not made ahead");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for report in [
        "activation",
        "order-to-activation",
        "shipment-to-activation",
        "activations",
        "utilisation",
        "license-models",
    ] {
        let path = format!("/api/v1/reports/{report}");
        let before = at(&path).await;
        api.hands.advance(Duration::from_secs(1));
        assert_eq!(at(&path).await, before, "{report}");
        let new = api.get_with(&key, &path, NEW).await.json();
        assert_ne!(new["at"], before, "{report}");
        let of_a_line = format!("{path}?product_line=pumps");
        assert_eq!(api.get_as(&key, &of_a_line).await.status, 400, "{report}");
    }
    let before = at("/api/v1/reports/uses").await;
    api.hands.advance(Duration::from_secs(1));
    assert_ne!(at("/api/v1/reports/uses").await, before);
    tokio::time::timeout(Duration::from_secs(5), api.server.stop())
        .await
        .unwrap();
}

#[tokio::test]
async fn every_report_answers_and_refuses_what_it_cannot_mean() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Auditor).await;
    for path in [
        "shipment-to-activation?since=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00Z",
        "platforms",
        "license-models",
        "stuck?step=shipped&most=5",
        "activations?by=product,tier&within_days=30",
        "operations?by=owner&since=2026-01-01T00:00:00Z",
        "uses?by=model",
        "expiring?days=400",
        "tiers",
    ] {
        let answer = api.get_as(&key, &format!("/api/v1/reports/{path}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for path in [
        "activation?since=yesterday",
        "utilisation?by=colour",
        "stuck?most=0",
        "stuck?most=70000",
        "activations?by=colour",
        "activations?by=tier,tier",
        "expiring?days=soon",
        "activation?product_line=presses",
        "platforms?product-line=pumps",
    ] {
        let answer = api.get_as(&key, &format!("/api/v1/reports/{path}")).await;
        answer.is_problem(400, "bad-query");
    }
}

/// One customer's whole history is what the lists and its events tell.
#[tokio::test]
async fn a_customers_history_is_what_the_lists_tell() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Auditor).await;
    let party = api.party("C-200").await;
    let told = api
        .get_as(&key, &format!("/api/v1/reports/customer?party={party}"))
        .await
        .json();
    for (part, list) in [
        ("orders", "orders?party"),
        ("entitlements", "entitlements?owner"),
        ("devices", "devices?owner"),
        ("activations", "activations?owner"),
    ] {
        let path = format!("/api/v1/{list}={party}&limit=1000");
        assert_eq!(
            told[part],
            api.get_as(&key, &path).await.json()["items"],
            "{part}"
        );
    }
    assert!(!told["orders"].as_array().unwrap().is_empty());
    assert!(!told["shipments"].as_array().unwrap().is_empty());
    let path = format!("/api/v1/history?party={party}&limit=1000");
    let events = api.get_as(&key, &path).await.json();
    let mut events = events["items"].as_array().unwrap().clone();
    events.sort_by_key(|event| event["position"].as_i64());
    assert_eq!(told["events"].as_array().unwrap(), &events);
    for (query, status) in [
        (format!("party={}", "0".repeat(32)), 404),
        ("party=x".to_owned(), 400),
        (String::new(), 400),
    ] {
        let path = format!("/api/v1/reports/customer?{query}");
        assert_eq!(api.get_as(&key, &path).await.status, status, "{query}");
    }
}
