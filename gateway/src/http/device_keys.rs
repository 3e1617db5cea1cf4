//! What operators do to the keys of devices.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::KeyThumbprint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::acts::{Acted, Subject, act_once};
use super::etag::MatchParams;
use super::problem::Problem;
use super::query::{self, Named, Query};
use super::value::Thumbprint;
use super::write::{ActQuery, Write, WriteParams};
use crate::operator::Act;

/// The board of a device was replaced.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceRepair {
    /// The thumbprint (RFC 9679) of the key of the new board: the only one that is taken. Without it,
    /// the one of `waiting_keys` that was shown within 30 days; or, if none was, the first that is
    /// proven under the trust anchor of the device.
    #[schema(inline)]
    #[serde(default)]
    pub(crate) key: Option<Thumbprint>,
}

/// A key of a device that leaked.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceKeyRevocation {
    /// Its thumbprint (RFC 9679); without it, the key that the device speaks with.
    #[schema(inline)]
    #[serde(default)]
    pub(crate) key: Option<Thumbprint>,
}

/// Record that the board of a device was replaced: the same serial number, another key
///
/// The old key is refused from now on. The device keeps its owner and its rights, and gets them when
/// its new board asks; nothing moves, and nothing is activated again. What was on its way out at the
/// old board is orphaned, since nobody will prove that it is gone.
#[utoipa::path(
    post, path = "/devices/{device}/repair", operation_id = "repair_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = DeviceRepair,
    responses((status = OK, body = Acted))
)]
pub(super) async fn repair(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: DeviceRepair = write.json()?;
    let device = query::device_named(&device)?;
    let act = Act::Repair(asked.key.map(|key| KeyThumbprint(key.0)));
    act_once(&api, write, Subject::Device(device), act, how.preview).await
}

/// Revoke a key of a device that leaked
///
/// It never comes back, for any device. Where the device speaks with it, nothing is sent to the device
/// until its repair is recorded, and its units stay taken: nobody has proven that they are gone.
#[utoipa::path(
    post, path = "/devices/{device}/revoke-key", operation_id = "revoke_device_key", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = DeviceKeyRevocation,
    responses((status = OK, body = Acted))
)]
pub(super) async fn revoke_key(
    State(api): State<Api>,
    Named(device): Named<String>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: DeviceKeyRevocation = write.json()?;
    let device = query::device_named(&device)?;
    let act = Act::RevokeKey(asked.key.map(|key| KeyThumbprint(key.0)));
    act_once(&api, write, Subject::Device(device), act, how.preview).await
}
