//! What tiers are allowed, over HTTP: versions, and who replaces what they have seen.

use fleetgrant_core::domain::Role;
use serde_json::json;

use crate::api::Served;

const STANDARD: &str = "/api/v1/policies/standard";

#[tokio::test]
async fn a_policy_is_replaced_by_whoever_has_seen_it() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    let shipped = api.get_as(&key, STANDARD).await;
    assert_eq!(shipped.status, 200, "{shipped:?}");
    let (version, mut rules) = (shipped.header("etag"), shipped.json()["rules"].clone());
    rules["grace_days"] = json!(3);
    let put = async |name, seen, rules: &serde_json::Value| {
        api.put(&key, (name, seen), STANDARD, rules).await
    };
    put("a", None, &rules)
        .await
        .is_problem(428, "precondition-needed");
    put("b", Some("\"of-old\""), &rules)
        .await
        .is_problem(412, "precondition-failed");
    let done = put("c", Some(version), &rules).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(done.json()["changed"], true);
    assert_eq!(done.json()["policy"]["version"], 2);
    // Its answer is lost, and asked for again: the version it named is long gone.
    let again = put("c", Some(version), &rules).await;
    assert_eq!((again.status, &again.body), (200, &done.body));
    put("d", Some(version), &rules)
        .await
        .is_problem(412, "precondition-failed");
    let now = api.get_as(&key, STANDARD).await;
    assert_eq!(now.json()["rules"]["grace_days"], 3);
    let same = put("e", Some(now.header("etag")), &rules).await;
    assert_eq!(same.json()["changed"], false);
    let old = api.get_as(&key, &format!("{STANDARD}/versions/1")).await;
    assert_eq!(old.json()["state"], "retired");
    assert_ne!(old.json()["rules"], rules);
    api.get_as(&key, &format!("{STANDARD}/versions/9"))
        .await
        .is_problem(404, "not-found");
    let listed = api
        .get_as(&key, "/api/v1/policies?tier=standard&state=active")
        .await
        .json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["version"], 2);
}

#[tokio::test]
async fn a_new_tier_is_made_and_a_bad_policy_refused() {
    let api = Served::start().await;
    let key = api.key(Role::Admin).await;
    let gold = "/api/v1/policies/gold";
    let rules = json!({"grace_days": 7});
    let put = async |name, path, rules: &serde_json::Value| {
        api.put(&key, (name, None), path, rules).await
    };
    let preview = put("p", "/api/v1/policies/gold?preview=true", &rules).await;
    assert_eq!(preview.json()["policy"]["rules"]["grace_days"], 7);
    api.get_as(&key, gold).await.is_problem(404, "not-found");
    let made = put("a", gold, &rules).await;
    assert_eq!(made.json()["policy"]["version"], 1, "{made:?}");
    for (name, path, rules, status, kind) in [
        (
            "b",
            "/api/v1/policies/lead",
            json!({"grace_days": -1}),
            400,
            "bad-body",
        ),
        (
            "c",
            "/api/v1/policies/lead",
            json!({"greace_days": 1}),
            400,
            "bad-body",
        ),
        (
            "d",
            "/api/v1/policies/lead",
            json!({"lease_days": 3}),
            422,
            "contradictory-policy",
        ),
        (
            "e",
            "/api/v1/policies/NO%20TIER",
            json!({}),
            404,
            "not-found",
        ),
    ] {
        put(name, path, &rules).await.is_problem(status, kind);
    }
    api.get_as(&key, "/api/v1/policies/lead")
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn a_product_and_an_entitlement_have_policies_of_their_own() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Admin).await;
    let find = async |path: &str| {
        let found = api.get_as(&key, path).await.json();
        found["items"][0]["id"].as_str().unwrap().to_owned()
    };
    let product = find("/api/v1/products?code=PUMP-BASE").await;
    let right = find("/api/v1/entitlements?reference=SO-5002/10/PUMP-BASE/perpetual").await;
    let party = find("/api/v1/parties?external_id=C-200").await;
    let post = async |name: &str, path: &str, body: &serde_json::Value| {
        let body = body.to_string();
        api.post(&key, name, path, ("application/json", &body))
            .await
    };
    let of_product = format!("/api/v1/products/{product}/policy");
    let of_right = format!("/api/v1/entitlements/{right}/policy");
    let own = |reference, days| json!({"reference": reference, "terms": {"grace_days": days}});
    let preview = format!("{of_product}?preview=true");
    let looked = post("a", &preview, &own("P-1", 4)).await;
    assert_eq!(looked.json()["named"], "product:P-1", "{looked:?}");
    assert_eq!(
        api.get_as(&key, &of_product).await.json()["reference"],
        json!(null)
    );
    let done = post("b", &of_product, &own("P-1", 4)).await;
    assert_eq!(
        done.json(),
        json!({"named": "product:P-1", "changed": true})
    );
    let again = post("b", &of_product, &own("P-1", 4)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    let done = post("c", &of_right, &own("R-1", 9)).await;
    assert_eq!(done.json()["named"], "entitlement:R-1", "{done:?}");
    let shown = api.get_as(&key, &of_right).await;
    assert_eq!(
        shown.json(),
        json!({"reference": "R-1", "terms": {"grace_days": 9}})
    );
    let policy = format!("/api/v1/parties/{party}/policy");
    for (query, name, days) in [
        (String::new(), "standard/1", 0),
        ("?product=PUMP-BASE".to_owned(), "standard/1+product:P-1", 4),
        (
            format!("?product=PUMP-BASE&entitlement={right}"),
            "standard/1+product:P-1+entitlement:R-1",
            9,
        ),
        ("?product=PUMP-PRO".to_owned(), "standard/1", 0),
    ] {
        let shown = api.get_as(&key, &format!("{policy}{query}")).await.json();
        assert_eq!(shown["policy"], name, "{shown}");
        assert_eq!(shown["rules"]["grace_days"], days, "{shown}");
    }
    for (query, status, kind) in [
        ("?product=NONE".to_owned(), 404, "not-found"),
        (format!("?entitlement={party}"), 404, "not-found"),
        (
            format!("?product=PUMP-PRO&entitlement={right}"),
            400,
            "bad-query",
        ),
    ] {
        let refused = api.get_as(&key, &format!("{policy}{query}")).await;
        refused.is_problem(status, kind);
    }
    let body = |terms: serde_json::Value| json!({"reference": "R-2", "terms": terms});
    for (name, terms, status, kind) in [
        ("d", json!({"offline": false}), 400, "bad-body"),
        ("e", json!({"ofline": false}), 400, "bad-body"),
        ("f", json!({}), 400, "bad-body"),
        ("g", json!({"lease_days": 30}), 422, "contradictory-policy"),
    ] {
        post(name, &of_right, &body(terms))
            .await
            .is_problem(status, kind);
    }
    post("h", &of_right, &own("R-1", 8))
        .await
        .is_problem(409, "refused");
    let nowhere = format!("/api/v1/products/{right}/policy");
    post("i", &nowhere, &own("P-9", 1))
        .await
        .is_problem(404, "not-found");
    let tag = shown.header("etag").to_owned();
    let end = format!("{of_right}/end");
    let stale = api
        .post_if(&key, ("j", "\"of-old\""), &end, &serde_json::Value::Null)
        .await;
    stale.is_problem(412, "precondition-failed");
    let ended = api
        .post_if(&key, ("k", &tag), &end, &serde_json::Value::Null)
        .await;
    assert_eq!(ended.json()["ended"], "R-1", "{ended:?}");
    let operator = api.key(Role::Operator).await;
    let body = own("R-3", 1).to_string();
    let refused = api
        .post(&operator, "l", &of_right, ("application/json", &body))
        .await;
    refused.is_problem(403, "forbidden");
}
