//! Every route, and what stands before all of them.

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

use super::problem::{Problem, ProblemKind};
use super::{Api, guard, health};

/// The service of the whole API.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn(guard::bounded))
        .with_state(api)
}

async fn nothing_here(uri: Uri) -> Problem {
    // What was asked is echoed in JSON and no longer than the head of a request may be.
    Problem::new(
        ProblemKind::NotFound,
        format!("nothing has the address {}", uri.path()),
    )
}

async fn not_that_way(method: Method) -> Problem {
    Problem::new(
        ProblemKind::MethodNotAllowed,
        format!("{method} is not taken here; the header Allow says what is"),
    )
}
