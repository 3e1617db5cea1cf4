//! Entitlements of a party that are to end together, over HTTP.

use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::api::Served;

#[tokio::test]
async fn each_entitlement_of_a_party_is_moved_or_refused_by_itself() {
    let api = Served::with_samples().await;
    let key = api.key(Role::Operator).await;
    let find = async |path: &str| {
        let found = api.get_as(&key, path).await.json();
        found["items"][0]["id"].as_str().unwrap().to_owned()
    };
    let party = find("/api/v1/parties?external_id=C-200").await;
    let other = find("/api/v1/parties?external_id=C-101").await;
    let path = format!("/api/v1/parties/{party}/co-term");
    let owned = api
        .get_as(&key, &format!("/api/v1/entitlements?owner={party}"))
        .await
        .json();
    let owned = owned["items"].as_array().unwrap().len();
    let foreign = find(&format!("/api/v1/entitlements?owner={other}")).await;
    let post = async |name: &str, path: &str, body: Value| {
        let body = body.to_string();
        api.post(&key, name, path, ("application/json", &body))
            .await
    };
    let all = post("a", &path, json!({"until": "2035-01-01T00:00:00Z"})).await;
    assert_eq!(all.status, 200, "{all:?}");
    assert_eq!(all.json()["done"], owned);
    let again = post("a", &path, json!({"until": "2035-01-01T00:00:00Z"})).await;
    assert_eq!(again.json(), all.json());
    let named = json!({"until": "2035-01-01T00:00:00Z", "entitlements": [foreign]});
    let refused = post("b", &path, named).await.json();
    assert_eq!(refused["refused"], 1, "{refused}");
    for (name, body, status, kind) in [
        ("c", json!({}), 400, "bad-body"),
        (
            "d",
            json!({"until": "2035-01-01T00:00:00Z", "contract": "F-1"}),
            400,
            "bad-body",
        ),
        ("e", json!({"contract": "F-1"}), 409, "refused"),
    ] {
        post(name, &path, body).await.is_problem(status, kind);
    }
    let nowhere = format!("/api/v1/parties/{foreign}/co-term");
    let nobody = post("f", &nowhere, json!({"until": "2035-01-01T00:00:00Z"})).await;
    nobody.is_problem(404, "not-found");
}
