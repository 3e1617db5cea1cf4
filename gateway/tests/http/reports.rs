//! Reports: the same figures as everywhere else.

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
