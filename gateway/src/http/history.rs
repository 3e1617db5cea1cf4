//! The history of one thing.

use axum::Json;
use axum::extract::State;
use data_encoding::HEXLOWER;
use fleetgrant_core::domain::{DeviceId, EntitlementId, OrderId, PartyId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::caller::Caller;
use super::events::Event;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, ProblemKind};
use super::query;
use super::value::Id;
use super::within::{Thing, Within};
use crate::history::subject::{self, Part, Subject};
use crate::report::history::{self, EventSort, Exported, HistoryFilter};
use crate::store::listing::part::sorts;
use crate::store::listing::{self, Place, Placed, Sort, Value};
use crate::store::{Db, StoreError};

/// Events that are read at a time where most may be about something else.
const READ_OVER: i64 = 500;

/// Of what. One of these.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Of this device.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    device: Option<String>,
    /// Of this entitlement, and of its units on devices: its id.
    #[param(inline)]
    entitlement: Option<Id>,
    /// Of this order, and of what it gave: its id.
    #[param(inline)]
    order: Option<Id>,
    /// Of this party, and of what it pays, uses and owns: its id.
    #[param(inline)]
    party: Option<Id>,
}

/// Tell what happened to one thing, and to what belongs to it
///
/// Stream by stream: its own, then those of what belongs to it.
#[utoipa::path(
    get, path = "/history", operation_id = "list_history", tag = "events",
    params(HistoryQuery, PageParams::<HistorySort>),
    responses((status = OK, body = Page<Event>))
)]
pub(super) async fn of(
    State(api): State<Api>,
    caller: Caller,
    list: List<HistoryQuery, HistorySort>,
) -> Result<Json<Page<Event>>, Problem> {
    let subject = list.filter.subject()?;
    let within = caller.within();
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let read = move |db: &mut Db| {
        if let Some(problem) = hidden(db, within, &subject)? {
            return Ok(Err(problem));
        }
        events(db, within, &subject, &part, limit).map(Ok)
    };
    let events = api.read(read).await??;
    Ok(Json(list.cut(events).map(|event| event.0.into())))
}

/// Why a key of a product line is not told of this: it is not there for it, or is of no line.
fn hidden(db: &mut Db, within: Within, subject: &Subject) -> Result<Option<Problem>, StoreError> {
    let thing = match subject {
        Subject::Device(id) => Thing::Device(id.clone()),
        Subject::Entitlement(id) => Thing::Entitlement(*id),
        Subject::Order(id) => Thing::Order(*id),
        Subject::Party(_) => {
            let refused = || {
                let told = "a party's history has to do with every product line; ask for that of its \
                            devices, entitlements and orders";
                Problem::new(ProblemKind::Forbidden, told)
            };
            return Ok(within.line().map(|_| refused()));
        }
    };
    within.lacks(db, &[thing])
}

/// What a stream is about, where that may be of another product line than what it belongs to.
fn of_stream(stream: &str) -> Option<Thing> {
    let (kind, name) = stream.split_once(':')?;
    match kind {
        "device" => DeviceId::new(name).ok().map(Thing::Device),
        "entitlement" => {
            let id = HEXLOWER.decode(name.as_bytes()).ok()?.try_into().ok()?;
            Some(Thing::Entitlement(EntitlementId(id)))
        }
        _ => None,
    }
}

sorts!(
    /// What the history of one thing can be ordered by: stream by stream.
    pub(super) HistorySort {
        Stream = "stream" [Number "events.position", Text "events.stream"],
    }
);

/// An event of the history of one thing.
struct Told(Exported);

impl Placed for Told {
    type By = HistorySort;

    fn place(&self, _: HistorySort) -> Place {
        [self.0.position.into(), (&self.0.stream).into()].into()
    }
}

/// Up to `limit` events of a thing; stream by stream.
fn events(
    db: &mut Db,
    within: Within,
    subject: &Subject,
    part: &listing::Part<HistorySort>,
    limit: i64,
) -> Result<Vec<Told>, StoreError> {
    let mut parts = Vec::new();
    for part in subject::parts(db, subject)? {
        if within
            .lacks(db, of_stream(&part.stream).as_slice())?
            .is_none()
        {
            parts.push(part);
        }
    }
    let sort = Sort {
        by: EventSort::Position,
        descending: part.sort.descending,
    };
    if sort.descending {
        parts.reverse();
    }
    let from_its_end = || listing::Part::new(sort, None).unwrap_or_default();
    let mut goes_on = from_its_end();
    if let Some([position, Value::Text(stream)]) = part.place().map(|place| place.0.as_slice()) {
        let at = parts.iter().position(|part| part.stream == *stream);
        parts.drain(..at.unwrap_or(parts.len()));
        goes_on = listing::Part::after(sort, [position.clone()].into());
    }
    let mut found = Vec::new();
    for part in parts {
        let left = limit - i64::try_from(found.len()).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        let of_it = of_part(db, &part, goes_on, left)?;
        found.extend(of_it.into_iter().map(Told));
        goes_on = from_its_end();
    }
    Ok(found)
}

fn of_part(
    db: &mut Db,
    part: &Part,
    mut goes_on: listing::Part<EventSort>,
    limit: i64,
) -> Result<Vec<Exported>, StoreError> {
    let filter = HistoryFilter {
        stream: Some(part.stream.clone()),
        ..HistoryFilter::default()
    };
    if part.only.is_empty() {
        return history::page(db, &filter, &goes_on, limit);
    }
    // Events about others are read over, since the index knows nothing of what they are about.
    let mut found = Vec::new();
    loop {
        let page = history::page(db, &filter, &goes_on, limit.max(READ_OVER))?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        goes_on = goes_on.going_on(last);
        let about =
            |event: &Exported| part.has(event.body.get("entitlement").and_then(|id| id.as_str()));
        found.extend(page.into_iter().filter(about));
        let enough = usize::try_from(limit).unwrap_or(usize::MAX);
        if found.len() >= enough {
            found.truncate(enough);
            return Ok(found);
        }
    }
}

impl HistoryQuery {
    fn subject(&self) -> Result<Subject, Problem> {
        let device = query::device(self.device.as_deref())?.map(Subject::Device);
        let entitlement = self
            .entitlement
            .map(|id| Subject::Entitlement(EntitlementId(id.0)));
        let order = self.order.map(|id| Subject::Order(OrderId(id.0)));
        let party = self.party.map(|id| Subject::Party(PartyId(id.0)));
        let mut named = [device, entitlement, order, party].into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(subject), None) => Ok(subject),
            _ => Err(query::refused(
                "name one of device, entitlement, order and party",
            )),
        }
    }
}
