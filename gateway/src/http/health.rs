//! How the process stands, for orchestrators and for Prometheus.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

use super::Api;
use crate::store::dialect;

/// How long the database may take to answer before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the gateway can serve.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    ready: bool,
    /// Whether the database answers.
    database: bool,
    /// Whether the link to the broker is up.
    broker: bool,
    /// Whether the clock is right, without which nothing is signed.
    clock: bool,
}

/// The process runs.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// The gateway can do its work, or what keeps it from it.
pub(super) async fn ready(State(api): State<Api>) -> impl IntoResponse {
    let answer = tokio::time::timeout(PATIENCE, api.store.read("ready", dialect::answers)).await;
    let database = matches!(answer, Ok(Ok(())));
    let broker = api.link.borrow().is_connected();
    let clock = api.clock.trusted_now().is_ok();
    let ready = database && broker && clock;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        ready,
        database,
        broker,
        clock,
    };
    (status, Json(readiness))
}

/// Every counter, in the text format of Prometheus.
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.telemetry.metrics_text())
}
