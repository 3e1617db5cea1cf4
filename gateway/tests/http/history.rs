//! The history of one thing, and of those that are forgotten or become others.

use fleetgrant_core::domain::{Role, Roles};
use serde_json::json;

use crate::api::Served;
use crate::desk::Desk;

#[tokio::test]
async fn the_history_of_a_thing_is_read_a_page_at_a_time() {
    let desk = Desk::open().await;
    let auditor = desk.api.key(Role::Auditor).await;
    assert_eq!(desk.assign("a", 2).await.status, 200);
    let party = desk.api.party("C-200").await.to_string();
    let get = async |path: String| desk.api.get_as(&auditor, &path).await.json();
    let whole = get(format!("/api/v1/history?party={party}&limit=1000")).await;
    let whole = whole["items"].as_array().unwrap().clone();
    let kinds: Vec<_> = whole
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"reserved"), "{kinds:?}");
    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(format!("/api/v1/history?party={party}&limit=2{cursor}")).await;
        read.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(read, whole);
    let of = get(format!("/api/v1/history?entitlement={}", desk.entitlement)).await;
    let on_device =
        |event: &serde_json::Value| event["stream"].as_str().unwrap().starts_with("device:");
    let on_device: Vec<_> = of["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| on_device(event))
        .collect();
    assert_eq!(on_device.len(), 1, "only what is about it: {of}");
    for query in ["", "?device=a&order=00000000000000000000000000000000"] {
        let path = format!("/api/v1/history{query}");
        desk.api
            .get_as(&auditor, &path)
            .await
            .is_problem(400, "bad-query");
    }
    let verified = get("/api/v1/history/verify".to_owned()).await;
    assert!(verified["events"].as_u64().unwrap() > 10, "{verified}");
    assert!(verified["next"].is_null(), "{verified}");
    // From an event on, what is left is verified, and nothing after an event that is not there.
    let rest = get("/api/v1/history/verify?from=1:catalogue".to_owned()).await;
    let (rest, all) = (rest["events"].as_u64(), verified["events"].as_u64());
    assert!(rest < all && rest > Some(0), "{rest:?} of {all:?}");
    for (from, status, name) in [
        ("9999:catalogue", 409, "refused"),
        ("1:none:such", 409, "refused"),
        ("0:catalogue", 400, "bad-query"),
        ("x", 400, "bad-query"),
    ] {
        let path = format!("/api/v1/history/verify?from={from}");
        desk.api
            .get_as(&auditor, &path)
            .await
            .is_problem(status, name);
    }
}

#[tokio::test]
async fn what_one_device_did_with_two_entitlements_of_an_order_is_told_once() {
    let desk = Desk::open().await;
    let auditor = desk.api.key(Role::Auditor).await;
    let mut rights = Vec::new();
    for product in ["PUMP-BASE", "PUMP-SCAN"] {
        let path = format!("/api/v1/entitlements?reference=SO-5001/10/{product}/perpetual");
        let found = desk.get(&path).await;
        let right = found["items"][0]["id"].as_str().unwrap().to_owned();
        let body = json!({"device": "pump-SN-0001", "entitlement": right, "units": 1});
        let answer = desk.send(product, "/api/v1/activations", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        rights.push(right);
    }
    let orders = desk.get("/api/v1/orders?reference=SO-5001").await;
    let order = orders["items"][0]["id"].as_str().unwrap();
    let get = async |rest: String| {
        let path = format!("/api/v1/history?order={order}{rest}");
        desk.api.get_as(&auditor, &path).await.json()
    };
    let whole = get("&limit=1000".to_owned()).await;
    let whole = whole["items"].as_array().unwrap().clone();
    let reserved: Vec<_> = whole
        .iter()
        .filter(|event| event["kind"] == "reserved")
        .map(|event| event["body"]["entitlement"].as_str().unwrap())
        .collect();
    assert_eq!(reserved, rights, "{whole:?}");
    let (mut read, mut cursor) = (Vec::new(), String::new());
    while read.len() <= whole.len() {
        let page = get(format!("&limit=1{cursor}")).await;
        read.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(read, whole);
}

#[tokio::test]
async fn a_party_is_forgotten_and_another_becomes_part_of_one() {
    let desk = Desk::open().await;
    let admin = desk.api.key(Role::Admin).await;
    let (clinic, group) = (desk.api.party("C-200").await, desk.api.party("C-100").await);
    let path = |verb: &str| format!("/api/v1/parties/{clinic}/{verb}");
    let act =
        async |name: &str, verb: &str| desk.api.post(&admin, name, &path(verb), ("", "")).await;
    let preview = act("p", "erase?preview=true").await.json();
    assert_eq!(preview["name"], true);
    let sheet = async || desk.get(&format!("/api/v1/parties/{clinic}")).await;
    assert_eq!(sheet().await["name"], "Lakeside Clinic");
    assert_eq!(act("e", "erase").await.json()["name"], true);
    assert_eq!(sheet().await["name"], "(erased)");
    assert_eq!(act("e-2", "erase").await.json()["name"], false);

    let into = json!({"into": group.to_string()});
    let merged = desk.send("m", &path("merge"), into.clone()).await;
    assert_eq!(merged.status, 200, "{merged:?}");
    assert_eq!(sheet().await["merged_into"], group.to_string());
    let owned = desk
        .get(&format!("/api/v1/entitlements/{}", desk.entitlement))
        .await;
    assert_eq!(owned["owner"]["id"], group.to_string());
    let itself = format!("/api/v1/parties/{group}/merge");
    desk.send("i", &itself, into)
        .await
        .is_problem(409, "refused");
}

#[tokio::test]
async fn nothing_is_given_up_that_is_not_there() {
    let desk = Desk::open().await;
    let right = json!({"system": "old", "right": "R-1"});
    desk.send("s", "/api/v1/legacy-rights/surrender", right)
        .await
        .is_problem(409, "refused");
    assert_eq!(desk.get("/api/v1/reports/migration").await, json!([]));
    let packs = desk.get("/api/v1/packs").await;
    assert!(packs["items"][0]["codes"].as_u64().unwrap() > 0, "{packs}");
    let own = desk.api.party("P-10").await;
    let partner = desk.api.key_for(Role::Partner, Some(own)).await;
    let seen = desk.api.get_as(&partner, "/api/v1/packs").await.json();
    assert!(
        seen["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|pack| pack["partner"] == "Medical Devices Trading"),
        "{seen}"
    );
}

/// Where the history stands is signed, and holds until the history is another.
#[tokio::test]
async fn a_checkpoint_is_made_and_held() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Auditor).await;
    let path = "/api/v1/history/checkpoint";
    let file = api.get_as(&key, path).await;
    assert_eq!(file.status, 200, "{file:?}");
    assert_eq!(file.header("content-type"), "application/jsonl");
    let lines: Vec<_> = file.body.lines().collect();
    assert!(
        lines[0].contains("fleetgrant-history-checkpoint-v1"),
        "{lines:?}"
    );
    let hold = async |name: &str, body: &str| {
        api.post(&key, name, path, ("application/jsonl", body))
            .await
    };
    let held = hold("1", &file.body).await;
    assert_eq!(held.json()["streams"], lines.len() - 2, "{held:?}");
    // More has happened since, and what there was is there still.
    api.key_named("later", Roles::of(&[Role::Support]), None)
        .await;
    assert_eq!(hold("2", &file.body).await.status, 200);
    let cut: String = lines[..2].iter().map(|line| format!("{line}\n")).collect();
    hold("3", &cut).await.is_problem(400, "bad-body");
    let changed = file.body.replacen("\"seq\":1", "\"seq\":2", 1);
    let forged = hold("4", &changed).await;
    forged.is_problem(409, "refused");
    assert!(forged.body.contains("the file was changed"), "{forged:?}");
    hold("5", "").await.is_problem(400, "bad-body");
}
