//! Every route, and what stands before all of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kept::{self, Kept};
use super::problem::{self, Problem, ProblemKind};
use super::{
    Api, activation_acts, activations, bulk, caller, campaign_acts, campaigns, case_acts, cases,
    checkpoints, co_terms, code_acts, contract_list, contracts, customers, device_acts,
    device_events, device_keys, device_moves, devices, entitlement_acts, entitlements, events,
    factory, grants, guard, health, history, imports, key, keys, license_models, line, migrations,
    openapi, order_acts, orders, packs, parties, party_acts, policies, policy_override_list,
    policy_overrides, products, reconcile, reports, roles, runs, shipments, skus, webhook_acts,
    webhooks,
};

/// Bytes of a request's body, where nothing else is said.
const MAX_BODY: usize = 64 * 1024;

/// The service of the whole API.
pub fn router(api: Api) -> Router {
    let (with_a_key, document) = described(api.kept.clone()).split_for_parts();
    let document = Arc::new(openapi::complete(document));
    let with_a_key = with_a_key
        .route("/metrics", get(health::metrics))
        .route_layer(middleware::from_fn_with_state(api.clone(), caller::checked));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route(
            openapi::DOCUMENT,
            get(move || openapi::document(Arc::clone(&document))),
        )
        .route(openapi::PAGE, get(openapi::to_page))
        .route(&format!("{}/", openapi::PAGE), get(openapi::page))
        .route(&format!("{}/{{file}}", openapi::PAGE), get(openapi::page))
        .route("/problems/{kind}", get(problem::meaning))
        .merge(with_a_key)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn(guard::bounded))
        .with_state(api)
}

/// The routes of [`roles::PREFIX`] with their descriptions.
fn described(kept: Kept) -> OpenApiRouter<Api> {
    let imports = OpenApiRouter::new()
        .routes(routes!(imports::any))
        .routes(routes!(imports::manifest))
        .routes(routes!(migrations::bring_over))
        .routes(routes!(reconcile::reconcile))
        .layer(DefaultBodyLimit::max(imports::MAX_FILE));
    let checkpoints = OpenApiRouter::new()
        .routes(routes!(checkpoints::make, checkpoints::hold))
        .layer(DefaultBodyLimit::max(checkpoints::LONGEST_FILE));
    let reports = reports(kept);
    let routes = OpenApiRouter::new()
        .routes(routes!(key::show))
        .merge(imports)
        .routes(routes!(parties::list))
        .routes(routes!(parties::show))
        .routes(routes!(party_acts::hold))
        .routes(routes!(party_acts::release))
        .routes(routes!(party_acts::merge))
        .routes(routes!(party_acts::erase))
        .routes(routes!(co_terms::co_term))
        .routes(routes!(products::list))
        .routes(routes!(products::show))
        .routes(routes!(skus::list))
        .routes(routes!(license_models::list))
        .routes(routes!(orders::list))
        .routes(routes!(orders::show))
        .routes(routes!(order_acts::act))
        .routes(routes!(shipments::list))
        .routes(routes!(shipments::show))
        .routes(routes!(entitlements::list))
        .routes(routes!(entitlements::show))
        .routes(routes!(entitlement_acts::act))
        .routes(routes!(bulk::entitlements))
        .routes(routes!(devices::list))
        .routes(routes!(devices::show))
        .routes(routes!(device_events::list))
        .routes(routes!(device_acts::push))
        .routes(routes!(device_acts::clear))
        .routes(routes!(device_acts::admit))
        .routes(routes!(device_acts::declare_dead))
        .routes(routes!(device_acts::readmit))
        .routes(routes!(device_keys::repair))
        .routes(routes!(device_keys::revoke_key))
        .routes(routes!(device_acts::temporary))
        .routes(routes!(device_acts::take_over))
        .routes(routes!(device_moves::transfer))
        .routes(routes!(device_moves::outage))
        .routes(routes!(bulk::devices))
        .routes(routes!(activations::list, activation_acts::assign))
        .routes(routes!(activations::show))
        .routes(routes!(bulk::assignments))
        .routes(routes!(activation_acts::cancel))
        .routes(routes!(activation_acts::revoke))
        .routes(routes!(cases::list))
        .routes(routes!(cases::show))
        .routes(routes!(case_acts::approve))
        .routes(routes!(case_acts::refuse))
        .routes(routes!(contract_list::list))
        .routes(routes!(contracts::effective))
        .routes(routes!(contracts::put))
        .routes(routes!(contracts::end))
        .routes(routes!(
            policy_overrides::of_product,
            policy_overrides::put_of_product
        ))
        .routes(routes!(policy_overrides::end_of_product))
        .routes(routes!(
            policy_overrides::of_entitlement,
            policy_overrides::put_of_entitlement
        ))
        .routes(routes!(policy_overrides::end_of_entitlement))
        .routes(routes!(policy_override_list::list))
        .routes(routes!(policies::list))
        .routes(routes!(policies::show, policies::put))
        .routes(routes!(policies::version))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::show))
        .routes(routes!(keys::revoke))
        .routes(routes!(campaigns::list, campaign_acts::create))
        .routes(routes!(campaigns::show))
        .routes(routes!(campaigns::devices))
        .routes(routes!(campaign_acts::start))
        .routes(routes!(campaign_acts::pause))
        .routes(routes!(campaign_acts::resume))
        .routes(routes!(campaign_acts::abort))
        .routes(routes!(factory::batches))
        .routes(routes!(factory::reserve))
        .routes(routes!(grants::make))
        .routes(routes!(line::stations, line::put_station))
        .routes(routes!(runs::list, line::open_run))
        .routes(routes!(line::close_runs))
        .routes(routes!(line::scrap))
        .routes(routes!(packs::list))
        .routes(routes!(packs::codes))
        .routes(routes!(code_acts::void_pack))
        .routes(routes!(code_acts::void_code))
        .routes(routes!(migrations::surrender))
        .routes(routes!(events::list))
        .routes(routes!(webhooks::list, webhook_acts::add))
        .routes(routes!(webhooks::show))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhook_acts::rotate))
        .routes(routes!(webhook_acts::pause))
        .routes(routes!(webhook_acts::resume))
        .routes(routes!(webhook_acts::remove))
        .routes(routes!(webhook_acts::replay))
        .routes(routes!(webhook_acts::test))
        .routes(routes!(history::of))
        .routes(routes!(checkpoints::verify))
        .merge(checkpoints)
        .merge(reports);
    OpenApiRouter::with_openapi(openapi::frame()).nest(roles::PREFIX, routes)
}

/// The reports, each made once for all who ask.
fn reports(kept: Kept) -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(reports::activation))
        .routes(routes!(reports::order_to_activation))
        .routes(routes!(reports::shipment_to_activation))
        .routes(routes!(reports::platforms))
        .routes(routes!(reports::license_models))
        .routes(routes!(reports::utilisation))
        .routes(routes!(reports::activations))
        .routes(routes!(reports::operations))
        .routes(routes!(reports::uses))
        .routes(routes!(reports::expiring))
        .routes(routes!(reports::tiers))
        .routes(routes!(reports::stuck))
        .routes(routes!(customers::show))
        .routes(routes!(reports::yields))
        .routes(routes!(migrations::progress))
        .layer(middleware::from_fn_with_state(kept, kept::report))
}

/// The reports alone, for whoever is known already.
pub(super) fn reports_alone(api: &Api) -> Router {
    let reports = OpenApiRouter::new().nest(roles::PREFIX, reports(api.kept.clone()));
    let (reports, _) = reports.split_for_parts();
    reports.with_state(api.clone())
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
