//! Reports that are made ahead of who will ask for them, so that they are there at once.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use fleetgrant_core::domain::{ApiKeyId, Role, Roles};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::caller::Caller;
use super::kept::Ahead;
use super::{Api, roles, router};
use crate::access::Grant;

/// Those that read all that was ever activated, as whoever says nothing is told them; the others are
/// quick.
const REPORTS: [&str; 7] = [
    "activation",
    "shipment-to-activation",
    "order-to-activation",
    "activations",
    "utilisation",
    "license-models",
    "platforms",
];

/// Makes each of [`REPORTS`] anew every so often, over all product lines, until it is stopped.
pub(super) async fn run(api: Api, every: Duration, mut stopped: watch::Receiver<bool>) {
    let reports = router::reports_alone(&api);
    let round = async {
        loop {
            let began = Instant::now();
            for report in REPORTS {
                let took = make(&api, &reports, report, every).await;
                // So that a round takes half of one processor at most, and others have their turn.
                tokio::time::sleep(took).await;
            }
            tokio::time::sleep(every.saturating_sub(began.elapsed())).await;
        }
    };
    tokio::select! {
        () = round => {}
        // An error is a server that was dropped: it stops too.
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

/// Makes one, and how long it took.
async fn make(api: &Api, reports: &Router, report: &str, every: Duration) -> Duration {
    let began = Instant::now();
    let now = api.clock.now();
    // As whoever sees everything, so that it is told to all who do.
    let caller = Caller {
        id: ApiKeyId([0; 16]),
        name: "ahead".to_owned(),
        actor: "ahead".to_owned(),
        grant: Grant::All(Roles::of(&[Role::Auditor])),
        product_line: None,
        created_at: now,
        expires_at: now,
    };
    let request = Request::get(format!("{}/reports/{report}", roles::PREFIX))
        .extension(caller)
        .extension(Ahead(every))
        .body(Body::empty())
        .expect("the name of a report makes an address");
    let answered = reports.clone().oneshot(request).await;
    let status = answered.unwrap_or_else(|never| match never {}).status();
    let took = began.elapsed();
    if status == StatusCode::OK {
        tracing::debug!(report, ?took, "a report was made ahead");
    } else {
        tracing::warn!(report, %status, "a report could not be made ahead");
    }
    took
}
