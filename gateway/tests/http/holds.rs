//! Parties on hold.

use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::desk::Desk;

#[tokio::test]
async fn a_party_is_held_and_released() {
    let desk = Desk::open().await;
    let clinic = desk.api.party("C-200").await;
    let path = |verb: &str| format!("/api/v1/parties/{clinic}/{verb}");
    let sheet = async || desk.get(&format!("/api/v1/parties/{clinic}")).await;
    assert_eq!(desk.assign("a", 1).await.status, 200);

    let held = json!({"state": "hold", "changed": true, "devices": 0});
    let preview = desk.act("p", &path("hold?preview=true")).await;
    assert_eq!(preview.json(), held);
    assert_eq!(sheet().await["state"], "active");
    assert_eq!(desk.act("h", &path("hold")).await.json(), held);
    assert_eq!(sheet().await["state"], "hold");
    let again = desk.act("h", &path("hold")).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(
        desk.act("h-2", &path("hold")).await.json()["changed"],
        false
    );

    let denied = desk.assign("b", 1).await;
    denied.is_problem(409, "refused");
    assert!(denied.body.contains("party-on-hold"), "{denied:?}");
    assert_eq!(desk.in_use().await, 1);

    // The one that was assigned before waits, and is looked at.
    let version = {
        let shown = desk
            .api
            .get_as(&desk.key, &format!("/api/v1/parties/{clinic}"))
            .await;
        shown.header("etag").to_owned()
    };
    let (old, none) = (("r-0", "\"old\""), Value::Null);
    let stale = desk
        .api
        .post_if(&desk.key, old, &path("release"), &none)
        .await;
    assert_eq!(stale.status, 412, "{stale:?}");
    let seen = ("r", version.as_str());
    let released = desk
        .api
        .post_if(&desk.key, seen, &path("release"), &none)
        .await;
    assert_eq!(
        released.json(),
        json!({"state": "active", "changed": true, "devices": 1})
    );
    assert_eq!(desk.assign("c", 1).await.status, 200);

    let auditor = desk.api.key(Role::Auditor).await;
    let history = format!("/api/v1/events?stream=party:{clinic}");
    let told = desk.api.get_as(&auditor, &history).await.json();
    let told: Vec<_> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["actor"] == "key operator")
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["party-held", "party-released"]);
}

#[tokio::test]
async fn who_may_not_hold_a_party_does_not_and_one_that_is_no_more_is_not_held() {
    let desk = Desk::open().await;
    let (clinic, group) = (desk.api.party("C-200").await, desk.api.party("C-100").await);
    let path = format!("/api/v1/parties/{clinic}/hold");
    let support = desk.api.key(Role::Support).await;
    let refused = desk.api.post(&support, "s", &path, ("", "")).await;
    refused.is_problem(403, "forbidden");
    let body = desk.send("b", &path, json!({})).await;
    body.is_problem(400, "bad-body");
    let none = "/api/v1/parties/00000000000000000000000000000000/hold";
    desk.act("n", none).await.is_problem(404, "not-found");

    let merge = format!("/api/v1/parties/{clinic}/merge");
    let into = json!({"into": group.to_string()});
    desk.act("h", &path).await;
    let kept = desk.send("m", &merge, into.clone()).await;
    kept.is_problem(409, "refused");
    assert!(kept.body.contains("release it first"), "{kept:?}");
    desk.act("r", &format!("/api/v1/parties/{clinic}/release"))
        .await;
    assert_eq!(desk.send("m-2", &merge, into).await.status, 200);
    let gone = desk.act("g", &path).await;
    gone.is_problem(409, "refused");
}
