//! Every list in every order that the description offers for it.

use diesel::prelude::*;
use fleetgrant::report::history::{self, HistoryFilter};
use fleetgrant::store::listing::Part;
use fleetgrant::store::schema::campaign_devices as chosen;
use fleetgrant::store::webhook::{self, NewDelivery, WebhookFilter};
use fleetgrant::store::{campaign, case};
use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::api::Served;
use crate::desk::{DEVICE, Desk, JSON};

/// Something in every list, and more of it than one where that can be.
async fn full() -> Desk {
    let mut desk = Desk::open().await;
    desk.key = desk.api.key(Role::Admin).await;
    for number in 0..3 {
        // What is made at one instant and what is not.
        if number == 2 {
            desk.api.hands.advance(std::time::Duration::from_secs(5));
        }
        let name = format!("n{number}");
        let station = json!({"name": format!("Line {number}")});
        made(&desk, &name, "/api/v1/stations", station).await;
        if let Some(serial) = [1, 2].get(number) {
            let device = format!("pump-SN-000{serial}");
            let run = json!({"device": device, "station": format!("Line {number}")});
            made(&desk, &format!("r{number}"), "/api/v1/runs", run).await;
        }
        let contract = json!({"reference": format!("F-{number}"), "terms": {"grace_days": number}});
        let party = desk.api.party("C-200").await;
        let path = format!("/api/v1/parties/{party}/contract");
        made(&desk, &format!("f{number}"), &path, contract).await;
        let webhook = json!({"name": name, "url": "https://erp.example.com/", "all": true});
        made(&desk, &format!("w{number}"), "/api/v1/webhooks", webhook).await;
        let key = json!({"name": name, "roles": ["auditor"], "lives_seconds": 1_000 - number});
        made(&desk, &format!("k{number}"), "/api/v1/keys", key).await;
        let devices = ["pump-SN-0001", DEVICE, "pump-SN-0002"];
        let campaign = json!({
            "name": format!("c{}", 9 - number),
            "give": desk.entitlement,
            "devices": {"ids": devices},
        });
        made(&desk, &format!("c{number}"), "/api/v1/campaigns", campaign).await;
        let activation = json!({
            "device": DEVICE, "entitlement": desk.entitlement, "units": 1,
        });
        made(
            &desk,
            &format!("a{number}"),
            "/api/v1/activations",
            activation,
        )
        .await;
        let codes = format!(
            "pack,system,entitlement,count,units,uses,expires_at,partner\n\
             PACK-{number},crm,GW-1,2,1,1,2027-06-30,\n"
        );
        let (name, path) = (format!("p{number}"), "/api/v1/imports/codes");
        let imported = desk.api.post(&desk.key, &name, path, ("text/csv", &codes));
        let imported = imported.await;
        assert_eq!(imported.status, 200, "{imported:?}");
    }
    let store = desk.api.store.clone();
    let now = crate::api::NOW;
    let filled = store.write("fill", move |db| {
        for device in ["pump-SN-0001", "pump-SN-0002", "pump-SN-0003"] {
            case::request(db, device, &case::Subject::WriteOff, "tester", now)?;
        }
        let going = campaign::called(db, "c9")?.unwrap().id;
        for (rank, device) in (0..).zip(["pump-SN-0003", "pump-SN-0002", "pump-SN-0001"]) {
            on!(db, c => diesel::insert_into(chosen::table)
                .values((
                    chosen::campaign_id.eq(going),
                    chosen::device_id.eq(device),
                    chosen::rank.eq(rank),
                    chosen::step.eq(1_i16),
                    chosen::changed_at.eq(rank / 2),
                ))
                .execute(c))?;
        }
        let to = webhook::list(db, &WebhookFilter::default(), 1)?[0].id;
        let events = history::page(db, &HistoryFilter::default(), &Part::default(), 5)?;
        let messages = events.into_iter().map(|event| NewDelivery {
            webhook: to,
            position: event.position,
            stream: event.stream,
            at: fleetgrant::store::column::Micros(now),
        });
        webhook::enqueue(db, &messages.collect::<Vec<_>>(), now)
    });
    assert_eq!(filled.await.unwrap(), 5);
    desk
}

async fn made(desk: &Desk, name: &str, path: &str, body: Value) {
    let body = body.to_string();
    let answer = desk.api.post(&desk.key, name, path, (JSON, &body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Every item of a list in an order, read in pages of `limit`.
async fn all(api: &Served, key: &str, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api
            .get_as(key, &format!("{path}&limit={limit}{cursor}"))
            .await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        let page = page.json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// The lists of the description, each with its orders. What takes a cursor has some.
async fn lists(api: &Served) -> Vec<(String, Vec<String>)> {
    let document = api.get("/api/v1/openapi.json").await.json();
    let mut lists = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array();
        let named = |name: &str| {
            let mut all = parameters.into_iter().flatten();
            all.find(|parameter| parameter["name"] == name)
        };
        let is_list = named("cursor").is_some();
        assert_eq!(named("sort").is_some(), is_list, "{path}");
        if let Some(sort) = named("sort") {
            let orders = sort["schema"]["enum"].as_array().unwrap();
            let orders = orders
                .iter()
                .map(|order| order.as_str().unwrap().to_owned());
            lists.push((path.clone(), orders.collect()));
        }
    }
    lists
}

/// Whether items are in the order of a field; that of a state is the domain's.
fn is_in_order(items: &[Value], field: &str) -> bool {
    // What is ordered stream by stream, or by an id that is not shown, shows no field to see it by.
    if matches!(field, "stream" | "state") || items.iter().any(|item| item.get(field).is_none()) {
        return true;
    }
    items.windows(2).all(|pair| {
        let (a, b) = (&pair[0][field], &pair[1][field]);
        match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a <= b,
            _ => a.as_str().unwrap() <= b.as_str().unwrap(),
        }
    })
}

#[tokio::test]
async fn every_list_comes_in_each_of_its_orders_whatever_the_pages() {
    let desk = full().await;
    let (api, key) = (&desk.api, &desk.key);
    let lists = lists(api).await;
    assert!(lists.len() >= 27, "{lists:#?}");
    for (path, orders) in &lists {
        let path = path
            .replace("{device}", DEVICE)
            .replace("{campaign}", "c9")
            .replace("{pack}", "PACK-0")
            .replace("{webhook}", "n0");
        let query = match path.as_str() {
            "/api/v1/history" => format!("device={DEVICE}&"),
            "/api/v1/reports/expiring" => "days=3650&".to_owned(),
            _ => String::new(),
        };
        let mut seen = None;
        for order in orders {
            let list = format!("{path}?{query}sort={order}");
            let whole = all(api, key, &list, 1_000).await;
            let least = match path.rsplit('/').next() {
                Some("batches") => 1,
                // Nothing of the samples ends within ten years.
                Some("expiring") => 0,
                _ => 2,
            };
            assert!(whole.len() >= least, "{list}: {whole:#?}");
            for limit in [1, 2, 3] {
                assert_eq!(
                    all(api, key, &list, limit).await,
                    whole,
                    "{list} by {limit}"
                );
            }
            let mut ascending = whole.clone();
            if let Some(field) = order.strip_prefix('-') {
                ascending.reverse();
                let forth = all(api, key, &format!("{path}?{query}sort={field}"), 1_000).await;
                assert_eq!(ascending, forth, "{list}");
            }
            assert!(
                is_in_order(&ascending, order.trim_start_matches('-')),
                "{list}: {whole:#?}"
            );
            // Each order has the same rows.
            let mut rows: Vec<_> = whole.iter().map(Value::to_string).collect();
            rows.sort_unstable();
            assert_eq!(*seen.get_or_insert_with(|| rows.clone()), rows, "{list}");
        }
    }
}

#[tokio::test]
async fn states_come_together_and_instants_that_are_alike_by_id() {
    let desk = full().await;
    let store = desk.api.store.clone();
    store
        .write("scrap", |db| {
            use fleetgrant::store::schema::devices;
            on!(db, c => diesel::update(devices::table.find("pump-SN-0002"))
                .set(devices::state.eq(2))
                .execute(c))?;
            Ok(())
        })
        .await
        .unwrap();
    let states = all(&desk.api, &desk.key, "/api/v1/devices?sort=-state", 2).await;
    assert_eq!(states[0]["id"], "pump-SN-0002", "{states:#?}");
    let ids = all(&desk.api, &desk.key, "/api/v1/devices?sort=created_at", 2).await;
    let ids: Vec<_> = ids.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn an_order_that_is_not_offered_is_refused_with_those_that_are() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    for (query, told) in [
        (
            "devices?sort=site",
            "sort: \"site\" is none of id, -id, serial, -serial, state, -state, created_at, -created_at",
        ),
        ("devices?sort=", "sort: \"\" is none of"),
        ("devices?sort=id&sort=id", "sort is given twice"),
        (
            "devices?sort=-serial&state=expected",
            "sort: -serial is not offered with state",
        ),
        (
            "entitlements?sort=reference&product=PUMP-PRO",
            "is not offered with product",
        ),
    ] {
        let answer = api.get_as(&key, &format!("/api/v1/{query}")).await;
        answer.is_problem(400, "bad-query");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{query}: {detail}");
    }
    let first = api
        .get_as(&key, "/api/v1/devices?limit=1&sort=serial")
        .await;
    let next = first.json()["next"].as_str().unwrap().to_owned();
    for query in ["", "sort=-serial&", "sort=id&", "sort=created_at&"] {
        let path = format!("/api/v1/devices?{query}cursor={next}");
        let answer = api.get_as(&key, &path).await;
        answer.is_problem(400, "bad-cursor");
        assert!(answer.body.contains("another order"), "{answer:?}");
    }
    let path = "/api/v1/devices?sort=serial&after=SN-0002%20pump-SN-0002";
    let after = api.get_as(&key, path).await.json();
    assert_eq!(after["items"][0]["serial"], "SN-0003", "{after}");
    api.get_as(&key, "/api/v1/devices?sort=serial&after=SN-0002")
        .await
        .is_problem(400, "bad-cursor");
}
