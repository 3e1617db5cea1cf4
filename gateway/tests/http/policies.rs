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
