//! Units for devices: assigned, cancelled, taken back.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{ActivationId, DeviceId, EntitlementId};
use fleetgrant_core::operator::Publish;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::acts::{Acted, Subject, act_once};
use super::etag::MatchParams;
use super::problem::{Problem, ProblemKind};
use super::query::{Named, Query};
use super::value::Id;
use super::write::{ActQuery, Write, WriteParams};
use crate::operator::Act;

/// Units for a device.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assignment {
    /// The id of the device.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) device: String,
    pub(crate) entitlement: Id,
    /// How many; 1, if it is not said.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub(crate) units: u32,
    /// Pushes them now; only a revocation takes them back then.
    #[serde(default)]
    pub(crate) now: bool,
}

pub(super) const fn one() -> u32 {
    1
}

impl Assignment {
    pub(super) const fn act(&self) -> Act {
        Act::Assign {
            entitlement: EntitlementId(self.entitlement.0),
            units: self.units,
            publish: if self.now {
                Publish::Now
            } else {
                Publish::AtContact
            },
        }
    }
}

/// Assign units of an entitlement to a device
#[utoipa::path(
    post, path = "/activations", operation_id = "assign_activation", tag = "activations",
    params(ActQuery, WriteParams),
    request_body = Assignment,
    responses((status = OK, body = Acted))
)]
pub(super) async fn assign(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.changes_nothing_seen()?;
    let asked: Assignment = write.json()?;
    let device = DeviceId::new(&asked.device)
        .map_err(|error| Problem::new(ProblemKind::BadBody, format!("device: {error}")))?;
    let act = asked.act();
    act_once(&api, write, Subject::Device(device), act, how.preview).await
}

/// Undo an assignment that was not published yet
#[utoipa::path(
    post, path = "/activations/{activation}/cancel", operation_id = "cancel_activation", tag = "activations",
    params(
        ("activation" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let id = ActivationId(id.0);
    let act = Act::Cancel(id);
    act_once(&api, write, Subject::Activation(id), act, how.preview).await
}

/// Take an activation back; its units are free when that is proven
#[utoipa::path(
    post, path = "/activations/{activation}/revoke", operation_id = "revoke_activation", tag = "activations",
    params(
        ("activation" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let id = ActivationId(id.0);
    let act = Act::Revoke(id);
    act_once(&api, write, Subject::Activation(id), act, how.preview).await
}
