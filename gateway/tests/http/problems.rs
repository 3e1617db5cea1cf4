//! Refusals that have nothing to do with what a route is for.

use fleetgrant_core::domain::Role;

use crate::api::{Answer, Served};
use crate::desk::JSON;

#[tokio::test]
async fn an_unknown_address_is_a_problem() {
    let api = Served::start().await;
    let answer = api.get("/api/v1/nothing?x=1").await;
    answer.is_problem(404, "not-found");
    assert!(answer.body.contains("/api/v1/nothing"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let api = Served::start().await;
    let response = reqwest::Client::new()
        .delete(api.url("/healthz"))
        .send()
        .await
        .unwrap();
    let answer = Answer::of(response).await;
    answer.is_problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

/// PostgreSQL stores it in no text, SQLite does; here it is the same on both.
#[tokio::test]
async fn the_character_nul_is_refused_wherever_text_comes_in() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    for path in [
        "/api/v1/parties/a%00b",
        "/api/v1/devices/pump-%00",
        "/api/v1/policies/%00",
        "/api/v1/orders?reference=a%00b",
        "/api/v1/entitlements?reference=%00",
        "/api/v1/events?kind=created&x=%00",
        "/%00",
    ] {
        let answer = api.get_as(&key, path).await;
        answer.is_problem(400, "bad-query");
        assert!(answer.body.contains("NUL"), "{answer:?}");
    }
    let bodies = [
        ("/api/v1/keys", r#"{"name":"a\u0000b","roles":["auditor"]}"#),
        (
            "/api/v1/webhooks",
            r#"{"name":"erp","url":"https://a.example/\u0000","all":true}"#,
        ),
    ];
    for (number, (path, body)) in bodies.into_iter().enumerate() {
        let name = format!("nul-{number}");
        let answer = api.post(&key, &name, path, (JSON, body)).await;
        answer.is_problem(400, "bad-body");
        assert!(answer.body.contains("NUL"), "{answer:?}");
    }
    // A backslash before it makes it six characters.
    let body = r#"{"name":"a\\u0000b"}"#;
    let answer = api.post(&key, "none", "/api/v1/keys", (JSON, body)).await;
    answer.is_problem(400, "bad-body");
    assert!(!answer.body.contains("NUL"), "{answer:?}");
    let file = "system,party,name\nerp,NUL-1,a\0b\n";
    let path = "/api/v1/imports/parties";
    let refused = api.post(&key, "csv", path, ("text/csv", file)).await;
    refused.is_problem(422, "import-refused");
    assert!(refused.body.contains("control characters"), "{refused:?}");
}

#[tokio::test]
async fn a_cursor_with_the_character_nul_is_none() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    let page = api.get_as(&key, "/api/v1/parties?limit=1").await.json();
    let cursor = page["next"].as_str().unwrap();
    let alphabet = data_encoding::BASE64URL_NOPAD;
    let mut bytes = alphabet.decode(cursor.as_bytes()).unwrap();
    bytes.push(0);
    let forged = alphabet.encode(&bytes);
    let path = format!("/api/v1/parties?limit=1&cursor={forged}");
    api.get_as(&key, &path).await.is_problem(400, "bad-cursor");
}
