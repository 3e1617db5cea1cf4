//! What is done to devices before they are heard.

use fleetgrant_core::domain::{Role, Roles};
use serde_json::json;

use crate::desk::{DEVICE, Desk, JSON};

#[tokio::test]
async fn a_device_is_tried_on_the_line_and_scrapped() {
    let desk = Desk::open().await;
    let station = json!({"name": "final", "time_limit_seconds": 60});
    let put = desk.send("s", "/api/v1/stations", station).await;
    assert_eq!(put.json()["time_limit_seconds"], 60, "{put:?}");
    let stations = desk.get("/api/v1/stations").await;
    assert_eq!(stations["items"][0]["name"], "final");
    let nobody = json!({"name": "x", "manufacturer": "00000000000000000000000000000000"});
    desk.send("n", "/api/v1/stations", nobody)
        .await
        .is_problem(409, "refused");
    let endless = json!({"name": "x", "time_limit_seconds": 0});
    desk.send("z", "/api/v1/stations", endless)
        .await
        .is_problem(400, "bad-body");

    let run = json!({"device": DEVICE, "station": "final", "operator": "ann"});
    let opened = desk.send("r", "/api/v1/runs", run.clone()).await.json();
    assert_eq!(
        (&opened["attempt"], &opened["state"]),
        (&json!(1), &json!("open"))
    );
    desk.send("r-2", "/api/v1/runs", run.clone())
        .await
        .is_problem(409, "refused");
    let elsewhere = json!({"device": DEVICE, "station": "none"});
    desk.send("r-3", "/api/v1/runs", elsewhere)
        .await
        .is_problem(409, "refused");
    let none = json!({"items": [], "more": false});
    assert_eq!(desk.act("c", "/api/v1/runs/close").await.json(), none);
    desk.api.hands.advance(std::time::Duration::from_secs(61));
    let closed = desk.act("c-2", "/api/v1/runs/close").await.json();
    assert_eq!(closed["items"][0]["state"], "fail", "{closed}");
    let scrap = json!({"device": DEVICE});
    desk.send("x", "/api/v1/runs/scrap", scrap.clone())
        .await
        .is_problem(409, "refused");
    assert_eq!(
        desk.send("r-4", "/api/v1/runs", run.clone()).await.json()["attempt"],
        2
    );
    let scrapped = desk.send("x-2", "/api/v1/runs/scrap", scrap).await.json();
    assert_eq!(scrapped["state"], "scrapped");
    desk.send("r-5", "/api/v1/runs", run)
        .await
        .is_problem(409, "refused");

    let runs = async |filter: &str| {
        let runs = desk.get(&format!("/api/v1/runs?{filter}")).await;
        let runs = runs["items"].as_array().unwrap().clone();
        runs.iter()
            .map(|run| run["attempt"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(runs("").await, [1, 2]);
    assert_eq!(runs("state=fail").await, [1]);
    assert_eq!(runs("state=scrapped&station=final").await, [2]);
    assert_eq!(runs("station=none").await, [0; 0]);
    assert_eq!(runs("batch=B-26-09&sort=-device").await, [2, 1]);
    assert_eq!(runs("device=pump-SN-0001").await, [0; 0]);
    let first = desk.get("/api/v1/runs?limit=1").await["items"][0].clone();
    assert_eq!(
        (&first["device"], &first["batch"], &first["operator"]),
        (&json!(DEVICE), &json!("B-26-09"), &json!("ann"))
    );
    let builder = desk
        .api
        .key_for(Role::Factory, Some(desk.api.party("P-10").await))
        .await;
    let theirs = desk.api.get_as(&builder, "/api/v1/runs").await.json();
    assert_eq!(theirs["items"], json!([]));

    let yields = desk.get("/api/v1/reports/yield").await;
    assert_eq!(
        yields,
        json!([{"of": "final", "passed": 0, "units": 1, "share": 0.0}])
    );
    let batches = desk.get("/api/v1/reports/yield?by=batch").await;
    assert_eq!(batches[0]["of"], "B-26-09");
}

#[tokio::test]
async fn units_are_reserved_for_a_batch_or_for_none_of_it() {
    let desk = Desk::open().await;
    let batches = desk.get("/api/v1/batches?reference=B-26-09").await;
    let id = batches["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/batches/{id}/reserve");
    let body = json!({"entitlement": desk.entitlement});
    // Others own three of its four devices.
    let refused = desk.send("r", &path, body.clone()).await;
    refused.is_problem(409, "refused");
    assert_eq!(desk.in_use().await, 0);
    desk.send(
        "n",
        "/api/v1/batches/00000000000000000000000000000000/reserve",
        body,
    )
    .await
    .is_problem(404, "not-found");
}

/// Two contract manufacturers, each with a key: the other's batches, stations and devices do not exist.
#[tokio::test]
async fn a_contract_manufacturer_sees_its_own() {
    let desk = Desk::open().await;
    let admin = desk.api.key(Role::Admin).await;
    let csv = async |name: &str, kind: &str, file: &str| {
        let path = format!("/api/v1/imports/{kind}");
        let answer = desk.api.post(&admin, name, &path, ("text/csv", file)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let parties = "system,party,name,kind\nerp,M-2,Southern Assembly,manufacturer\n";
    csv("p", "parties", parties).await;
    let manifest = "serial,system,batch,manufacturer\nSN-0900,erp,S-26-01,M-2\n";
    csv("m", "manifest", manifest).await;

    let mut keys = Vec::new();
    for (id, batch, device) in [
        ("M-1", "B-26-09", DEVICE),
        ("M-2", "S-26-01", "pump-SN-0900"),
    ] {
        let party = desk.api.party(id).await;
        let factory = Roles::of(&[Role::Factory]);
        let key = desk.api.key_named(id, factory, Some(party)).await;
        let station = json!({"name": format!("final-{id}"), "manufacturer": party.to_string()});
        let put = desk.send(id, "/api/v1/stations", station).await;
        assert_eq!(put.status, 200, "{put:?}");
        keys.push((id, key, batch, device));
    }
    let items = async |key: &str, path: &str, field: &str| {
        let answer = desk.api.get_as(key, path).await.json();
        let items = answer["items"].as_array().unwrap().clone();
        let names = items
            .iter()
            .map(|item| item[field].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    for (index, (id, key, batch, device)) in keys.iter().enumerate() {
        let (other, _, others, elsewhere) = &keys[1 - index];
        let station = format!("final-{id}");
        assert_eq!(items(key, "/api/v1/batches", "reference").await, [*batch]);
        let theirs = format!("/api/v1/batches?reference={others}");
        assert!(items(key, &theirs, "reference").await.is_empty());
        assert_eq!(
            items(key, "/api/v1/stations", "name").await,
            [station.as_str()]
        );
        let open = async |name: &str, device: &str, station: &str| {
            let body = json!({"device": device, "station": station}).to_string();
            desk.api
                .post(key, name, "/api/v1/runs", (JSON, &body))
                .await
        };
        let there = open("1", device, &format!("final-{other}")).await;
        there.is_problem(409, "refused");
        assert!(there.body.contains("there is no station"), "{there:?}");
        let hidden = open("2", elsewhere, &station).await;
        hidden.is_problem(409, "refused");
        assert!(hidden.body.contains("there is no device"), "{hidden:?}");
        let opened = open("3", device, &station).await;
        assert_eq!(opened.status, 200, "{opened:?}");
    }
    desk.api.hands.advance(std::time::Duration::from_secs(301));
    for (index, (id, key, _, device)) in keys.iter().enumerate() {
        let (_, _, _, elsewhere) = &keys[1 - index];
        let scrap = json!({"device": elsewhere}).to_string();
        let scrapped = desk
            .api
            .post(key, "4", "/api/v1/runs/scrap", (JSON, &scrap))
            .await;
        scrapped.is_problem(409, "refused");
        let closed = desk
            .api
            .post(key, "5", "/api/v1/runs/close", ("", ""))
            .await
            .json();
        assert_eq!(closed["items"].as_array().unwrap().len(), 1, "{closed}");
        assert_eq!(closed["items"][0]["device"], *device);
        let yields = desk.api.get_as(key, "/api/v1/reports/yield").await.json();
        assert_eq!(yields.as_array().unwrap().len(), 1, "{yields}");
        assert_eq!(yields[0]["of"], format!("final-{id}"));
        let own = desk.api.party(keys[1 - index].0).await;
        let path = format!("/api/v1/reports/yield?manufacturer={own}");
        assert_eq!(desk.api.get_as(key, &path).await.json(), json!([]));
    }
}

/// A contract manufacturer tells of its own devices, and of nobody else's.
#[tokio::test]
async fn a_contract_manufacturer_imports_manifests_of_its_own_batches() {
    let desk = Desk::open().await;
    let party = desk.api.party("M-1").await;
    let factory = Roles::of(&[Role::Factory]);
    let key = desk.api.key_named("m-1", factory, Some(party)).await;
    let admin = desk.api.key(Role::Admin).await;
    let import = async |key: &str, name: &str, file: &str| {
        let path = "/api/v1/imports/manifest";
        desk.api.post(key, name, path, ("text/csv", file)).await
    };
    let others = "serial,system,batch,manufacturer\nSN-0800,,S-26-09,\nSN-0801,,,\n";
    assert_eq!(import(&admin, "o", others).await.status, 200);
    let own = "serial,system,batch,manufacturer\nSN-0700,,N-26-01,\nSN-0701,erp,B-26-09,M-1\n";
    let made = import(&key, "1", own).await;
    assert_eq!(made.json()["created"], 2, "{made:?}");
    let batches = desk.api.get_as(&key, "/api/v1/batches").await.json();
    let mut batches: Vec<_> = batches["items"].as_array().unwrap().iter().collect();
    batches.retain(|batch| batch["manufacturer"] == party.to_string());
    assert_eq!(batches.len(), 2, "{batches:?}");
    let again = import(&key, "2", own).await;
    assert_eq!(again.json()["unchanged"], 2, "{again:?}");
    for (row, column, told) in [
        ("SN-0702,,,,,,", "batch", "is empty"),
        ("SN-0702,,S-26-09,,,,", "batch", "another name"),
        ("SN-0800,,N-26-01,,,,", "serial", "the maker imports it"),
        ("SN-0801,,N-26-01,,,,", "serial", "the maker imports it"),
        ("SN-0702,erp,N-26-01,C-200,,,", "manufacturer", "own party"),
        (
            "SN-0702,erp,N-26-01,,C-200,,",
            "owner",
            "the maker's to say",
        ),
        (
            "SN-0702,erp,N-26-01,,,SO-5001,10",
            "order",
            "the maker's to say",
        ),
    ] {
        let file = format!("serial,system,batch,manufacturer,owner,order,line\n{row}\n");
        let refused = import(&key, row, &file).await;
        refused.is_problem(422, "import-refused");
        let fault = &refused.json()["errors"][0];
        assert_eq!(fault["column"], column, "{refused:?}");
        assert!(refused.body.contains(told), "{told}: {refused:?}");
    }
    // Nothing of it is left.
    let new = desk.get("/api/v1/devices/pump-SN-0702").await;
    assert_eq!(new["status"], 404, "{new}");
}

/// A batch's factory grants come in parts, the same ones however often they are asked for; a contract
/// manufacturer has those of its own.
#[tokio::test]
async fn factory_grants_of_a_batch_are_made_and_fetched() {
    let desk = Desk::open().await;
    let (own, other) = (desk.api.party("M-1").await, desk.api.party("P-10").await);
    let factory = Roles::of(&[Role::Factory]);
    let key = desk.api.key_named("m-1", factory, Some(own)).await;
    let stranger = desk.api.key_named("p-10", factory, Some(other)).await;
    let batches = desk.get("/api/v1/batches?reference=B-26-09").await;
    let path = format!(
        "/api/v1/batches/{}/grants",
        batches["items"][0]["id"].as_str().unwrap()
    );
    let made = async |name: &str, body: serde_json::Value| {
        let answer = desk.send_as(&key, name, &path, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let whole = made("1", json!({})).await;
    let items = whole["items"].as_array().unwrap();
    assert_eq!((items.len(), &whole["next"]), (4, &json!(null)), "{whole}");
    // One of them has a key in the manifest.
    let has_one: Vec<_> = items
        .iter()
        .filter(|item| !item["message"].is_null())
        .collect();
    assert!(!has_one.is_empty() && has_one.len() < 4, "{whole}");
    for item in items {
        assert_eq!(
            item["message"].is_null(),
            !item["reason"].is_null(),
            "{item}"
        );
        assert_eq!(item["is_new"], !item["message"].is_null(), "{item}");
    }
    let (mut parts, mut after) = (Vec::new(), json!(null));
    for name in ["2", "3", "4", "5"] {
        let part = made(name, json!({"limit": 1, "after": after})).await;
        parts.extend(part["items"].as_array().unwrap().clone());
        after = part["next"].clone();
    }
    assert!(after.is_null());
    for (part, item) in parts.iter().zip(items) {
        // ES256 signs anew each time, so the payload is the same and the signature is not.
        assert_eq!(
            (&part["device"], &part["reason"]),
            (&item["device"], &item["reason"])
        );
        assert_eq!(part["is_new"], false, "{part}");
    }
    desk.send_as(&stranger, "6", &path, json!({}))
        .await
        .is_problem(404, "not-found");
    for body in [
        json!({"limit": 0}),
        json!({"limit": 101}),
        json!({"after": "no id"}),
    ] {
        let name = body.to_string();
        let refused = desk.send_as(&key, &name, &path, body).await;
        refused.is_problem(400, "bad-body");
    }
}
