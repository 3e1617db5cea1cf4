//! What the ledger says; `docs/reports.md` defines each measure.
//!
//! A report may look at the whole ledger, so few run at once and the rest of the API is not kept
//! waiting for them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::{Problem, ProblemKind};
use super::query::{self, Nothing, Query};
use super::value::When;
use super::{Api, word};
use crate::report::activation::{self, ActivationReport};
use crate::report::delay::{self, Cohort, DelayReport};
use crate::report::group::GroupBy;
use crate::report::platform::{self, PlatformUse};
use crate::report::stuck::{self, Limits, Stuck};
use crate::report::usage::{self, UsageReport};
use crate::store::{Db, StoreError};

/// How long a report waits for others.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to ask again for what had no turn.
const COME_BACK: Duration = Duration::from_secs(15);
/// Rows of each step that are listed as stuck, where nothing is said, and at most.
const STUCK: (u16, u16) = (100, 1_000);

/// Since when.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SinceQuery {
    /// Only what happened since.
    #[param(inline)]
    since: Option<When>,
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
}

/// By what.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// A group for each of these; by product, if it is not said.
    #[param(inline)]
    by: Option<word::GroupBy>,
}

/// What is stuck.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StuckQuery {
    /// Only this step.
    #[param(inline)]
    step: Option<word::StuckStep>,
    /// Rows of each step at most: 1 to 1000; 100, if it is not said.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    most: Option<u16>,
}

/// Runs a report when it is its turn.
async fn report<T: Send + 'static>(
    api: &Api,
    query: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let turn = tokio::time::timeout(PATIENCE, api.reports.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(
            Problem::new(ProblemKind::Busy, "other reports are being made; try again")
                .after(COME_BACK),
        );
    };
    Ok(Json(api.read(query).await?))
}

/// How devices, activations and refusals stand
#[utoipa::path(
    get, path = "/reports/activation", operation_id = "report_activation", tag = "reports",
    params(SinceQuery),
    responses((status = OK, body = ActivationReport))
)]
pub(super) async fn activation(
    State(api): State<Api>,
    Query(query): Query<SinceQuery>,
) -> Result<Json<ActivationReport>, Problem> {
    let (now, since) = (api.clock.now(), query.since.map(|at| at.0));
    let zone = api.time_zone.clone();
    report(&api, move |db| activation::read(db, now, since, &zone)).await
}

/// How long units take from the order to their first activation in the field
#[utoipa::path(
    get, path = "/reports/order-to-activation", operation_id = "report_order_to_activation", tag = "reports",
    params(DelayQuery),
    responses((status = OK, body = DelayReport))
)]
pub(super) async fn order_to_activation(
    State(api): State<Api>,
    Query(query): Query<DelayQuery>,
) -> Result<Json<DelayReport>, Problem> {
    let (now, cohort, by) = (api.clock.now(), query.cohort(), query.by());
    report(&api, move |db| {
        delay::order_to_activation(db, now, cohort, by)
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
    Query(query): Query<DelayQuery>,
) -> Result<Json<DelayReport>, Problem> {
    let (now, cohort, by) = (api.clock.now(), query.cohort(), query.by());
    report(&api, move |db| {
        delay::shipment_to_activation(db, now, cohort, by)
    })
    .await
}

/// Count the platforms that have something activated
#[utoipa::path(
    get, path = "/reports/platforms", operation_id = "report_platforms", tag = "reports",
    responses((status = OK, body = Vec<PlatformUse>))
)]
pub(super) async fn platforms(
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Result<Json<Vec<PlatformUse>>, Problem> {
    report(&api, platform::platforms).await
}

/// Count the licence models in use
#[utoipa::path(
    get, path = "/reports/license-models", operation_id = "report_license_models", tag = "reports",
    responses((status = OK, body = UsageReport))
)]
pub(super) async fn license_models(
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Result<Json<UsageReport>, Problem> {
    let now = api.clock.now();
    report(&api, move |db| usage::usage(db, now, GroupBy::Model)).await
}

/// How much of what was sold is in use
#[utoipa::path(
    get, path = "/reports/utilisation", operation_id = "report_utilisation", tag = "reports",
    params(UsageQuery),
    responses((status = OK, body = UsageReport))
)]
pub(super) async fn utilisation(
    State(api): State<Api>,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageReport>, Problem> {
    let now = api.clock.now();
    let by = query.by.map_or(GroupBy::Product, |word| word.0);
    report(&api, move |db| usage::usage(db, now, by)).await
}

/// List what has been in a step for longer than it should
#[utoipa::path(
    get, path = "/reports/stuck", operation_id = "report_stuck", tag = "reports",
    params(StuckQuery),
    responses((status = OK, body = Vec<Stuck>))
)]
pub(super) async fn stuck(
    State(api): State<Api>,
    Query(query): Query<StuckQuery>,
) -> Result<Json<Vec<Stuck>>, Problem> {
    let (usual, most) = STUCK;
    let rows = query.most.unwrap_or(usual);
    if !(1..=most).contains(&rows) {
        return Err(query::refused(format_args!(
            "most: {rows} is not 1 to {most}"
        )));
    }
    let now = api.clock.now();
    let Json(mut stuck) = report(&api, move |db| {
        stuck::stuck(db, now, &Limits::default(), i64::from(rows))
    })
    .await?;
    stuck.retain(|stuck| query.step.is_none_or(|step| stuck.step == step.0));
    Ok(Json(stuck))
}

impl DelayQuery {
    fn cohort(&self) -> Cohort {
        Cohort {
            since: self.since.map(|at| at.0),
            until: self.until.map(|at| at.0),
        }
    }

    fn by(&self) -> GroupBy {
        self.by.map_or(GroupBy::All, |word| word.0)
    }
}
