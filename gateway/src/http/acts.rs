//! What operators do to devices.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{ActivationId, DeviceId, EntitlementId, KeyThumbprint, Timestamp};
use fleetgrant_core::operator::{OperatorError, Publish};
use fleetgrant_core::outcome::Outcome;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::activations::Activation;
use super::problem::{Problem, ProblemKind, found};
use super::query::{self, Named, Nothing, Query};
use super::value::Id;
use super::write::{Step, Write, WriteParams};
use crate::operator::{Act, ActError, Attempt, Operator};
use crate::store::listing::{self, ActivationFilter};
use crate::store::{Db, StoreError};

/// What came of an act.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acted {
    device: String,
    /// The generation that is pushed now; null if the device gets it when it next asks, or has
    /// nothing to get.
    pushed_generation: Option<u64>,
    /// The activations that changed, as they are now.
    activations: Vec<Activation>,
}

/// Units for a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    /// The id of the device.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    device: String,
    entitlement: Id,
    /// How many; 1, if it is not said.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    units: u32,
    /// Pushes them now; only a revocation takes them back then.
    #[serde(default)]
    now: bool,
}

const fn one() -> u32 {
    1
}

/// The key to admit a device under.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Admission {
    /// The thumbprint (RFC 9679) of the key that it showed: 64 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    key: String,
}

/// Assign units of an entitlement to a device
#[utoipa::path(
    post, path = "/activations", operation_id = "assign_activation", tag = "activations",
    params(WriteParams),
    request_body = Assignment,
    responses((status = OK, body = Acted))
)]
pub(super) async fn assign(
    State(api): State<Api>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: Assignment = write.json()?;
    let device = DeviceId::new(&asked.device)
        .map_err(|error| Problem::new(ProblemKind::BadBody, format!("device: {error}")))?;
    let act = Act::Assign {
        entitlement: EntitlementId(asked.entitlement.0),
        units: asked.units,
        publish: if asked.now {
            Publish::Now
        } else {
            Publish::AtContact
        },
    };
    act_once(&api, write, Subject::Device(device), act).await
}

/// Undo an assignment that was not published yet
#[utoipa::path(
    post, path = "/activations/{activation}/cancel", operation_id = "cancel_activation", tag = "activations",
    params(
        ("activation" = inline(Id), Path, description = "Its id"),
        WriteParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Named(id): Named<Id>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let id = ActivationId(id.0);
    act_once(&api, write, Subject::Activation(id), Act::Cancel(id)).await
}

/// Take an activation back; its units are free when that is proven
#[utoipa::path(
    post, path = "/activations/{activation}/revoke", operation_id = "revoke_activation", tag = "activations",
    params(
        ("activation" = inline(Id), Path, description = "Its id"),
        WriteParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    Named(id): Named<Id>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let id = ActivationId(id.0);
    act_once(&api, write, Subject::Activation(id), Act::Revoke(id)).await
}

/// Write a set with what is meant to be on a device now, and push it
#[utoipa::path(
    post, path = "/devices/{device}/push", operation_id = "push_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        WriteParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn push(
    State(api): State<Api>,
    Named(device): Named<String>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let device = query::device_named(&device)?;
    act_once(&api, write, Subject::Device(device), Act::Push).await
}

/// Take back the suspicions against a device
#[utoipa::path(
    post, path = "/devices/{device}/clear", operation_id = "clear_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        WriteParams,
    ),
    responses((status = OK, body = Acted))
)]
pub(super) async fn clear(
    State(api): State<Api>,
    Named(device): Named<String>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let device = query::device_named(&device)?;
    act_once(&api, write, Subject::Device(device), Act::Clear).await
}

/// Admit a device that waits, under the key it showed
#[utoipa::path(
    post, path = "/devices/{device}/admit", operation_id = "admit_device", tag = "devices",
    params(
        ("device" = String, Path, description = "Its id, as dev-4711", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        WriteParams,
    ),
    request_body = Admission,
    responses((status = OK, body = Acted))
)]
pub(super) async fn admit(
    State(api): State<Api>,
    Named(device): Named<String>,
    _: Query<Nothing>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: Admission = write.json()?;
    let device = query::device_named(&device)?;
    let key = data_encoding::HEXLOWER_PERMISSIVE
        .decode(asked.key.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .map(KeyThumbprint)
        .ok_or_else(|| Problem::new(ProblemKind::BadBody, "key: not 64 hexadecimal digits"))?;
    act_once(&api, write, Subject::Device(device), Act::Admit(key)).await
}

/// What names the device of an act.
#[derive(Clone)]
enum Subject {
    Device(DeviceId),
    Activation(ActivationId),
}

async fn act_once(
    api: &Api,
    write: Write,
    subject: Subject,
    act: Act,
) -> Result<Response, Problem> {
    let operator = api.operator(write.actor());
    write
        .once(api, move |db, now| {
            attempt(db, &operator, &subject, act, now)
        })
        .await
}

fn attempt(
    db: &mut Db,
    operator: &Operator,
    subject: &Subject,
    act: Act,
    now: Timestamp,
) -> Result<Step<Acted>, StoreError> {
    let device = match subject {
        Subject::Device(device) => Ok(device.clone()),
        Subject::Activation(id) => device_of(db, *id)?,
    };
    let device = match device {
        Ok(device) => device,
        Err(problem) => return Ok(Step::Refused(problem)),
    };
    Ok(match operator.attempt(db, &device, act, now)? {
        Attempt::Done(outcome) => Step::Done(Acted::of(db, &outcome)?),
        Attempt::Refused(reason) => Step::Refused(reason.into()),
        Attempt::Stale => Step::Again,
    })
}

fn device_of(db: &mut Db, id: ActivationId) -> Result<Result<DeviceId, Problem>, StoreError> {
    let filter = ActivationFilter {
        id: Some(id),
        ..ActivationFilter::default()
    };
    let row = listing::activations(db, &filter, 1)?.pop();
    Ok(found(row, "activation", id).and_then(|row| query::device_named(&row.device)))
}

impl Acted {
    fn of(db: &mut Db, outcome: &Outcome) -> Result<Self, StoreError> {
        let mut activations = Vec::with_capacity(outcome.activations.len());
        for change in &outcome.activations {
            let filter = ActivationFilter {
                id: Some(change.activation().id),
                ..ActivationFilter::default()
            };
            let rows = listing::activations(db, &filter, 1)?;
            activations.extend(rows.into_iter().map(Activation::from));
        }
        Ok(Self {
            device: outcome.device.id.to_string(),
            pushed_generation: outcome
                .issued
                .as_ref()
                .map(|set| set.set.key.generation.get()),
            activations,
        })
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::UnknownDevice(_) => Self::new(ProblemKind::NotFound, error.to_string()),
            ActError::Refused(OperatorError::Denied(rule)) => {
                Self::new(ProblemKind::Refused, error.to_string()).by(rule)
            }
            ActError::Refused(_) | ActError::OtherKeyExpected(_) => {
                Self::new(ProblemKind::Refused, error.to_string())
            }
            ActError::Clock(jumped) => jumped.into(),
            ActError::Contended => Self::busy("the device is too busy; try again"),
            ActError::Store(error) => error.into(),
        }
    }
}
