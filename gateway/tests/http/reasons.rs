//! Why somebody acted, in their words.

use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::api::Answer;
use crate::desk::{DEVICE, Desk, JSON};

const REASON: &str = "fleetgrant-reason";

/// Assigns a unit with these reasons, as they stand in the header.
async fn assign(desk: &Desk, name: &str, reasons: &[&[u8]]) -> Answer {
    let mut request = reqwest::Client::new()
        .post(desk.api.url("/api/v1/activations"))
        .bearer_auth(&desk.key)
        .header("idempotency-key", name)
        .header("content-type", JSON)
        .body(desk.assignment(1));
    for reason in reasons {
        request = request.header(REASON, *reason);
    }
    Answer::of(request.send().await.unwrap()).await
}

async fn reasons(desk: &Desk, key: &str, query: &str) -> Vec<String> {
    let path = format!("/api/v1/history?{query}&limit=1000");
    let told = desk.api.get_as(key, &path).await.json();
    let told = told["items"].as_array().unwrap().iter();
    let mut told: Vec<_> = told
        .filter_map(|event| event["reason"].as_str().map(str::to_owned))
        .collect();
    told.dedup();
    told
}

#[tokio::test]
async fn a_reason_is_told_until_the_party_is_erased_and_the_chains_hold_after() {
    let desk = Desk::open().await;
    let admin = desk.api.key(Role::Admin).await;
    let clinic = desk.api.party("C-200").await;
    let done = assign(&desk, "a", &[b"Frau M%C3%BCller, 50%25 paid"]).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(desk.assign("b", 1).await.status, 200);
    let act = async |name: &str, path: &str, body: Value| {
        let request = reqwest::Client::new()
            .post(desk.api.url(path))
            .bearer_auth(&admin)
            .header("idempotency-key", name)
            .header(REASON, "asked by phone");
        let request = match body.is_null() {
            true => request,
            false => request.header("content-type", JSON).body(body.to_string()),
        };
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let entitlement = format!("/api/v1/entitlements/{}/acts", desk.entitlement);
    act("s", &entitlement, json!({"act": "suspend"})).await;
    act("h", &format!("/api/v1/parties/{clinic}/hold"), Value::Null).await;

    let of_device = format!("device={DEVICE}");
    let of_entitlement = format!("entitlement={}", desk.entitlement);
    let of_party = format!("party={clinic}");
    let assigned = "Frau M\u{fc}ller, 50% paid";
    let told = "asked by phone";
    assert_eq!(reasons(&desk, &admin, &of_device).await, [assigned]);
    assert_eq!(
        reasons(&desk, &admin, &of_entitlement).await,
        [told, assigned]
    );
    assert_eq!(reasons(&desk, &admin, &of_party).await.len(), 3);
    // It is of that act alone.
    let path = format!("/api/v1/devices/{DEVICE}/events");
    let events = desk.api.get_as(&admin, &path).await.json();
    let reserved: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "reserved")
        .map(|event| event["reason"].as_str())
        .collect();
    assert_eq!(reserved, [Some(assigned), None]);

    let before = desk
        .api
        .get_as(&admin, "/api/v1/history/verify")
        .await
        .json();
    let erased = act("e", &format!("/api/v1/parties/{clinic}/erase"), Value::Null).await;
    assert!(erased["reasons"].as_u64().unwrap() >= 3, "{erased}");
    for query in [&of_device, &of_entitlement, &of_party] {
        assert_eq!(reasons(&desk, &admin, query).await, [""; 0], "{query}");
    }
    let after = desk.api.get_as(&admin, "/api/v1/history/verify").await;
    assert_eq!(after.status, 200, "{after:?}");
    // That it was done is one event more.
    let count = |verified: &Value| verified["events"].as_u64().unwrap();
    assert_eq!(count(&after.json()), count(&before) + 1);
}

#[tokio::test]
async fn what_is_no_reason_is_refused_and_another_reason_is_another_request() {
    let desk = Desk::open().await;
    let long = "x".repeat(257);
    let bad: [&[&[u8]]; 6] = [
        &[long.as_bytes()],
        &[b"two%0Alines"],
        &[b"%FF"],
        &["M\u{fc}ller".as_bytes()],
        &[b"%20"],
        &[b"one", b"two"],
    ];
    for (index, reasons) in bad.iter().enumerate() {
        let refused = assign(&desk, &format!("bad {index}"), reasons).await;
        refused.is_problem(400, "bad-reason");
    }
    assert_eq!(desk.in_use().await, 0);
    assert_eq!(assign(&desk, "a", &[b"first"]).await.status, 200);
    let again = assign(&desk, "a", &[b"first"]).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    let other = assign(&desk, "a", &[b"second"]).await;
    other.is_problem(422, "idempotency-key-reused");
    assert_eq!(desk.in_use().await, 1);
}
