//! Keys: which are good, for how long, and how often they may ask.

use std::num::NonZeroU32;
use std::time::Duration;

use fleetgrant::access;
use fleetgrant::config::{Bucket, Http};
use fleetgrant::store::api_key::{self, ApiKeyFilter};
use fleetgrant::store::event::{self, Stream};
use fleetgrant_core::domain::{Role, Roles};

use crate::api::{LIFE, NOW, Served, config};

const KEY: &str = "/api/v1/key";

#[tokio::test]
async fn a_key_knows_itself() {
    let api = Served::start().await;
    let roles = Roles::of(&[Role::Support, Role::Auditor]);
    let key = api.key_named("desk-1", roles, None).await;
    let answer = api.get_as(&key, KEY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "name": "desk-1",
            "roles": ["support", "auditor"],
            "party": null,
            "product_line": null,
            "created_at": "2027-01-15T08:00:00Z",
            "expires_at": "2027-01-15T09:00:00Z",
        })
    );
}

#[tokio::test]
async fn without_a_good_key_the_way_to_one_is_told() {
    let api = Served::start().await;
    let without = api.get(KEY).await;
    without.is_problem(401, "unauthenticated");
    assert_eq!(
        without.header("www-authenticate"),
        "Bearer realm=\"fleetgrant\""
    );
    let good = api.key(Role::Admin).await;
    for wrong in [
        "",
        "fgk_",
        &good[1..],
        &good.replace("fgk_", "fgk_A"),
        &"x".repeat(4_000),
    ] {
        let answer = api.get_as(wrong, KEY).await;
        answer.is_problem(401, "unauthenticated");
    }
    let other = access::Token::random().to_string();
    api.get_as(&other, KEY)
        .await
        .is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_ends_when_its_time_is_over() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    api.hands.advance(LIFE - Duration::from_secs(1));
    assert_eq!(api.get_as(&key, KEY).await.status, 200);
    api.hands.advance(Duration::from_secs(1));
    api.get_as(&key, KEY).await.is_problem(401, "key-expired");
}

#[tokio::test]
async fn a_revoked_key_ends_at_once_and_the_history_says_so() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    assert_eq!(api.get_as(&key, KEY).await.status, 200);
    let name = "admin".parse().unwrap();
    let (id, events) = api
        .store
        .write("test-revoke", move |db| {
            access::revoke(db, &name, "tester", NOW).unwrap();
            let id = api_key::by_name(db, "admin")?.unwrap().id.0;
            Ok((id, event::of_stream(db, Stream::Key(id))?))
        })
        .await
        .unwrap();
    api.get_as(&key, KEY).await.is_problem(401, "key-revoked");
    let kinds: Vec<_> = events.iter().map(|event| event.kind.0.as_str()).collect();
    assert_eq!(kinds, ["key-created", "key-revoked"], "{id}");
    event::verify_chain(&events).unwrap();
    let told = format!("{events:?}");
    assert!(!told.contains(&key[4..]), "a secret stands in the history");
}

#[tokio::test]
async fn the_last_use_is_written_once_a_minute() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    let last_use = async || {
        let key = api
            .store
            .read("test-key", |db| api_key::by_name(db, "admin"))
            .await;
        key.unwrap().unwrap().last_used_at.map(|at| at.0)
    };
    assert_eq!(last_use().await, None);
    let used_at = async |expected| {
        api.get_as(&key, KEY).await;
        // It is written beside the request.
        for _ in 0..200 {
            if last_use().await == Some(expected) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} instead of {expected}", last_use().await);
    };
    used_at(NOW).await;
    api.hands.advance(Duration::from_secs(30));
    used_at(NOW).await;
    api.hands.advance(Duration::from_secs(31));
    used_at(NOW.plus_seconds(61)).await;
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let api = Served::with(Http {
        key: Bucket {
            every: Duration::from_secs(7),
            burst: NonZeroU32::new(2).unwrap(),
        },
        ..config()
    })
    .await;
    let (one, other) = (api.key(Role::Admin).await, api.key(Role::Auditor).await);
    assert_eq!(api.get_as(&one, KEY).await.status, 200);
    assert_eq!(api.get_as(&one, KEY).await.status, 200);
    let refused = api.get_as(&one, KEY).await;
    refused.is_problem(429, "too-many-requests");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    assert_eq!(api.get_as(&other, KEY).await.status, 200);
}

#[tokio::test]
async fn a_key_is_made_over_http_and_shown_once() {
    let api = Served::start().await;
    let admin = api.key(Role::Admin).await;
    let body = r#"{"name": "erp", "roles": ["integrator"], "lives_seconds": 3600}"#;
    let post = async |name: &str, path: &str, body: &str| {
        let kind = if body.is_empty() {
            ""
        } else {
            "application/json"
        };
        api.post(&admin, name, path, (kind, body)).await
    };
    let preview = post("p", "/api/v1/keys?preview=true", body).await.json();
    assert!(preview["secret"].is_null());
    api.get_as(&admin, "/api/v1/keys/erp")
        .await
        .is_problem(404, "not-found");
    let made = post("m", "/api/v1/keys", body).await.json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(api.get_as(&secret, KEY).await.json()["name"], "erp");
    let again = post("m", "/api/v1/keys", body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert!(again.json()["secret"].is_null());
    // The database never had it.
    let stored = api
        .store
        .read("test-writes", |db| {
            Ok(format!(
                "{:?}",
                api_key::list(db, &ApiKeyFilter::default(), 10)?
            ))
        })
        .await
        .unwrap();
    assert!(!stored.contains(&secret));
    post("m-2", "/api/v1/keys", body)
        .await
        .is_problem(409, "refused");
    for body in [
        r#"{"name": "no name", "roles": ["integrator"]}"#,
        r#"{"name": "x", "roles": []}"#,
        r#"{"name": "x", "roles": ["customer"]}"#,
        r#"{"name": "x", "roles": ["king"]}"#,
    ] {
        post("b", "/api/v1/keys", body)
            .await
            .is_problem(400, "bad-body");
    }
    let nobody =
        r#"{"name": "x", "roles": ["customer"], "party": "00000000000000000000000000000000"}"#;
    post("n", "/api/v1/keys", nobody)
        .await
        .is_problem(409, "refused");
    let ages = r#"{"name": "x", "roles": ["auditor"], "lives_seconds": 999999999999}"#;
    post("a", "/api/v1/keys", ages)
        .await
        .is_problem(409, "refused");
    let listed = api.get_as(&admin, "/api/v1/keys").await.json();
    let names: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["name"])
        .collect();
    assert_eq!(names, ["admin", "erp"]);
    let ended = post("r", "/api/v1/keys/erp/revoke", "").await;
    assert!(ended.json()["revoked_at"].is_string(), "{ended:?}");
    api.get_as(&secret, KEY)
        .await
        .is_problem(401, "key-revoked");
    post("r-2", "/api/v1/keys/erp/revoke", "")
        .await
        .is_problem(409, "refused");
    post("r-3", "/api/v1/keys/none/revoke", "")
        .await
        .is_problem(404, "not-found");
}
