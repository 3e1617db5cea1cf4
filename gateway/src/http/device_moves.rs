//! A device that changes hands, and a spare in the place of a broken one.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{DeviceId, PartyId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::acts::Acted;
use super::etag::MatchParams;
use super::problem::{Problem, ProblemKind};
use super::query::{self, Named, Query};
use super::value::Id;
use super::within::Thing;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, devices};
use crate::approval::{ApprovalError, Outage, Request, lacks_approval};
use crate::lifecycle::Resale;
use crate::operator::Attempt;

/// The party that a device belongs to from now on: its id.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceTransfer {
    #[schema(inline)]
    pub(crate) to: Id,
}

/// What came of the transfer of a device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeviceTransferred {
    /// Whether anything changed; not if the device is the party's already.
    pub(crate) changed: bool,
    /// What the party owns now.
    pub(crate) moved: Vec<MovedUnits>,
}

/// Units that are another entitlement's now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MovedUnits {
    /// The reference of the entitlement that they were of.
    pub(crate) from: String,
    /// The reference of the entitlement that they are of.
    pub(crate) to: String,
    pub(crate) units: u32,
}

/// What stands in for a broken device.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceOutage {
    /// The id of the spare.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) replacement: String,
}

/// What came of putting a spare in the place of a broken device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OutageBridged {
    pub(crate) broken: String,
    pub(crate) replacement: String,
    /// The temporary licences of the spare.
    pub(crate) given: Vec<Acted>,
}

/// Give a device to another party, with the rights it has
///
/// Nothing changes on the device and nothing is activated again: the units it has become an
/// entitlement of the new owner.
#[utoipa::path(
    post, path = "/devices/{device}/transfer", operation_id = "transfer_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = DeviceTransfer,
    responses((status = OK, body = DeviceTransferred))
)]
pub(super) async fn transfer(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: DeviceTransfer = write.json()?;
    let device = query::device_named(&device)?;
    let to = PartyId(asked.to.0);
    let (operator, within) = (api.operator(write.actor()), write.within());
    let (seen, thing) = (device.clone(), Thing::Device(device.clone()));
    let named = [thing.clone()];
    write
        .once_as_seen(
            &api,
            move |db| within.see(db, &thing, |db| devices::sheet(db, &seen, None)),
            move |db, now| {
                if let Some(problem) = within.lacks(db, &named)? {
                    return Ok(Step::Refused(problem));
                }
                let step = match operator.attempt_transfer(db, &device, to, now)? {
                    Attempt::Done(resale) => Step::Done(DeviceTransferred::from(resale)),
                    Attempt::Refused(reason) => Step::Refused(reason.into()),
                    Attempt::Stale => Step::Again,
                };
                Ok(step.kept_unless(how.preview))
            },
        )
        .await
}

/// Put a spare in the place of a broken device, for as long as policy allows
///
/// The spare gets temporary licences for all that the broken device has, and the case of writing the
/// broken one off is opened, for somebody else to approve. It is done whole or not at all. What is beyond
/// the policy's quota waits in a case of the broken device, which the problem names.
#[utoipa::path(
    post, path = "/devices/{device}/outage", operation_id = "bridge_outage", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = DeviceOutage,
    responses((status = OK, body = OutageBridged))
)]
pub(super) async fn outage(
    State(api): State<Api>,
    Named(broken): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: DeviceOutage = write.json()?;
    let broken = query::device_named(&broken)?;
    let replacement = DeviceId::new(&asked.replacement)
        .map_err(|error| Problem::new(ProblemKind::BadBody, format!("replacement: {error}")))?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let (seen, thing) = (broken.clone(), Thing::Device(broken.clone()));
    let named = [thing.clone(), Thing::Device(replacement.clone())];
    let outage = Outage {
        broken,
        replacement,
    };
    write
        .once_as_seen(
            &api,
            move |db| within.see(db, &thing, |db| devices::sheet(db, &seen, None)),
            move |db, now| {
                if let Some(problem) = within.lacks(db, &named)? {
                    return Ok(Step::Refused(problem));
                }
                let outcomes = match operator.try_bridge(db, &outage, None, now)? {
                    Attempt::Done(outcomes) => outcomes,
                    Attempt::Refused(ApprovalError::Act(reason)) if lacks_approval(&reason) => {
                        let request = Request::of_outage(&operator.actor, &outage);
                        return Ok(Step::Asks(reason.into(), request).kept_unless(how.preview));
                    }
                    Attempt::Refused(reason) => return Ok(Step::Refused(reason.into())),
                    Attempt::Stale => return Ok(Step::Again),
                };
                let given = outcomes.iter().map(|outcome| Acted::of(db, outcome));
                let bridged = OutageBridged {
                    broken: outage.broken.to_string(),
                    replacement: outage.replacement.to_string(),
                    given: given.collect::<Result<_, _>>()?,
                };
                Ok(Step::Done(bridged).kept_unless(how.preview))
            },
        )
        .await
}

impl From<Resale> for DeviceTransferred {
    fn from(resale: Resale) -> Self {
        let moved = resale.moved.into_iter();
        Self {
            changed: resale.changed,
            moved: moved
                .map(|(from, to, units)| MovedUnits { from, to, units })
                .collect(),
        }
    }
}

impl From<ApprovalError> for Problem {
    fn from(error: ApprovalError) -> Self {
        let kind = match error {
            ApprovalError::Act(error) => return error.into(),
            ApprovalError::UnknownCase(_) => ProblemKind::NotFound,
            ApprovalError::OwnRequest(_) => ProblemKind::OwnRequest,
            ApprovalError::NotWaiting { .. }
            | ApprovalError::NothingToApprove
            | ApprovalError::NothingToReplace(_) => ProblemKind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}
