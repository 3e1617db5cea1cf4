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
async fn what_lies_over_the_policies_of_tiers_is_in_one_list() {
    let api = Served::with_samples().await;
    let admin = api.key(Role::Admin).await;
    let (clinic, partner) = (api.party("C-200").await, api.party("P-10").await);
    let id = async |list: &str| {
        let page = api.get_as(&admin, &format!("/api/v1/{list}")).await.json();
        page["items"][0]["id"].as_str().unwrap().to_owned()
    };
    let product = id("products?code=PUMP-BASE").await;
    let right = id("entitlements?reference=SO-5002/10/PUMP-BASE/perpetual").await;
    for (reference, path) in [
        ("A-1", format!("products/{product}/policy")),
        ("B-1", format!("parties/{clinic}/contract")),
        ("C-1", format!("entitlements/{right}/policy")),
        ("D-1", format!("parties/{partner}/contract")),
        ("A-2", format!("products/{product}/policy")),
        ("B-2", format!("parties/{clinic}/contract")),
    ] {
        let body = json!({"reference": reference, "terms": {"grace_days": 9}});
        made(&api, &admin, reference, &path, body).await;
        api.hands.advance(Duration::from_secs(1));
    }
    // It says nothing of policy.
    let dated = json!({"reference": "D-2", "co_term": "2035-01-01T00:00:00Z"});
    made(
        &api,
        &admin,
        "D-2",
        &format!("parties/{partner}/contract"),
        dated,
    )
    .await;
    let found = async |filter: &str| {
        let list = format!("policy-overrides?{filter}");
        rows(&api, &admin, &list, "reference").await
    };
    let all = ["A-1", "B-1", "C-1", "D-1", "A-2", "B-2"];
    assert_eq!(found("").await, all);
    let back = all.into_iter().rev().collect::<Vec<_>>();
    assert_eq!(found("sort=-id").await, back);
    assert_eq!(found("state=active").await, ["C-1", "A-2", "B-2"]);
    assert_eq!(found("state=retired").await, ["A-1", "B-1", "D-1"]);
    assert_eq!(found("state=draft").await, [""; 0]);
    assert_eq!(found("kind=product").await, ["A-1", "A-2"]);
    assert_eq!(found("kind=entitlement").await, ["C-1"]);
    assert_eq!(found("kind=contract&state=active").await, ["B-2"]);
    assert_eq!(
        found(&format!("party={clinic}")).await,
        ["B-1", "C-1", "B-2"]
    );
    assert_eq!(found("product=PUMP-BASE").await, ["A-1", "C-1", "A-2"]);
    // Whatever the pages.
    let mut told = Vec::new();
    let mut after = String::new();
    loop {
        let list = format!("/api/v1/policy-overrides?limit=1{after}");
        let page = api.get_as(&admin, &list).await.json();
        told.push(page["items"][0]["reference"].as_str().unwrap().to_owned());
        match page["next"].as_str() {
            Some(next) => after = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(told, all);
    let contracts = rows(&api, &admin, "contracts?state=active", "reference").await;
    assert_eq!(contracts, ["B-2", "D-2"]);
    let of_clinic = format!("contracts?party={clinic}&sort=-reference");
    assert_eq!(
        rows(&api, &admin, &of_clinic, "reference").await,
        ["B-2", "B-1"]
    );
    assert_eq!(
        rows(&api, &admin, "contracts?tier=none", "reference").await,
        [""; 0]
    );
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
        (
            "policy-overrides?kind=x",
            "kind: \"x\" is none of product, contract, entitlement",
        ),
        ("contracts?state=x", "state: \"x\" is none of active, ended"),
        (
            "shipments?state=x",
            "state: \"x\" is none of shipped, returned",
        ),
        (
            "shipments?since=2027-01-01T00:00:00Z&sort=id",
            "take shipped_at or -shipped_at",
        ),
        (
            "runs?state=x",
            "state: \"x\" is none of open, pass, fail, scrapped",
        ),
        ("skus?state=x", "state: \"x\" is none of "),
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
