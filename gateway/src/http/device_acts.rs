//! What operators do to devices.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{ActivationId, EntitlementId, KeyThumbprint};
use fleetgrant_core::operator::{Publish, Stopgap};
use fleetgrant_core::quota::Leave;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::activation_acts::one;
use super::acts::{Acted, Subject, act_once};
use super::etag::MatchParams;
use super::problem::Problem;
use super::query::{self, Named, Query};
use super::value::{Id, Thumbprint};
use super::write::{ActQuery, Write, WriteParams};
use crate::operator::Act;

/// The thumbprint (RFC 9679) of the key that a device showed, to admit it under.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceAdmission {
    #[schema(inline)]
    pub(crate) key: Thumbprint,
}

/// A temporary licence, which takes no unit.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemporaryLicense {
    #[schema(inline)]
    pub(crate) entitlement: Id,
    /// How many units run; 1, if it is not said.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub(crate) units: u32,
}

/// The activation of another device, to be taken over: its id.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeOver {
    #[schema(inline)]
    pub(crate) from: Id,
}

/// Write a set with what is meant to be on a device now, and push it
#[utoipa::path(
    post, path = "/devices/{device}/push", operation_id = "push_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn push(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    plainly(&api, &device, how, write, Act::Push).await
}

/// Take back the suspicions against a device
#[utoipa::path(
    post, path = "/devices/{device}/clear", operation_id = "clear_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn clear(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    plainly(&api, &device, how, write, Act::Clear).await
}

/// Admit a device that waits, under the key it showed
#[utoipa::path(
    post, path = "/devices/{device}/admit", operation_id = "admit_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = DeviceAdmission,
    responses((status = OK, body = Acted))
)]
pub(super) async fn admit(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: DeviceAdmission = write.json()?;
    let device = query::device_named(&device)?;
    let act = Act::Admit(KeyThumbprint(asked.key.0));
    act_once(&api, write, Subject::Device(device), act, how.preview).await
}

/// Declare a device dead, so that its units can go to another at once
///
/// It gets nothing any more. What is written off is counted, and the policy of its owner's tier says
/// how much may be. What is beyond that waits in a case, which the problem names.
#[utoipa::path(
    post, path = "/devices/{device}/declare-dead", operation_id = "declare_device_dead", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn declare_dead(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    plainly(&api, &device, how, write, Act::DeclareDead(Leave::Policy)).await
}

/// Let a device come back that was declared dead
///
/// It begins with an empty set, and is served again when it has signed for that.
#[utoipa::path(
    post, path = "/devices/{device}/readmit", operation_id = "readmit_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn readmit(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    plainly(&api, &device, how, write, Act::Readmit).await
}

/// Give a device a temporary licence
///
/// A stop-gap where the right has ended and its renewal is late, or an emergency where the device
/// that has the right is broken. The policy of the owner's tier says how long it runs and how many
/// there may be. What is beyond that waits in a case, which the problem names.
#[utoipa::path(
    post, path = "/devices/{device}/temporary", operation_id = "give_temporary_license", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = TemporaryLicense,
    responses((status = OK, body = Acted))
)]
pub(super) async fn temporary(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: TemporaryLicense = write.json()?;
    let device = query::device_named(&device)?;
    let stopgap = Stopgap {
        entitlement: EntitlementId(asked.entitlement.0),
        units: asked.units,
        leave: Leave::Policy,
    };
    let act = Act::GiveTemporary(stopgap, Publish::Now);
    act_once(&api, write, Subject::Device(device), act, how.preview).await
}

/// Give a device what an activation of another was written off with, or gave back
#[utoipa::path(
    post, path = "/devices/{device}/take-over", operation_id = "take_over_activation", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = TakeOver,
    responses((status = OK, body = Acted))
)]
pub(super) async fn take_over(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: TakeOver = write.json()?;
    let device = query::device_named(&device)?;
    let act = Act::TakeOver(ActivationId(asked.from.0), Publish::Now);
    act_once(&api, write, Subject::Device(device), act, how.preview).await
}

/// An act that needs nothing but the device.
async fn plainly(
    api: &Api,
    device: &str,
    how: ActQuery,
    write: Write,
    act: Act,
) -> Result<Response, Problem> {
    write.no_body()?;
    let device = query::device_named(device)?;
    act_once(api, write, Subject::Device(device), act, how.preview).await
}
