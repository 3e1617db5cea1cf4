//! What happened to one device.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::events::Event;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::{self, Named};
use super::value::When;
use super::within::Thing;
use super::{Api, word};
use crate::report::history::{self, EventSort, HistoryFilter};
use crate::store::event::Stream;
use crate::store::{Db, device};

/// Which events of a device.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceEventQuery {
    /// Those of this kind.
    #[param(inline)]
    kind: Option<word::EventKind>,
    /// Not those before this.
    #[param(inline)]
    since: Option<When>,
    /// Only those before this.
    #[param(inline)]
    until: Option<When>,
}

/// Tell what happened to a device, in order
#[utoipa::path(
    get, path = "/devices/{device}/events", operation_id = "list_device_events", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        DeviceEventQuery,
        PageParams::<EventSort>,
    ),
    responses((status = OK, body = Page<Event>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<String>,
    list: List<DeviceEventQuery, EventSort>,
) -> Result<Json<Page<Event>>, Problem> {
    let id = query::device_named(&id)?;
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let filter = HistoryFilter {
        stream: Some(Stream::Device(id.as_str()).to_string()),
        kinds: list.filter.kind.map(|word| word.0).into_iter().collect(),
        since: list.filter.since.map(|at| at.0),
        until: list.filter.until.map(|at| at.0),
    };
    let (asked, within) = (id.clone(), caller.within());
    let read = move |db: &mut Db| {
        let thing = Thing::Device(asked.clone());
        within.see(db, &thing, |db| match device::find(db, asked.as_str())? {
            Some(_) => history::page(db, &filter, &part, limit).map(Some),
            None => Ok(None),
        })
    };
    let answer = api.read(read).await?;
    let events = found(answer, "device", id)?;
    Ok(Json(list.page(events)))
}
