//! `ETag` and `If-Match`: nobody changes what they have not seen.

use serde_json::{Value, json};

use crate::desk::{DEVICE, Desk};

#[tokio::test]
async fn an_act_is_done_only_to_what_was_seen() {
    let desk = Desk::open().await;
    let path = format!("/api/v1/entitlements/{}", desk.entitlement);
    let acts = format!("{path}/acts");
    let seen = desk.api.get_as(&desk.key, &path).await;
    let seen = seen.header("etag").to_owned();
    let hold = json!({"act": "hold"});
    let act = async |name, version: &str| {
        desk.api
            .post_if(&desk.key, (name, version), &acts, &hold)
            .await
    };
    // Somebody else is faster.
    assert_eq!(desk.assign("a", 1).await.status, 200);
    let late = act("h", &seen).await;
    late.is_problem(412, "precondition-failed");
    let now = desk.api.get_as(&desk.key, &path).await;
    assert_eq!(now.json()["state"], "active", "nothing was done");
    let now = now.header("etag").to_owned();
    assert!(late.json()["detail"].as_str().unwrap().contains(&now));
    act("w", &format!("W/{now}"))
        .await
        .is_problem(412, "precondition-failed");
    act("m", "no tag").await.is_problem(400, "bad-query");
    let done = act("h", &format!("{seen}, {now}")).await;
    assert_eq!(done.status, 200, "{done:?}");
    let again = act("h", &now).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(act("star", "*").await.status, 200);
}

#[tokio::test]
async fn of_two_that_saw_the_same_one_is_told_to_look_again() {
    let desk = Desk::open().await;
    let path = format!("/api/v1/entitlements/{}", desk.entitlement);
    let seen = desk.api.get_as(&desk.key, &path).await;
    let seen = seen.header("etag");
    let acts = format!("{path}/acts");
    let hold = json!({"act": "hold", "reason": "payment"});
    let suspend = json!({"act": "suspend"});
    let act = |name, body| desk.api.post_if(&desk.key, (name, seen), &acts, body);
    let (one, other) = tokio::join!(act("1", &hold), act("2", &suspend));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[tokio::test]
async fn every_thing_that_can_be_changed_has_a_version() {
    let desk = Desk::open().await;
    let id = |answer: &Value| answer["items"][0]["id"].as_str().unwrap().to_owned();
    let order = id(&desk.get("/api/v1/orders?reference=SO-5002").await);
    for (path, verb, body) in [
        (
            format!("/api/v1/orders/{order}"),
            "acts",
            json!({"act": "hold"}),
        ),
        (format!("/api/v1/devices/{DEVICE}"), "clear", Value::Null),
    ] {
        let shown = desk.api.get_as(&desk.key, &path).await;
        let version = shown.header("etag");
        assert_eq!(
            desk.api.get_as(&desk.key, &path).await.header("etag"),
            version
        );
        let verb = format!("{path}/{verb}");
        let other = desk
            .api
            .post_if(&desk.key, ("o", "\"other\""), &verb, &body)
            .await;
        other.is_problem(412, "precondition-failed");
        let done = desk
            .api
            .post_if(&desk.key, (&path, version), &verb, &body)
            .await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    // What is made has none yet.
    let assignment: Value = serde_json::from_str(&desk.assignment(1)).unwrap();
    let made = desk
        .api
        .post_if(&desk.key, ("m", "*"), "/api/v1/activations", &assignment)
        .await;
    made.is_problem(412, "precondition-failed");
}
