//! Batches of devices, and rights that are reserved for them. A contract manufacturer sees its own.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{BatchId, EntitlementId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::activation_acts::one;
use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::{Id, When};
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use crate::factory::{NotReserved, Reservation};
use crate::operator::Attempt;
use crate::store::batch::{self, Batch as BatchRow, BatchFilter, BatchSort};

/// Which batches.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BatchQuery {
    /// The one that a manifest calls so.
    reference: Option<String>,
}

/// Devices that were built together.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Batch {
    pub(crate) id: Id,
    /// What the manifest calls it.
    pub(crate) reference: String,
    /// Who built it.
    pub(crate) manufacturer: Option<Id>,
    pub(crate) created_at: When,
}

/// Units for each device of a batch.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchReservation {
    pub(crate) entitlement: Id,
    /// Units for each device; 1, if it is not said.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub(crate) units: u32,
}

/// What a reservation came to, in devices.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BatchReserved {
    /// Those it was made for.
    pub(crate) made: u64,
    /// Those that have units of the entitlement already.
    pub(crate) kept: u64,
}

impl From<BatchRow> for Batch {
    fn from(row: BatchRow) -> Self {
        Self {
            id: Id(row.id.0.0),
            reference: row.reference,
            manufacturer: row.manufacturer_id.map(|id| Id(id.0.0)),
            created_at: When(row.created_at.0),
        }
    }
}

/// List batches, the oldest first
#[utoipa::path(
    get, path = "/batches", operation_id = "list_batches", tag = "factory",
    params(BatchQuery, PageParams::<BatchSort>),
    responses((status = OK, body = Page<Batch>))
)]
pub(super) async fn batches(
    State(api): State<Api>,
    caller: Caller,
    list: List<BatchQuery, BatchSort>,
) -> Result<Json<Page<Batch>>, Problem> {
    let filter = BatchFilter {
        id: None,
        reference: list.filter.reference.clone(),
        manufacturer: caller.grant.party(),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let rows = api.read(move |db| batch::list(db, &filter, limit)).await?;
    Ok(Json(list.page(rows)))
}

/// Reserve units of an entitlement for every device of a batch, or for none
///
/// A reservation holds its units from now on. The same again changes nothing.
#[utoipa::path(
    post, path = "/batches/{batch}/reserve", operation_id = "reserve_for_batch", tag = "factory",
    params(
        ("batch" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
    ),
    request_body = BatchReservation,
    responses((status = OK, body = BatchReserved))
)]
pub(super) async fn reserve(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: BatchReservation = write.json()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let reservation = Reservation {
        entitlement: EntitlementId(asked.entitlement.0),
        units: asked.units,
        batch: BatchId(id.0),
    };
    write
        .once(&api, move |db, now| {
            let (batch, of) = (reservation.batch, reservation.entitlement);
            let named = [Thing::Batch(batch), Thing::Entitlement(of)];
            if let Some(problem) = within.lacks(db, &named)? {
                return Ok(Step::Refused(problem));
            }
            if let Err(problem) = found(batch::find(db, reservation.batch)?, "batch", id) {
                return Ok(Step::Refused(problem));
            }
            let step = match operator.reserve_within(db, reservation, now)? {
                Attempt::Done(reserved) => Step::Done(BatchReserved {
                    made: reserved.made,
                    kept: reserved.kept,
                }),
                Attempt::Refused(reason) => Step::Refused(reason.into()),
                Attempt::Stale => Step::Again,
            };
            Ok(step.kept_unless(how.preview))
        })
        .await
}

impl From<NotReserved> for Problem {
    fn from(error: NotReserved) -> Self {
        match error {
            NotReserved::Act(error) => error.into(),
            NotReserved::Device { .. } => Self::new(ProblemKind::Refused, error.to_string()),
        }
    }
}
