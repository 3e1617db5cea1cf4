//! What the ledger says; `docs/reports.md` defines each measure.
//!
//! A report may look at the whole ledger, so few run at once and the rest of the API is not kept
//! waiting for them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{PartyId, Timestamp};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, ProblemKind};
use super::query::{self, Nothing, Query};
use super::value::{Id, When};
use super::{Api, word};
use crate::factory::yields::{self, By, YieldOf};
use crate::report::activation::{self, ActivationReport};
use crate::report::delay::{self, Cohort, DelayReport};
use crate::report::expiring::{self, Expiring, ExpiringSort};
use crate::report::group::GroupBy;
use crate::report::operations::{self, OperationsReport};
use crate::report::platform::{self, PlatformUse};
use crate::report::share::{self, ShareQuery, ShareReport};
use crate::report::stuck::{self, Limits, Stuck};
use crate::report::tiers::{self, Suggested};
use crate::report::usage::{self, UsageReport};
use crate::report::uses::{self, UsesReport};
use crate::store::{Db, StoreError};

/// How long a report waits for others.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to ask again for what had no turn.
const COME_BACK: Duration = Duration::from_secs(15);
/// Rows of each step that are listed as stuck, where nothing is said, and at most.
const STUCK: (u16, u16) = (100, 1_000);
const DAY: u64 = 86_400;

/// Of what.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LineQuery {
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    pub(super) product_line: Option<String>,
}

/// Since when.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SinceQuery {
    /// Only what happened since.
    #[param(inline)]
    since: Option<When>,
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// Of which units, and by what.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DelayQuery {
    /// Only what was ordered or shipped since.
    #[param(inline)]
    since: Option<When>,
    /// Only what was ordered or shipped before.
    #[param(inline)]
    until: Option<When>,
    /// A group for each of these; all are one, if it is not said.
    #[param(inline)]
    by: Option<word::GroupBy>,
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// By what.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// A group for each of these; by product, if it is not said.
    #[param(inline)]
    by: Option<word::GroupBy>,
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// Of which units, and by what.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShareParams {
    /// Only what was activated, and sold, since.
    #[param(inline)]
    since: Option<When>,
    /// Only what was activated, and sold, before.
    #[param(inline)]
    until: Option<When>,
    /// In the share only what was activated within so many days, of what is at least as old.
    #[param(maximum = 65535)]
    within_days: Option<u16>,
    /// A group for each combination of these, separated by commas: product, feature, model,
    /// customer, tier, product-line, platform, purpose; all are one, if it is not said.
    #[param(max_length = 100)]
    by: Option<String>,
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// How soon.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExpiringQuery {
    /// Within so many days; 30, if it is not said.
    #[param(default = 30)]
    days: Option<u16>,
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// Which yields.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct YieldQuery {
    /// By what; by station, if it is not said.
    #[param(inline)]
    by: Option<By>,
    /// Only of the stations of this contract manufacturer: its id.
    #[param(inline)]
    manufacturer: Option<Id>,
    /// First runs that closed from then on.
    #[param(inline)]
    from: Option<When>,
    /// First runs that closed before.
    #[param(inline)]
    to: Option<When>,
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// What is stuck.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StuckQuery {
    /// Only this step.
    #[param(inline)]
    step: Option<word::StuckStep>,
    /// How long something may be in a step, where the usual is not meant, as removing=3d,denied=1h.
    #[param(max_length = 256)]
    limits: Option<String>,
    /// Rows of each step at most: 1 to 1000; 100, if it is not said.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    most: Option<u16>,
    /// Only of this product line, by its name.
    #[param(max_length = 64)]
    product_line: Option<String>,
}

/// Waits until it is a report's turn, which lasts as long as what this returns.
pub(super) async fn turn(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = Arc::clone(&api.turns).acquire_owned();
    match tokio::time::timeout(PATIENCE, turn).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(
            Problem::new(ProblemKind::Busy, "other reports are being made; try again")
                .after(COME_BACK),
        ),
    }
}

/// Runs a report when it is its turn.
pub(super) async fn report<T: Send + 'static>(
    api: &Api,
    query: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let _turn = turn(api).await?;
    Ok(Json(api.read(query).await?))
}

/// First-pass yield by station, or final yield by batch
///
/// First-pass yield: units whose first run at the station passed, of those whose first run there
/// closed. Final yield: devices that passed, of those that passed, failed or were scrapped.
#[utoipa::path(
    get, path = "/reports/yield", operation_id = "report_yield", tag = "reports",
    params(YieldQuery),
    responses((status = OK, body = Vec<YieldOf>))
)]
pub(super) async fn yields(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<YieldQuery>,
) -> Result<Json<Vec<YieldOf>>, Problem> {
    let from = query
        .from
        .map_or(Timestamp::from_micros(i64::MIN), |at| at.0);
    let to = query.to.map_or(Timestamp::from_micros(i64::MAX), |at| at.0);
    let by = query.by.unwrap_or_default();
    let manufacturers = caller.owners(query.manufacturer.map(|id| PartyId(id.0)));
    let line = caller.within().asked(&api, query.product_line).await?;
    report(&api, move |db| {
        yields::read(db, by, manufacturers.as_deref(), line, (from, to))
    })
    .await
}

/// How devices, activations and refusals stand
#[utoipa::path(
    get, path = "/reports/activation", operation_id = "report_activation", tag = "reports",
    params(SinceQuery),
    responses((status = OK, body = ActivationReport))
)]
pub(super) async fn activation(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<SinceQuery>,
) -> Result<Json<ActivationReport>, Problem> {
    let (now, since) = (api.clock.now(), query.since.map(|at| at.0));
    let line = caller.within().asked(&api, query.product_line).await?;
    let zone = api.time_zone.clone();
    report(&api, move |db| {
        activation::read(db, line, now, since, &zone)
    })
    .await
}

/// How long units take from the order to their first activation in the field
#[utoipa::path(
    get, path = "/reports/order-to-activation", operation_id = "report_order_to_activation", tag = "reports",
    params(DelayQuery),
    responses((status = OK, body = DelayReport))
)]
pub(super) async fn order_to_activation(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<DelayQuery>,
) -> Result<Json<DelayReport>, Problem> {
    let (now, cohort, by) = (api.clock.now(), query.cohort(), query.by());
    let line = caller.within().asked(&api, query.product_line).await?;
    report(&api, move |db| {
        delay::order_to_activation(db, line, now, cohort, by)
    })
    .await
}

/// How long units take from the shipment to their first activation in the field
#[utoipa::path(
    get, path = "/reports/shipment-to-activation", operation_id = "report_shipment_to_activation", tag = "reports",
    params(DelayQuery),
    responses((status = OK, body = DelayReport))
)]
pub(super) async fn shipment_to_activation(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<DelayQuery>,
) -> Result<Json<DelayReport>, Problem> {
    let (now, cohort, by) = (api.clock.now(), query.cohort(), query.by());
    let line = caller.within().asked(&api, query.product_line).await?;
    report(&api, move |db| {
        delay::shipment_to_activation(db, line, now, cohort, by)
    })
    .await
}

/// Count the platforms that have something activated
#[utoipa::path(
    get, path = "/reports/platforms", operation_id = "report_platforms", tag = "reports",
    params(LineQuery),
    responses((status = OK, body = Vec<PlatformUse>))
)]
pub(super) async fn platforms(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<LineQuery>,
) -> Result<Json<Vec<PlatformUse>>, Problem> {
    let line = caller.within().asked(&api, query.product_line).await?;
    report(&api, move |db| platform::platforms(db, line)).await
}

/// Count the licence models in use
#[utoipa::path(
    get, path = "/reports/license-models", operation_id = "report_license_models", tag = "reports",
    params(LineQuery),
    responses((status = OK, body = UsageReport))
)]
pub(super) async fn license_models(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<LineQuery>,
) -> Result<Json<UsageReport>, Problem> {
    let line = caller.within().asked(&api, query.product_line).await?;
    let now = api.clock.now();
    report(&api, move |db| usage::usage(db, line, now, GroupBy::Model)).await
}

/// How much of what was sold is in use
#[utoipa::path(
    get, path = "/reports/utilisation", operation_id = "report_utilisation", tag = "reports",
    params(UsageQuery),
    responses((status = OK, body = UsageReport))
)]
pub(super) async fn utilisation(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageReport>, Problem> {
    let now = api.clock.now();
    let by = query.by.map_or(GroupBy::Product, |word| word.0);
    let line = caller.within().asked(&api, query.product_line).await?;
    report(&api, move |db| usage::usage(db, line, now, by)).await
}

/// Count activations, and which share of what was sold they are, by any grouping
#[utoipa::path(
    get, path = "/reports/activations", operation_id = "report_activations", tag = "reports",
    params(ShareParams),
    responses((status = OK, body = ShareReport))
)]
pub(super) async fn activations(
    State(api): State<Api>,
    caller: Caller,
    Query(params): Query<ShareParams>,
) -> Result<Json<ShareReport>, Problem> {
    let by = params.by.as_deref().unwrap_or_default();
    let query = ShareQuery {
        cohort: interval(params.since, params.until),
        within: params
            .within_days
            .map(|days| Duration::from_secs(u64::from(days) * DAY)),
        by: by
            .parse()
            .map_err(|why| query::refused(format_args!("by: {why}")))?,
        line: caller.within().asked(&api, params.product_line).await?,
    };
    let now = api.clock.now();
    report(&api, move |db| share::read(db, now, &query)).await
}

/// Count returns, moves, temporary licences, overdrafts, copies at risk, resyncs and what succeeded
#[utoipa::path(
    get, path = "/reports/operations", operation_id = "report_operations", tag = "reports",
    params(DelayQuery),
    responses((status = OK, body = OperationsReport))
)]
pub(super) async fn operations(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<DelayQuery>,
) -> Result<Json<OperationsReport>, Problem> {
    let (now, interval, by) = (api.clock.now(), query.cohort(), query.by());
    let line = caller.within().asked(&api, query.product_line).await?;
    report(&api, move |db| {
        operations::read(db, line, now, interval, by)
    })
    .await
}

/// How often devices used what is metered or counted
#[utoipa::path(
    get, path = "/reports/uses", operation_id = "report_uses", tag = "reports",
    params(UsageQuery),
    responses((status = OK, body = UsesReport))
)]
pub(super) async fn uses(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsesReport>, Problem> {
    let now = api.clock.now();
    let by = query.by.map_or(GroupBy::Product, |word| word.0);
    let line = caller.within().asked(&api, query.product_line).await?;
    report(&api, move |db| uses::read(db, line, now, by)).await
}

/// List what ends soon, what ends first first
#[utoipa::path(
    get, path = "/reports/expiring", operation_id = "report_expiring", tag = "reports",
    params(ExpiringQuery, PageParams::<ExpiringSort>),
    responses((status = OK, body = Page<Expiring>))
)]
pub(super) async fn expiring(
    State(api): State<Api>,
    caller: Caller,
    list: List<ExpiringQuery, ExpiringSort>,
) -> Result<Json<Page<Expiring>>, Problem> {
    let now = api.clock.now();
    let until = now.plus_seconds(u64::from(list.filter.days.unwrap_or(30)) * DAY);
    let line = list.filter.product_line.clone();
    let line = caller.within().asked(&api, line).await?;
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let read = move |db: &mut Db| expiring::page(db, line, &(now..until), &part, limit);
    let Json(soon) = report(&api, read).await?;
    Ok(Json(list.page(soon)))
}

/// List parties that bought as much as another tier takes, or less than their own does
#[utoipa::path(
    get, path = "/reports/tiers", operation_id = "report_tiers", tag = "reports",
    responses((status = OK, body = Vec<Suggested>))
)]
pub(super) async fn tiers(
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Result<Json<Vec<Suggested>>, Problem> {
    let (now, zone) = (api.clock.now(), api.time_zone.clone());
    report(&api, move |db| tiers::read(db, now, &zone)).await
}

/// List what has been in a step for longer than it should
#[utoipa::path(
    get, path = "/reports/stuck", operation_id = "report_stuck", tag = "reports",
    params(StuckQuery),
    responses((status = OK, body = Vec<Stuck>))
)]
pub(super) async fn stuck(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<StuckQuery>,
) -> Result<Json<Vec<Stuck>>, Problem> {
    let (usual, most) = STUCK;
    let rows = query.most.unwrap_or(usual);
    if !(1..=most).contains(&rows) {
        return Err(query::refused(format_args!(
            "most: {rows} is not 1 to {most}"
        )));
    }
    let mut limits = Limits::default();
    for text in query.limits.iter().flat_map(|limits| limits.split(',')) {
        let (step, limit) =
            stuck::limit(text).map_err(|why| query::refused(format_args!("limits: {why}")))?;
        *limits.of(step) = limit;
    }
    let line = caller.within().asked(&api, query.product_line).await?;
    let now = api.clock.now();
    let Json(mut stuck) = report(&api, move |db| {
        stuck::stuck(db, line, now, &limits, i64::from(rows))
    })
    .await?;
    stuck.retain(|stuck| query.step.is_none_or(|step| stuck.step == step.0));
    Ok(Json(stuck))
}

fn interval(since: Option<When>, until: Option<When>) -> Cohort {
    Cohort {
        since: since.map(|at| at.0),
        until: until.map(|at| at.0),
    }
}

impl DelayQuery {
    fn cohort(&self) -> Cohort {
        interval(self.since, self.until)
    }

    fn by(&self) -> GroupBy {
        self.by.map_or(GroupBy::All, |word| word.0)
    }
}
