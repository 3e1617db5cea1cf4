//! Many acts in one request: each done or refused by itself, and once.

use serde_json::{Value, json};

use crate::desk::{DEVICE, Desk};

const ACTIVATIONS: &str = "/api/v1/activations/bulk";

#[tokio::test]
async fn what_is_refused_of_many_leaves_the_others_done() {
    let desk = Desk::open().await;
    let one =
        |units: u32| json!({"device": DEVICE, "entitlement": desk.entitlement, "units": units});
    let nowhere = json!({"device": "pump-none", "entitlement": desk.entitlement});
    let body = json!({"items": [one(2), one(9), nowhere, one(1)]});
    let preview = desk
        .send("p", "/api/v1/activations/bulk?preview=true", body.clone())
        .await;
    assert_eq!(preview.json()["done"], 2, "{preview:?}");
    assert_eq!(desk.in_use().await, 0);

    let answer = desk.send("b", ACTIVATIONS, body.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let many = answer.json();
    assert_eq!((&many["done"], &many["refused"]), (&json!(2), &json!(2)));
    let items = &many["items"];
    assert_eq!(items[0]["done"]["activations"][0]["units"], 2);
    assert!(items[0]["refused"].is_null());
    assert!(items[1]["done"].is_null());
    assert_eq!(items[1]["refused"]["rule"], "no-units-left");
    assert_eq!(items[2]["refused"]["status"], 404);
    assert_eq!(desk.in_use().await, 3);

    // Whoever heard no answer asks again: what is done is not done twice.
    let again = desk.send("b", ACTIVATIONS, body).await.json();
    assert_eq!(again["items"][0], items[0]);
    assert_eq!(desk.in_use().await, 3);
    // The name is this request's, also for what was refused of it.
    let other = json!({"items": [one(2), one(1)]});
    desk.send("b", ACTIVATIONS, other)
        .await
        .is_problem(422, "idempotency-key-reused");
    assert_eq!(desk.in_use().await, 3);
}

#[tokio::test]
async fn many_entitlements_and_devices_are_acted_on() {
    let desk = Desk::open().await;
    let hold = json!({"entitlement": desk.entitlement, "act": {"act": "hold"}});
    let none = json!({"entitlement": "00000000000000000000000000000000", "act": {"act": "hold"}});
    let path = "/api/v1/entitlements/bulk";
    let held = desk
        .send("e", path, json!({"items": [hold, none]}))
        .await
        .json();
    assert_eq!(held["items"][0]["done"]["entitlement"]["state"], "hold");
    assert_eq!(held["items"][1]["refused"]["type"], "/problems/not-found");
    let bad = json!({"entitlement": desk.entitlement, "act": {"act": "renew"}});
    let bad = desk.send("f", path, json!({"items": [hold, bad]})).await;
    bad.is_problem(400, "bad-body");
    assert!(
        bad.json()["detail"]
            .as_str()
            .unwrap()
            .starts_with("items[1]: ")
    );

    let acts = ["clear", "push", "declare-dead"].map(|act| json!({"device": DEVICE, "act": act}));
    let acted = desk
        .send("d", "/api/v1/devices/bulk", json!({"items": acts}))
        .await
        .json();
    assert_eq!((&acted["done"], &acted["refused"]), (&json!(2), &json!(1)));
    let device = desk.get(&format!("/api/v1/devices/{DEVICE}")).await;
    assert_eq!(device["state"], "tombstoned");
}

#[tokio::test]
async fn a_request_has_a_hundred_items_at_most() {
    let desk = Desk::open().await;
    let item = json!({"device": DEVICE, "act": "clear"});
    let many = |count: usize| -> Value { json!({"items": vec![item.clone(); count]}) };
    desk.send("a", "/api/v1/devices/bulk", many(101))
        .await
        .is_problem(400, "bad-body");
    let most = desk.send("b", "/api/v1/devices/bulk", many(100)).await;
    assert_eq!(most.json()["done"], 100, "{most:?}");
}
