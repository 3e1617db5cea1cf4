//! What operators do over HTTP: once each, in the history with the key that did it.

use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::desk::{DEVICE, Desk, JSON, pair};

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

#[tokio::test]
async fn units_are_assigned_and_the_assignment_undone() {
    let desk = Desk::open().await;
    let assigned = desk.assign("a-1", 2).await;
    assert_eq!(assigned.status, 200, "{assigned:?}");
    let activation = &assigned.json()["activations"][0];
    assert_eq!(activation["state"], "reserved");
    assert_eq!(activation["units"], 2);
    assert_eq!(desk.in_use().await, 2);
    let id = activation["id"].as_str().unwrap();
    let path = format!("/api/v1/activations/{id}/cancel");
    let cancelled = desk.act("c-1", &path).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(cancelled.json()["activations"][0]["state"], "cancelled");
    assert_eq!(desk.in_use().await, 0);
    // What is cancelled cannot be again, and what was answered is answered again.
    desk.act("c-2", &path).await.is_problem(409, "refused");
    let again = desk.act("c-1", &path).await;
    assert_eq!(again.body, cancelled.body);
    assert_eq!(
        desk.happened().await,
        [
            pair("reserved", "key operator"),
            pair("cancelled", "key operator"),
        ]
    );
}

#[tokio::test]
async fn the_same_request_again_does_nothing_again() {
    let desk = Desk::open().await;
    let first = desk.assign("a-1", 1).await;
    assert!(first.headers.get("idempotency-replayed").is_none());
    for _ in 0..3 {
        let again = desk.assign("a-1", 1).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
    assert_eq!(desk.in_use().await, 1);
    desk.assign("a-1", 2)
        .await
        .is_problem(422, "idempotency-key-reused");
    desk.act("a-1", &format!("/api/v1/devices/{DEVICE}/clear"))
        .await
        .is_problem(422, "idempotency-key-reused");
    // The name is the key's own.
    let other = desk.api.key(Role::Admin).await;
    let body = desk.assignment(1);
    let answer = desk
        .api
        .post(&other, "a-1", "/api/v1/activations", (JSON, &body))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(desk.in_use().await, 2);
}

#[tokio::test]
async fn requests_that_cross_do_one_thing() {
    let desk = Desk::open().await;
    let answers = tokio::join!(
        desk.assign("a-1", 1),
        desk.assign("a-1", 1),
        desk.assign("a-1", 1),
        desk.assign("a-1", 1),
    );
    let bodies = [&answers.0, &answers.1, &answers.2, &answers.3].map(|answer| &answer.body);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(desk.in_use().await, 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_week() {
    let mut desk = Desk::open().await;
    desk.key = desk.api.key_living("desk", Role::Operator, 30 * DAY).await;
    let first = desk.assign("a-1", 1).await;
    desk.api.hands.advance(7 * DAY);
    assert_eq!(desk.assign("b-1", 1).await.status, 200);
    assert_eq!(desk.assign("a-1", 1).await.body, first.body);
    assert_eq!(desk.in_use().await, 2);
    desk.api.hands.advance(std::time::Duration::from_secs(1));
    // Each write forgets what is older.
    assert_eq!(desk.assign("c-1", 1).await.status, 200);
    assert_ne!(desk.assign("a-1", 1).await.body, first.body);
    assert_eq!(desk.in_use().await, 4);
}

#[tokio::test]
async fn a_rule_that_denies_is_named_and_nothing_is_kept() {
    let desk = Desk::open().await;
    let denied = desk.assign("a-1", 6).await;
    denied.is_problem(409, "refused");
    assert_eq!(denied.json()["rule"], "no-units-left");
    assert_eq!(desk.in_use().await, 0);
    // A refusal is not remembered: what is refused now may be right later.
    let good = desk.assign("a-1", 5).await;
    assert_eq!(good.status, 200, "{good:?}");
}

#[tokio::test]
async fn acts_on_devices_say_what_keeps_them_from_being_done() {
    let desk = Desk::open().await;
    let path = |verb: &str| format!("/api/v1/devices/{DEVICE}/{verb}");
    desk.act("p-1", &path("push"))
        .await
        .is_problem(409, "refused");
    desk.act("p-2", "/api/v1/devices/pump-none/push")
        .await
        .is_problem(404, "not-found");
    let cleared = desk.act("c-1", &path("clear")).await;
    assert_eq!(cleared.status, 200, "{cleared:?}");
    assert_eq!(desk.happened().await, [pair("cleared", "key operator")]);
    let none = "00000000000000000000000000000000";
    for verb in ["cancel", "revoke"] {
        desk.act(verb, &format!("/api/v1/activations/{none}/{verb}"))
            .await
            .is_problem(404, "not-found");
    }
    let body = json!({"key": "00"}).to_string();
    desk.api
        .post(&desk.key, "k-1", &path("admit"), (JSON, &body))
        .await
        .is_problem(400, "bad-body");
    let body = json!({"key": "00".repeat(32)}).to_string();
    let admitted = desk
        .api
        .post(&desk.key, "k-2", &path("admit"), (JSON, &body))
        .await;
    assert!([200, 409].contains(&admitted.status), "{admitted:?}");
}

#[tokio::test]
async fn nothing_is_done_while_the_clock_is_wrong() {
    let desk = Desk::open().await;
    desk.api.hands.jump(600);
    let answer = desk.assign("a-1", 1).await;
    answer.is_problem(503, "clock-jumped");
    assert_eq!(desk.in_use().await, 0);
}

#[tokio::test]
async fn a_request_that_means_nothing_is_refused_with_what_would() {
    let desk = Desk::open().await;
    let path = "/api/v1/activations";
    let post = async |name: &str, media_type: &str, body: &str| {
        desk.api
            .post(&desk.key, name, path, (media_type, body))
            .await
    };
    let good = desk.assignment(1);
    post("", JSON, &good)
        .await
        .is_problem(400, "idempotency-key-needed");
    post(&"x".repeat(129), JSON, &good)
        .await
        .is_problem(400, "idempotency-key-needed");
    post("a", "text/plain", &good)
        .await
        .is_problem(415, "unsupported-media-type");
    post("a", JSON, &"x".repeat(70_000))
        .await
        .is_problem(413, "too-large");
    let entitlement = &desk.entitlement;
    for (body, told) in [
        (String::new(), "EOF"),
        ("{}".to_owned(), "missing field `device`"),
        (format!("{good}{good}"), "trailing"),
        ("[".repeat(10_000), "invalid type: sequence"),
        (
            json!({"device": DEVICE, "entitlement": entitlement, "unit": 1}).to_string(),
            "unknown field `unit`",
        ),
        (
            json!({"device": DEVICE, "entitlement": entitlement, "units": -1}).to_string(),
            "units: invalid value: integer `-1`",
        ),
        (
            json!({"device": DEVICE, "entitlement": "4711"}).to_string(),
            "entitlement: \"4711\" is no id",
        ),
        (
            json!({"device": "no id", "entitlement": entitlement}).to_string(),
            "device: \"no id\" is no device id",
        ),
    ] {
        let answer = post("a", JSON, &body).await;
        answer.is_problem(400, "bad-body");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{body:.60}: {detail}");
    }
    assert_eq!(desk.in_use().await, 0);
    let zero = desk.assign("a", 0).await;
    zero.is_problem(409, "refused");
}

#[tokio::test]
async fn an_entitlement_is_held_and_released() {
    let desk = Desk::open().await;
    let path = format!("/api/v1/entitlements/{}/acts", desk.entitlement);
    let act = async |name: &str, body: Value| {
        let body = body.to_string();
        desk.api.post(&desk.key, name, &path, (JSON, &body)).await
    };
    let preview = act("p", json!({"act": "hold", "preview": true})).await;
    assert_eq!(preview.json()["entitlement"]["state"], "hold");
    let held = act("h", json!({"act": "hold", "reason": "payment"})).await;
    assert_eq!(held.status, 200, "{held:?}");
    assert_eq!(
        held.json()["entitlement"]["on_hold_for"],
        json!(["payment"])
    );
    assert_eq!(held.json()["changed"], true);
    desk.assign("a", 1).await.is_problem(409, "refused");
    let again = act("h-2", json!({"act": "hold", "reason": "payment"})).await;
    assert_eq!(again.json()["changed"], false, "so it stands already");
    let released = act("r", json!({"act": "release", "reason": "payment"})).await;
    assert_eq!(released.json()["entitlement"]["state"], "active");
    act("x", json!({"act": "suspend", "reason": "payment"}))
        .await
        .is_problem(400, "bad-body");
    let closed = act("c", json!({"act": "close"})).await;
    assert_eq!(closed.json()["entitlement"]["state"], "closed");
    act("s", json!({"act": "suspend"}))
        .await
        .is_problem(409, "refused");
    let nothing = "/api/v1/entitlements/00000000000070008000000000000000/acts";
    let body = json!({"act": "suspend"}).to_string();
    desk.api
        .post(&desk.key, "n", nothing, (JSON, &body))
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn an_order_is_amended_and_held() {
    let desk = Desk::open().await;
    let found = desk.get("/api/v1/orders?reference=SO-5002").await;
    let id = found["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/orders/{id}/acts");
    let act = async |name: &str, body: Value| {
        let body = body.to_string();
        desk.api.post(&desk.key, name, &path, (JSON, &body)).await
    };
    desk.assign("a", 4).await;
    let credit = json!({"act": "amend", "line": "10", "quantity": 3});
    let credited = act("c", credit.clone()).await;
    assert_eq!(credited.status, 200, "{credited:?}");
    let credited = credited.json()["entitlements"][0].clone();
    assert_eq!(
        (&credited["units"], &credited["pending_credit"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(act("c-2", credit).await.json()["changed"], false);
    let held = act("h", json!({"act": "hold"})).await.json();
    assert_eq!(held["entitlements"][0]["state"], "hold");
    act("l", json!({"act": "hold", "line": "10"}))
        .await
        .is_problem(400, "bad-body");
    act("q", json!({"act": "amend", "line": "10"}))
        .await
        .is_problem(400, "bad-body");
    act("n", json!({"act": "cancel", "line": "99"}))
        .await
        .is_problem(409, "refused");
}

#[tokio::test]
async fn an_entitlement_is_split_and_what_does_not_fit_an_act_is_named() {
    let desk = Desk::open().await;
    let path = format!("/api/v1/entitlements/{}/acts", desk.entitlement);
    let act = async |name: &str, body: Value| {
        let body = body.to_string();
        desk.api.post(&desk.key, name, &path, (JSON, &body)).await
    };
    let split = json!({"act": "split", "units": 2, "reference": "part"});
    let made = act("s", split.clone()).await.json();
    assert_eq!(made["entitlement"]["units"], 3);
    let part = made["made"].as_str().unwrap();
    assert_eq!(
        desk.get(&format!("/api/v1/entitlements/{part}")).await["units"],
        2
    );
    let again = act("s-2", split).await.json();
    assert_eq!(
        (&again["changed"], &again["made"]),
        (&json!(false), &json!(part))
    );
    act(
        "n",
        json!({"act": "renew", "term": "P1Y", "reference": "r"}),
    )
    .await
    .is_problem(409, "refused");
    for body in [
        json!({"act": "renew", "reference": "r"}),
        json!({"act": "renew", "term": "P1Y"}),
        json!({"act": "renew", "term": "P1Y", "at": "2027-01-01T00:00:00Z", "reference": "r"}),
        json!({"act": "renew", "term": "soon", "reference": "r"}),
        json!({"act": "split", "units": 1}),
        json!({"act": "transfer"}),
        json!({"act": "suspend", "units": 1}),
    ] {
        act("b", body).await.is_problem(400, "bad-body");
    }
}
