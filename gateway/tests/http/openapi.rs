//! The description of the API: what it says is what there is. `BLESS=1` writes it anew.

use std::collections::BTreeSet;
use std::fs;

use fleetgrant::http::roles::{ENDPOINTS, PREFIX};
use serde_json::Value;

use crate::api::Served;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

async fn served() -> (Served, Value) {
    let api = Served::start().await;
    let answer = api.get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    (api, document)
}

#[tokio::test]
async fn the_committed_description_is_the_one_served() {
    let (_api, document) = served().await;
    let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    if std::env::var_os("BLESS").is_some() {
        fs::write(COMMITTED, &text).unwrap();
    }
    assert!(
        fs::read_to_string(COMMITTED).unwrap() == text,
        "docs/openapi.json is not what is served; write it with BLESS=1 cargo test -p fleetgrant --test http openapi"
    );
}

#[tokio::test]
async fn it_describes_each_route_of_the_table_and_no_other() {
    let (_api, document) = served().await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let table: BTreeSet<_> = ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.path.starts_with(PREFIX))
        .map(|endpoint| (endpoint.method.to_string(), endpoint.path.to_owned()))
        .collect();
    assert_eq!(described, table);
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(target) if name == "$ref" => {
                        found.insert(target.to_owned());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_operation_has_a_name() {
    let (_api, document) = served().await;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/ProblemDetails"));
    for target in &found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
    let operations: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .collect();
    let names: BTreeSet<_> = operations
        .iter()
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), operations.len());
    for operation in operations {
        let told = operation["description"].as_str().unwrap();
        assert!(told.contains("Roles: "), "{operation}");
        assert!(operation["responses"].get("401").is_some(), "{operation}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let (api, _) = served().await;
    let page = api.get("/api/docs").await;
    assert_eq!(page.status, 200, "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    // What the page names is there.
    let names: Vec<_> = page
        .body
        .split(['"', '\''])
        .filter(|text| text.ends_with(".js") || text.ends_with(".css"))
        .collect();
    assert!(names.len() >= 3, "{}", page.body);
    for name in names {
        assert!(!name.contains("//"), "{name}");
        let file = api
            .get(&format!("/api/docs/{}", name.trim_start_matches("./")))
            .await;
        assert_eq!(file.status, 200, "{name}");
    }
    let initializer = api.get("/api/docs/swagger-initializer.js").await;
    assert!(initializer.body.contains("/api/v1/openapi.json"));
    assert!(!initializer.body.contains("http"), "{}", initializer.body);
    api.get("/api/docs/nothing.js")
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn what_a_problem_means_is_told_at_its_address() {
    let (api, _) = served().await;
    let told = api.get("/problems/bad-cursor").await;
    assert_eq!(told.status, 200);
    assert!(
        told.body.starts_with("The cursor is of no use here"),
        "{told:?}"
    );
    api.get("/problems/none").await.is_problem(404, "not-found");
}
