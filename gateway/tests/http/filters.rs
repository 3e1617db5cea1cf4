//! Filters of lists: each chooses its rows, and what cannot be one is told what can.

use std::time::Duration;

use fleetgrant_core::domain::{Role, Roles};
use serde_json::{Value, json};

use crate::api::Served;
use crate::desk::{DEVICE, Desk, JSON};

/// What the rows of a list have in a field.
async fn rows(api: &Served, key: &str, list: &str, field: &str) -> Vec<String> {
    let page = api.get_as(key, &format!("/api/v1/{list}")).await;
    assert_eq!(page.status, 200, "{list}: {page:?}");
    let page = page.json();
    assert_eq!(page["next"], Value::Null, "{list}");
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

async fn made(api: &Served, key: &str, name: &str, path: &str, body: Value) {
    let path = format!("/api/v1/{path}");
    let answer = api.post(key, name, &path, (JSON, &body.to_string())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn keys_are_found_by_what_they_may_and_how_they_stand() {
    let api = Served::with_samples().await;
    let admin = api.key(Role::Admin).await;
    let clinic = api.party("C-200").await;
    api.key_for(Role::Customer, Some(clinic)).await;
    let desk = Roles::of(&[Role::Support, Role::Auditor]);
    api.key_named("desk", desk, None).await;
    for (name, lives) in [("short", 60), ("ended", 86_400)] {
        let body = json!({
            "name": name, "roles": ["auditor"], "product_line": "pumps", "lives_seconds": lives,
        });
        made(&api, &admin, name, "keys", body).await;
    }
    let end = api
        .post(&admin, "end", "/api/v1/keys/ended/revoke", ("", ""))
        .await;
    assert_eq!(end.status, 200, "{end:?}");
    api.hands.advance(Duration::from_secs(60));
    let found = async |filter: &str| rows(&api, &admin, &format!("keys?{filter}"), "name").await;
    assert_eq!(found("role=auditor").await, ["desk", "ended", "short"]);
    assert_eq!(found("role=customer").await, ["customer"]);
    assert_eq!(found(&format!("party={clinic}")).await, ["customer"]);
    assert_eq!(found("product_line=pumps").await, ["ended", "short"]);
    assert_eq!(found("product_line=none").await, [""; 0]);
    assert_eq!(found("state=active").await, ["admin", "customer", "desk"]);
    assert_eq!(found("state=expired").await, ["short"]);
    assert_eq!(found("state=revoked").await, ["ended"]);
    assert_eq!(
        found("role=auditor&state=revoked&sort=-name").await,
        ["ended"]
    );
}

#[tokio::test]
async fn stations_are_found_by_who_runs_them() {
    let api = Served::with_samples().await;
    let admin = api.key(Role::Admin).await;
    let (one, other) = (api.party("P-10").await, api.party("C-200").await);
    for (name, body) in [
        ("own", json!({"name": "own"})),
        (
            "one",
            json!({"name": "one", "manufacturer": one.to_string()}),
        ),
        (
            "other",
            json!({"name": "other", "manufacturer": other.to_string()}),
        ),
    ] {
        made(&api, &admin, name, "stations", body).await;
    }
    let by_one = format!("stations?manufacturer={one}");
    assert_eq!(rows(&api, &admin, &by_one, "name").await, ["one"]);
    // To ask for another's is no way round.
    let factory = api.key_for(Role::Factory, Some(other)).await;
    assert_eq!(rows(&api, &factory, "stations", "name").await, ["other"]);
    assert_eq!(rows(&api, &factory, &by_one, "name").await, [""; 0]);
}

#[tokio::test]
async fn webhooks_are_found_by_what_they_are_told_and_how_they_stand() {
    let api = Served::with_samples().await;
    let admin = api.key(Role::Admin).await;
    let clinic = api.party("C-200").await;
    let url = "https://erp.example.com/";
    for (name, body) in [
        ("all", json!({"name": "all", "url": url, "all": true})),
        (
            "some",
            json!({"name": "some", "url": url, "kinds": ["activated", "removed"]}),
        ),
        (
            "clinic",
            json!({"name": "clinic", "url": url, "kinds": ["removed"], "party": clinic.to_string()}),
        ),
        (
            "pumps",
            json!({"name": "pumps", "url": url, "kinds": ["shipped"], "product_line": "pumps"}),
        ),
    ] {
        made(&api, &admin, name, "webhooks", body).await;
    }
    api.post(&admin, "pause", "/api/v1/webhooks/some/pause", ("", ""))
        .await;
    let found = async |filter: &str| {
        let list = format!("webhooks?{filter}");
        rows(&api, &admin, &list, "name").await
    };
    assert_eq!(found("kind=activated").await, ["all", "some"]);
    assert_eq!(found("kind=removed").await, ["all", "clinic", "some"]);
    assert_eq!(found("state=paused").await, ["some"]);
    assert_eq!(found("kind=removed&state=active").await, ["all", "clinic"]);
    assert_eq!(found(&format!("party={clinic}")).await, ["clinic"]);
    assert_eq!(found("product_line=pumps").await, ["pumps"]);
}

#[tokio::test]
async fn events_of_a_device_are_found_by_kind_and_time() {
    let desk = Desk::open().await;
    desk.assign("a", 1).await;
    desk.api.hands.advance(Duration::from_secs(10));
    desk.assign("b", 1).await;
    let found = async |filter: &str| {
        let list = format!("devices/{DEVICE}/events?{filter}");
        rows(&desk.api, &desk.key, &list, "kind").await
    };
    let all = found("").await;
    assert!(all.len() > 2, "{all:?}");
    assert_eq!(found("kind=reserved").await, ["reserved", "reserved"]);
    assert_eq!(found("kind=run-closed").await, [""; 0]);
    let (first, second) = ("2027-01-15T08:00:00Z", "2027-01-15T08:00:10Z");
    assert_eq!(
        found(&format!("kind=reserved&since={second}")).await,
        ["reserved"]
    );
    assert_eq!(
        found(&format!("kind=reserved&until={second}")).await,
        ["reserved"]
    );
    assert_eq!(found(&format!("until={first}")).await, [""; 0]);
}

#[tokio::test]
async fn codes_of_a_pack_are_found_by_how_they_stand() {
    let api = Served::with_samples().await;
    let admin = api.key(Role::Admin).await;
    let codes = "packs/SHOW-2026/codes";
    let all = rows(&api, &admin, codes, "id").await;
    assert!(all.len() > 1, "{all:?}");
    let void = format!("/api/v1/codes/{}/void", all[0]);
    let void = api.post(&admin, "void", &void, ("", "")).await;
    assert_eq!(void.status, 200, "{void:?}");
    let of = async |state: &str| {
        let list = format!("{codes}?state={state}");
        rows(&api, &admin, &list, "id").await
    };
    assert_eq!(of("void").await, all[..1]);
    assert_eq!(of("free").await, all[1..]);
}

#[tokio::test]
async fn a_filter_that_cannot_be_is_refused_with_what_can() {
    let api = Served::with_samples().await;
    let admin = api.key(Role::Admin).await;
    for (query, told) in [
        (
            "keys?role=king",
            "role: \"king\" is none of factory, operator, support",
        ),
        (
            "keys?state=dead",
            "state: \"dead\" is none of active, expired, revoked",
        ),
        ("keys?party=4711", "party: \"4711\" is no id"),
        ("keys?name=x", "unknown field `name`, expected one of"),
        (
            "stations?manufacturer=x",
            "manufacturer: \"x\" is no id: 32 hexadecimal digits",
        ),
        (
            "webhooks?state=on",
            "state: \"on\" is none of active, paused, disabled",
        ),
        ("webhooks?kind=x", "kind: \"x\" is none of "),
        (
            "devices/pump-SN-0001/events?kind=x",
            "kind: \"x\" is none of ",
        ),
        (
            "devices/pump-SN-0001/events?since=monday",
            "since: \"monday\" is no instant; write it as",
        ),
        (
            "packs/SHOW-2026/codes?state=x",
            "state: \"x\" is none of free, ",
        ),
    ] {
        let answer = api.get_as(&admin, &format!("/api/v1/{query}")).await;
        answer.is_problem(400, "bad-query");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{query}: {detail}");
    }
}
