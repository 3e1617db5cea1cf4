//! Lists and single things: pages, filters, and what a party sees.

use fleetgrant_core::domain::Role;
use serde_json::Value;

use crate::api::Served;

/// Every item of a list, read in pages of `limit`.
async fn all(api: &Served, key: &str, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = api
            .get_as(key, &format!("{path}{joint}limit={limit}{cursor}"))
            .await;
        assert_eq!(page.status, 200, "{page:?}");
        let json = page.json();
        let part = json["items"].as_array().unwrap().clone();
        assert!(part.len() <= limit, "{path}: {json}");
        items.extend(part);
        match json["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// In order: what one import made within a millisecond has none.
fn texts<'a>(items: &'a [Value], field: &str) -> Vec<&'a str> {
    let texts = items.iter().map(|item| item[field].as_str().unwrap());
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable();
    texts
}

#[tokio::test]
async fn every_list_is_the_same_whatever_the_pages() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    for (path, at_least) in [
        ("parties", 5),
        ("products", 3),
        ("orders", 3),
        ("skus", 3),
        ("shipments", 3),
        ("entitlements", 9),
        ("devices", 5),
        ("activations", 0),
        ("cases", 0),
        ("events?kind=device-expected", 5),
        ("devices/pump-SN-0001/events", 2),
    ] {
        let path = format!("/api/v1/{path}");
        let whole = all(&api, &key, &path, 1_000).await;
        assert!(whole.len() >= at_least, "{path}: {whole:#?}");
        for limit in [1, 2, 3, whole.len().max(1)] {
            assert_eq!(all(&api, &key, &path, limit).await, whole, "{path}");
        }
    }
}

#[tokio::test]
async fn filters_choose_rows() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    let clinic = api.party("C-200").await;
    for (path, field, expected) in [
        (
            "parties?kind=partner",
            "name",
            vec!["Medical Devices Trading"],
        ),
        ("parties?external_id=C-200", "name", vec!["Lakeside Clinic"]),
        ("parties?external_id=C-2", "name", vec![]),
        (
            "orders?system=erp&reference=SO-5002",
            "reference",
            vec!["SO-5002"],
        ),
        (
            &format!("orders?party={clinic}"),
            "reference",
            vec!["SO-5002", "SO-5003"],
        ),
        (
            &format!("devices?owner={clinic}"),
            "id",
            vec!["pump-SN-0004"],
        ),
        ("devices?state=quarantined", "id", vec![]),
        (
            "skus?product=PUMP-PRO&model=perpetual",
            "part_number",
            vec![],
        ),
        (
            "skus?product=PUMP-PRO&model=subscription",
            "part_number",
            vec!["4711-PRO", "4711-SUITE"],
        ),
        (
            "skus?part_number=4711-BASE",
            "title",
            vec!["Pump with base software"],
        ),
        (
            "shipments?since=2026-09-11T00:00:00Z&until=2026-09-13T00:00:00Z",
            "reference",
            vec!["DN-9002"],
        ),
        ("shipments?state=returned", "reference", vec![]),
        (
            "entitlements?reference=GW-1&product=PUMP-PRO",
            "license_model",
            vec!["subscription"],
        ),
    ] {
        let items = all(&api, &key, &format!("/api/v1/{path}"), 100).await;
        assert_eq!(texts(&items, field), expected, "{path}");
    }
}

#[tokio::test]
async fn single_things_show_what_belongs_to_them() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Support).await;
    let order = &all(&api, &key, "/api/v1/orders?reference=SO-5001", 10).await[0];
    let id = order["id"].as_str().unwrap();
    let sheet = api
        .get_as(&key, &format!("/api/v1/orders/{id}"))
        .await
        .json();
    assert_eq!(sheet["sold_to"]["name"], "Medical Devices Trading");
    let lines = sheet["lines"].as_array().unwrap();
    assert_eq!(texts(lines, "value"), ["10500.00", "1800.50"]);
    let party = api.party("C-101").await;
    let sheet = api
        .get_as(&key, &format!("/api/v1/parties/{party}"))
        .await
        .json();
    assert_eq!(
        sheet["external_ids"],
        serde_json::json!([{"system": "erp", "id": "C-101"}])
    );
    let device = api
        .get_as(&key, "/api/v1/devices/pump-SN-0001")
        .await
        .json();
    assert_eq!(device["owner"]["id"], party.to_string());
    assert_eq!(device["keys"], serde_json::json!([]));
    api.get_as(&key, "/api/v1/devices/pump-SN-9999")
        .await
        .is_problem(404, "not-found");
    api.get_as(&key, "/api/v1/devices/no%20id")
        .await
        .is_problem(404, "not-found");
    api.get_as(&key, "/api/v1/orders/4711")
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn a_party_sees_its_own_and_nothing_tells_it_of_the_rest() {
    let api = Served::with_samples().await;
    let (clinic, hospital) = (api.party("C-200").await, api.party("C-101").await);
    let key = api.key_for(Role::Customer, Some(clinic)).await;
    let orders = all(&api, &key, "/api/v1/orders", 10).await;
    assert_eq!(texts(&orders, "reference"), ["SO-5002", "SO-5003"]);
    let devices = all(&api, &key, "/api/v1/devices", 10).await;
    assert_eq!(texts(&devices, "id"), ["pump-SN-0004"]);
    let entitlements = all(&api, &key, "/api/v1/entitlements", 10).await;
    assert!(!entitlements.is_empty());
    for entitlement in &entitlements {
        assert_eq!(entitlement["owner"]["id"], clinic.to_string());
    }
    // To ask for another's is no way round.
    for list in ["devices?owner=", "entitlements?owner=", "orders?party="] {
        let path = format!("/api/v1/{list}{hospital}");
        assert!(all(&api, &key, &path, 10).await.is_empty(), "{path}");
    }
    let admin = api.key(Role::Admin).await;
    for (list, id) in [("orders", "id"), ("devices", "id"), ("entitlements", "id")] {
        for item in all(&api, &admin, &format!("/api/v1/{list}"), 100).await {
            let id = item[id].as_str().unwrap();
            let own = match list {
                "orders" => texts(&orders, "id").contains(&id),
                "devices" => texts(&devices, "id").contains(&id),
                _ => texts(&entitlements, "id").contains(&id),
            };
            let answer = api.get_as(&key, &format!("/api/v1/{list}/{id}")).await;
            assert_eq!(answer.status, if own { 200 } else { 404 }, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_party_sees_the_shipments_of_its_orders() {
    let api = Served::with_samples().await;
    let (clinic, partner) = (api.party("C-200").await, api.party("P-10").await);
    let customer = api.key_for(Role::Customer, Some(clinic)).await;
    let seller = api.key_for(Role::Partner, Some(partner)).await;
    let admin = api.key(Role::Admin).await;
    let all = all(&api, &admin, "/api/v1/shipments", 1).await;
    assert_eq!(texts(&all, "reference"), ["DN-9001", "DN-9002", "DN-9003"]);
    for (key, own) in [
        (&customer, vec!["DN-9003"]),
        (&seller, vec!["DN-9001", "DN-9002"]),
    ] {
        let shown = api.get_as(key, "/api/v1/shipments").await.json();
        assert_eq!(texts(shown["items"].as_array().unwrap(), "reference"), own);
        for shipment in &all {
            let id = shipment["id"].as_str().unwrap();
            let answer = api.get_as(key, &format!("/api/v1/shipments/{id}")).await;
            let is_own = own.contains(&shipment["reference"].as_str().unwrap());
            assert_eq!(answer.status, if is_own { 200 } else { 404 }, "{answer:?}");
        }
    }
    // To ask for another's is no way round.
    let others = format!("/api/v1/shipments?party={partner}");
    let others = api.get_as(&customer, &others).await.json();
    assert_eq!(others["items"], serde_json::json!([]));
    let first = all[0]["id"].as_str().unwrap();
    let sheet = api
        .get_as(&admin, &format!("/api/v1/shipments/{first}"))
        .await
        .json();
    assert_eq!(
        sheet["devices"],
        serde_json::json!([
            {"serial": "SN-0001", "device": "pump-SN-0001"},
            {"serial": "SN-0002", "device": "pump-SN-0002"},
        ])
    );
}

#[tokio::test]
async fn a_price_is_shown_to_who_pays_it() {
    let api = Served::with_samples().await;
    let (partner, hospital) = (api.party("P-10").await, api.party("C-101").await);
    let admin = api.key(Role::Admin).await;
    let order = &all(&api, &admin, "/api/v1/orders?reference=SO-5001", 10).await[0];
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let payer = api.key_for(Role::Partner, Some(partner)).await;
    let user = api.key_for(Role::Customer, Some(hospital)).await;
    for (key, value) in [
        (&admin, Some("10500.00")),
        (&payer, Some("10500.00")),
        (&user, None),
    ] {
        let sheet = api.get_as(key, &path).await.json();
        assert_eq!(sheet["lines"][0]["value"].as_str(), value, "{sheet}");
    }
}

#[tokio::test]
async fn a_query_that_means_nothing_is_refused_with_what_would() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    for (query, told) in [
        ("stat=admitted", "unknown field `stat`"),
        (
            "state=admited",
            "state: \"admited\" is none of expected, seen, admitted",
        ),
        ("state=seen&state=seen", "duplicate field `state`"),
        ("owner=4711", "owner: \"4711\" is no id"),
        ("limit=0", "limit: \"0\" is not 1 to 1000"),
        ("limit=1001", "is not 1 to 1000"),
        ("limit=1&limit=2", "limit is given twice"),
        ("limit=-1", "limit: \"-1\""),
    ] {
        let answer = api.get_as(&key, &format!("/api/v1/devices?{query}")).await;
        answer.is_problem(400, "bad-query");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{query}: {detail}");
    }
    let long = "x".repeat(5_000);
    api.get_as(&key, &format!("/api/v1/devices?product_line={long}"))
        .await
        .is_problem(400, "bad-query");
    api.get_as(&key, "/api/v1/reports/platforms?x=1")
        .await
        .is_problem(400, "bad-query");
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_only() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    let first = api.get_as(&key, "/api/v1/devices?limit=1").await.json();
    let next = first["next"].as_str().unwrap();
    let good = api
        .get_as(&key, &format!("/api/v1/devices?limit=5&cursor={next}"))
        .await;
    assert_eq!(good.status, 200);
    for path in [
        format!("/api/v1/orders?cursor={next}"),
        format!("/api/v1/devices?state=expected&cursor={next}"),
        format!("/api/v1/devices?cursor={}", &next[..8]),
        format!("/api/v1/devices?cursor=x{next}"),
        "/api/v1/devices?cursor=".to_owned(),
        "/api/v1/devices?cursor=%F0%9F%98%80".to_owned(),
    ] {
        api.get_as(&key, &path).await.is_problem(400, "bad-cursor");
    }
}
