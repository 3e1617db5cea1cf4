//! Tries of devices at stations, those that are closed too. A contract manufacturer sees its own.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::line::Run;
use super::page::{List, Page, PageParams};
use super::problem::Problem;
use super::value::{Id, When};
use super::{Api, query, word};
use crate::store::listing::{self, RunFilter, RunRow, RunSort};

/// Which runs.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunQuery {
    /// Those at the station of this name.
    #[param(max_length = 64)]
    station: Option<String>,
    /// Those of devices of the batch that a manifest calls so.
    batch: Option<String>,
    /// Those of this device.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    device: Option<String>,
    /// Those that stand so.
    #[param(inline)]
    state: Option<word::RunState>,
    /// Those at stations that this contract manufacturer runs: its id.
    #[param(inline)]
    manufacturer: Option<Id>,
}

/// A try of a device at a station, and what it belongs to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RunEntry {
    pub(crate) id: Id,
    #[serde(flatten)]
    pub(crate) run: Run,
    /// The batch that the device is of, as its manifest calls it.
    pub(crate) batch: Option<String>,
    /// Who runs it.
    pub(crate) operator: Option<String>,
}

impl From<RunRow> for RunEntry {
    fn from(row: RunRow) -> Self {
        Self {
            id: Id(row.id.0),
            run: Run {
                device: row.device,
                station: row.station,
                attempt: row.attempt,
                state: word::RunState(row.state.0),
                opened_at: When(row.opened_at.0),
                closed_at: row.closed_at.map(|at| When(at.0)),
            },
            batch: row.batch,
            operator: row.operator,
        }
    }
}

/// List tries of devices at stations, the oldest first
#[utoipa::path(
    get, path = "/runs", operation_id = "list_runs", tag = "factory",
    params(RunQuery, PageParams::<RunSort>),
    responses((status = OK, body = Page<RunEntry>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<RunQuery, RunSort>,
) -> Result<Json<Page<RunEntry>>, Problem> {
    let asked = list.filter.clone();
    let filter = RunFilter {
        station: asked.station,
        batch: asked.batch,
        device: query::device(asked.device.as_deref())?,
        state: asked.state.map(|word| word.0),
        manufacturers: caller.owners(asked.manufacturer.map(|id| PartyId(id.0))),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    filter.check()?;
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::runs(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}
