//! What orchestrators and Prometheus ask.

use fleetgrant::mqtt::LinkState;
use fleetgrant_core::domain::Role;

use crate::api::{Served, link};

#[tokio::test]
async fn a_gateway_that_can_work_is_ready() {
    let api = Served::start().await;
    let alive = api.get("/healthz").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "alive\n"));
    let ready = api.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        serde_json::json!({"ready": true, "database": true, "broker": true, "clock": true})
    );
}

#[tokio::test]
async fn what_is_missing_is_named_and_the_process_lives() {
    let api = Served::start().await;
    api.link.send_replace(link(LinkState::Connecting));
    api.hands.jump(86_400);
    let ready = api.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.json(),
        serde_json::json!({"ready": false, "database": true, "broker": false, "clock": false})
    );
    assert_eq!(api.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_address() {
    let api = Served::start().await;
    api.get("/healthz").await;
    api.get("/nowhere/unheard-of").await;
    let key = api.key(Role::Operator).await;
    let metrics = api.get_as(&key, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("text/plain"));
    let counted = |method: &str, path: &str, status: &str| {
        let line = format!(
            "fleetgrant_http_requests_total{{method=\"{method}\",path=\"{path}\",status=\"{status}\"}}"
        );
        metrics.body.contains(&line)
    };
    assert!(counted("GET", "/healthz", "200"), "{}", metrics.body);
    assert!(counted("GET", "none", "404"), "{}", metrics.body);
    assert!(!metrics.body.contains("unheard-of"));
}
