//! Stations of lines, and tries of devices at them. A contract manufacturer has its own.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{DeviceId, PartyId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::value::{Id, When};
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, word};
use crate::factory::{self, LineError};
use crate::store::event::Occasion;
use crate::store::station::{
    self, Run as RunRow, Station as StationRow, StationFilter, StationSort,
};
use crate::store::{Db, StoreError};

/// Which stations.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StationQuery {
    /// Those that this contract manufacturer runs: its id.
    #[param(inline)]
    manufacturer: Option<Id>,
}

/// A station of a line.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Station {
    pub(crate) name: String,
    /// Who runs it.
    pub(crate) manufacturer: Option<Id>,
    /// Seconds in which a device must have signed for its rights.
    pub(crate) time_limit_seconds: i64,
    pub(crate) created_at: When,
}

/// A station to be added, or to have another time limit.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStation {
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) name: String,
    /// Who runs it: the party's id.
    #[schema(inline)]
    pub(crate) manufacturer: Option<Id>,
    /// Seconds in which a device must have signed for its rights; 300, if it is not said.
    #[serde(default = "usual_limit")]
    #[schema(minimum = 1, maximum = 86400, default = 300)]
    pub(crate) time_limit_seconds: u32,
}

const fn usual_limit() -> u32 {
    300
}

/// A try of a device at a station, to be begun.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRun {
    /// The id of the device.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) device: String,
    /// The name of the station.
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) station: String,
    /// Who runs it.
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) operator: Option<String>,
}

/// A device to be scrapped.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScrappedDevice {
    /// The id of the device.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) device: String,
}

/// A try of a device at a station.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Run {
    pub(crate) device: String,
    pub(crate) station: String,
    /// Counts the tries of the device at the station, from 1.
    pub(crate) attempt: i64,
    pub(crate) state: word::RunState,
    pub(crate) opened_at: When,
    pub(crate) closed_at: Option<When>,
}

/// Runs that were closed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RunsClosed {
    pub(crate) items: Vec<Run>,
    /// There may be others that are decided too.
    pub(crate) more: bool,
}

impl From<StationRow> for Station {
    fn from(row: StationRow) -> Self {
        Self {
            name: row.name,
            manufacturer: row.manufacturer_id.map(|id| Id(id.0.0)),
            time_limit_seconds: row.time_limit_seconds,
            created_at: When(row.created_at.0),
        }
    }
}

impl From<(RunRow, StationRow)> for Run {
    fn from((row, station): (RunRow, StationRow)) -> Self {
        Self {
            device: row.device_id,
            station: station.name,
            attempt: row.attempt,
            state: word::RunState(row.state.0),
            opened_at: When(row.opened_at.0),
            closed_at: row.closed_at.map(|at| When(at.0)),
        }
    }
}

/// List the stations, by name
#[utoipa::path(
    get, path = "/stations", operation_id = "list_stations", tag = "factory",
    params(StationQuery, PageParams::<StationSort>),
    responses((status = OK, body = Page<Station>))
)]
pub(super) async fn stations(
    State(api): State<Api>,
    caller: Caller,
    list: List<StationQuery, StationSort>,
) -> Result<Json<Page<Station>>, Problem> {
    let filter = StationFilter {
        manufacturers: caller.owners(list.filter.manufacturer.map(|id| PartyId(id.0))),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| station::list(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Add a station, or give one another time limit
#[utoipa::path(
    post, path = "/stations", operation_id = "put_station", tag = "factory",
    params(ActQuery, WriteParams),
    request_body = NewStation,
    responses((status = OK, body = Station))
)]
pub(super) async fn put_station(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: NewStation = write.json()?;
    act(&api, write, how, move |db, _, occasion| {
        let manufacturer = asked.manufacturer.map(|id| PartyId(id.0));
        let limit = asked.time_limit_seconds;
        factory::put_station(db, &asked.name, manufacturer, limit, occasion.at)?;
        let station = station::by_name(db, &asked.name)?;
        let gone = || StoreError::Corrupt("a station is gone".to_owned());
        Ok(Station::from(station.ok_or_else(gone)?))
    })
    .await
}

/// Begin a try of a device at a station
///
/// It passes if the device signs for a set within the station's time, and fails if it does not.
#[utoipa::path(
    post, path = "/runs", operation_id = "open_run", tag = "factory",
    params(ActQuery, WriteParams),
    request_body = NewRun,
    responses((status = OK, body = Run))
)]
pub(super) async fn open_run(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: NewRun = write.json()?;
    let device = device(&asked.device)?;
    act(&api, write, how, move |db, own, occasion| {
        let by = asked.operator.as_deref();
        factory::open_run(db, &device, &asked.station, by, own, occasion).map(Run::from)
    })
    .await
}

/// Close what is decided: runs that passed, or whose time is over
///
/// Five hundred at most; `more` says to ask again, under another name.
#[utoipa::path(
    post, path = "/runs/close", operation_id = "close_runs", tag = "factory",
    params(ActQuery, WriteParams),
    responses((status = OK, body = RunsClosed))
)]
pub(super) async fn close_runs(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    act(&api, write, how, |db, own, occasion| {
        let closed = factory::close_runs(db, own, occasion)?;
        Ok(RunsClosed {
            items: closed.runs.into_iter().map(Run::from).collect(),
            more: closed.more,
        })
    })
    .await
}

/// Scrap the device of a run that is open
///
/// What it holds stays taken: revoke it, or declare the device dead.
#[utoipa::path(
    post, path = "/runs/scrap", operation_id = "scrap_device", tag = "factory",
    params(ActQuery, WriteParams),
    request_body = ScrappedDevice,
    responses((status = OK, body = Run))
)]
pub(super) async fn scrap(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: ScrappedDevice = write.json()?;
    let device = device(&asked.device)?;
    act(&api, write, how, move |db, own, occasion| {
        factory::scrap(db, &device, own, occasion).map(Run::from)
    })
    .await
}

/// Acts at a line, of one party or of all.
async fn act<T: Serialize>(
    api: &Api,
    write: Write,
    how: ActQuery,
    act: impl Fn(&mut Db, Option<PartyId>, Occasion<'_>) -> Result<T, LineError>
    + Send
    + Clone
    + 'static,
) -> Result<Response, Problem> {
    let (actor, own) = (write.actor(), write.party());
    write
        .once(api, move |db, now| {
            let occasion = Occasion {
                at: now,
                actor: &actor,
                cause: &[],
            };
            match act(db, own, occasion) {
                Ok(done) => Ok(Step::Done(done).kept_unless(how.preview)),
                Err(error) => refused(error),
            }
        })
        .await
}

fn device(id: &str) -> Result<DeviceId, Problem> {
    DeviceId::new(id)
        .map_err(|error| Problem::new(ProblemKind::BadBody, format!("device: {error}")))
}

fn refused<T>(error: LineError) -> Result<Step<T>, StoreError> {
    let kind = match error {
        LineError::Store(error) => return Err(error),
        LineError::Name(_) | LineError::TimeLimit => ProblemKind::BadBody,
        _ => ProblemKind::Refused,
    };
    Ok(Step::Refused(Problem::new(kind, error.to_string())))
}
