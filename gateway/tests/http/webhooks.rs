//! Webhooks over HTTP.

use fleetgrant_core::domain::Role;

use crate::api::Served;

const HOOKS: &str = "/api/v1/webhooks";
const JSON: &str = "application/json";

#[tokio::test]
async fn a_secret_is_told_once_and_not_by_a_replay() {
    let api = Served::start().await;
    let key = api.key(Role::Integrator).await;
    let body =
        r#"{"name":"erp","url":"https://erp.example.com/in","kinds":["removed","activated"]}"#;
    let made = api.post(&key, "make", HOOKS, (JSON, body)).await;
    assert_eq!(made.status, 200, "{made:?}");
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let shown = made.json()["webhook"].clone();
    assert_eq!(shown["kinds"], serde_json::json!(["activated", "removed"]));
    assert_eq!(shown["state"], "active");
    let again = api.post(&key, "make", HOOKS, (JSON, body)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert!(again.json()["secret"].is_null(), "{again:?}");
    assert_eq!(again.json()["webhook"], shown);
    let listed = api.get_as(&key, HOOKS).await;
    let mut standing = shown.clone();
    standing["waiting"] = 0.into();
    standing["dead"] = 0.into();
    assert_eq!(listed.json()["items"][0], standing);
    assert!(!listed.body.contains(&secret[6..]));
    let preview = format!("{HOOKS}/erp/rotate?preview=true");
    let preview = api.post(&key, "look", &preview, (JSON, "{}")).await;
    assert!(preview.json()["secret"].is_null(), "{preview:?}");
    let path = format!("{HOOKS}/erp/rotate");
    let body = r#"{"overlap_seconds":60}"#;
    let rotated = api.post(&key, "rotate", &path, (JSON, body)).await;
    assert_ne!(rotated.json()["secret"], secret);
    assert_eq!(
        rotated.json()["webhook"]["former_secret_until"],
        "2027-01-15T08:01:00Z"
    );
}

#[tokio::test]
async fn a_webhook_is_steered_as_at_the_command_line() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    let body = r#"{"name":"crm","url":"https://crm.example.com/","all":true}"#;
    api.post(&key, "1", HOOKS, (JSON, body)).await;
    let act = async |verb: &str| {
        let path = format!("{HOOKS}/crm/{verb}");
        api.post(&key, verb, &path, ("", "")).await
    };
    assert_eq!(act("pause").await.json()["state"], "paused");
    assert_eq!(act("resume").await.json()["state"], "active");
    let again = format!("{HOOKS}/crm/resume");
    let again = api.post(&key, "2", &again, ("", "")).await;
    again.is_problem(409, "refused");
    let replay = format!("{HOOKS}/crm/replay");
    let since = r#"{"since":"2027-01-01T00:00:00Z"}"#;
    let replayed = api.post(&key, "3", &replay, (JSON, since)).await;
    assert_eq!(replayed.json()["messages"], 0, "{replayed:?}");
    let message = r#"{"message":"msg_none_1"}"#;
    let unknown = api.post(&key, "4", &replay, (JSON, message)).await;
    unknown.is_problem(404, "not-found");
    let both = r#"{"message":"m","since":"2027-01-01T00:00:00Z"}"#;
    let both = api.post(&key, "5", &replay, (JSON, both)).await;
    both.is_problem(400, "bad-body");
    let listed = api
        .get_as(&key, &format!("{HOOKS}/crm/deliveries?state=dead"))
        .await;
    assert_eq!(listed.json()["items"], serde_json::json!([]));
    assert_eq!(act("remove").await.json()["name"], "crm");
    let gone = api.get_as(&key, &format!("{HOOKS}/crm")).await;
    gone.is_problem(404, "not-found");
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    for (body, status, kind, told) in [
        (
            r#"{"name":"a b","url":"https://a.example/","all":true}"#,
            400,
            "bad-body",
            "1 to 64",
        ),
        (
            r#"{"name":"a","url":"https://a.example/"}"#,
            400,
            "bad-body",
            "either",
        ),
        (
            r#"{"name":"a","url":"https://a.example/","kinds":["eaten"]}"#,
            400,
            "bad-body",
            "none of",
        ),
        (
            r#"{"name":"a","url":"http://a.example/","all":true}"#,
            409,
            "refused",
            "only https",
        ),
        (
            r#"{"name":"a","url":"https://127.0.0.1/","all":true}"#,
            409,
            "refused",
            "private network",
        ),
        (
            r#"{"name":"a","url":"https://a.example/","all":true,"product_line":"x"}"#,
            409,
            "refused",
            "product line",
        ),
        (
            r#"{"name":"a","url":"https://a.example/","all":true,"party":"00000000000000000000000000000000"}"#,
            409,
            "refused",
            "no party",
        ),
    ] {
        let answer = api.post(&key, body, HOOKS, (JSON, body)).await;
        answer.is_problem(status, kind);
        assert!(answer.body.contains(told), "{answer:?}");
    }
    let answer = api.get_as(&key, HOOKS).await;
    assert_eq!(answer.json()["items"], serde_json::json!([]));
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_told_of() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    let body = r#"{"name":"erp","url":"https://localhost:1/","all":true}"#;
    api.post(&key, "1", HOOKS, (JSON, body)).await;
    let path = format!("{HOOKS}/erp/test");
    let tried = api.post(&key, "2", &path, ("", "")).await;
    assert_eq!(tried.status, 200, "{tried:?}");
    assert_eq!(tried.json()["taken"], false);
    let problem = tried.json()["problem"].to_string();
    assert!(problem.contains("may be sent to"), "{problem}");
}
