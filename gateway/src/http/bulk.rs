//! Many acts in one request. Each is the act of its own route, and done or refused by itself.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{DeviceId, EntitlementId};
use fleetgrant_core::quota::Leave;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::activation_acts::Assignment;
use super::acts::{self, Acted, Subject};
use super::entitlement_acts::{self, ActOnEntitlement, EntitlementActed};
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::value::Id;
use super::write::{ActQuery, Many, Write, WriteParams};
use crate::operator::Act;

/// Acts on entitlements.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManyEntitlementActs {
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) items: Vec<OneEntitlementAct>,
}

/// An act on an entitlement: its id, and what is to be done.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneEntitlementAct {
    pub(crate) entitlement: Id,
    pub(crate) act: ActOnEntitlement,
}

/// Acts on devices.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManyDeviceActs {
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) items: Vec<OneDeviceAct>,
}

/// An act on a device.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneDeviceAct {
    /// The id of the device.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) device: String,
    pub(crate) act: DeviceVerb,
}

/// What is to be done to a device, of what needs nothing but the device.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeviceVerb {
    /// A set with what is meant to be on it is written and pushed.
    Push,
    /// The suspicions against it are taken back.
    Clear,
    /// It is declared dead.
    DeclareDead,
    /// It may come back that was declared dead.
    Readmit,
    /// Its board was replaced.
    Repair,
    /// The key that it speaks with leaked.
    RevokeKey,
}

/// Units for devices.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManyAssignments {
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) items: Vec<Assignment>,
}

/// Act on many entitlements
///
/// Each item is done or refused by itself, and the same request again does what is not done yet.
#[utoipa::path(
    post, path = "/entitlements/bulk", operation_id = "act_on_entitlements", tag = "entitlements",
    params(ActQuery, WriteParams),
    request_body = ManyEntitlementActs,
    responses((status = OK, body = Many<EntitlementActed>))
)]
pub(super) async fn entitlements(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Json<Many<serde_json::Value>>, Problem> {
    let asked: ManyEntitlementActs = write.json()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let operations = asked.items.into_iter().enumerate().map(|(index, item)| {
        let id = EntitlementId(item.entitlement.0);
        let preview = how.preview || item.act.preview;
        let deed = item.act.deed().map_err(|problem| at(index, &problem))?;
        let operator = operator.clone();
        Ok(move |db: &mut _, now| {
            entitlement_acts::attempt(db, &operator, within, id, &deed, preview, now)
        })
    });
    let operations = operations.collect::<Result<Vec<_>, Problem>>()?;
    write.each(&api, how.preview, operations).await.map(Json)
}

/// Act on many devices
///
/// Each item is done or refused by itself, and the same request again does what is not done yet.
#[utoipa::path(
    post, path = "/devices/bulk", operation_id = "act_on_devices", tag = "devices",
    params(ActQuery, WriteParams),
    request_body = ManyDeviceActs,
    responses((status = OK, body = Many<Acted>))
)]
pub(super) async fn devices(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Json<Many<serde_json::Value>>, Problem> {
    let asked: ManyDeviceActs = write.json()?;
    let deeds = asked.items.iter().enumerate().map(|(index, item)| {
        let device = device(index, &item.device)?;
        Ok((Subject::Device(device), item.act.act()))
    });
    let deeds = deeds.collect::<Result<Vec<_>, Problem>>()?;
    act_on_each(&api, write, how, deeds).await
}

/// Assign units of entitlements to many devices
///
/// Each item is done or refused by itself, and the same request again does what is not done yet.
#[utoipa::path(
    post, path = "/activations/bulk", operation_id = "assign_activations", tag = "activations",
    params(ActQuery, WriteParams),
    request_body = ManyAssignments,
    responses((status = OK, body = Many<Acted>))
)]
pub(super) async fn assignments(
    State(api): State<Api>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Json<Many<serde_json::Value>>, Problem> {
    let asked: ManyAssignments = write.json()?;
    let deeds = asked.items.iter().enumerate().map(|(index, item)| {
        let device = device(index, &item.device)?;
        Ok((Subject::Device(device), item.act()))
    });
    let deeds = deeds.collect::<Result<Vec<_>, Problem>>()?;
    act_on_each(&api, write, how, deeds).await
}

async fn act_on_each(
    api: &Api,
    write: Write,
    how: ActQuery,
    deeds: Vec<(Subject, Act)>,
) -> Result<Json<Many<serde_json::Value>>, Problem> {
    let (operator, within) = (api.operator(write.actor()), write.within());
    let operations = deeds.into_iter().map(|(subject, act)| {
        let operator = operator.clone();
        move |db: &mut _, now| {
            let tried = acts::attempt(db, &operator, within, &subject, act, now)?;
            Ok(tried.kept_unless(how.preview))
        }
    });
    let operations = operations.collect();
    write.each(api, how.preview, operations).await.map(Json)
}

fn device(index: usize, id: &str) -> Result<DeviceId, Problem> {
    DeviceId::new(id).map_err(|error| {
        let told = format!("items[{index}].device: {error}");
        Problem::new(ProblemKind::BadBody, told)
    })
}

/// A body that is bad because of one item.
fn at(index: usize, problem: &Problem) -> Problem {
    Problem::new(
        problem.kind(),
        format!("items[{index}]: {}", problem.detail()),
    )
}

impl DeviceVerb {
    const fn act(self) -> Act {
        match self {
            Self::Push => Act::Push,
            Self::Clear => Act::Clear,
            Self::DeclareDead => Act::DeclareDead(Leave::Policy),
            Self::Readmit => Act::Readmit,
            Self::Repair => Act::Repair(None),
            Self::RevokeKey => Act::RevokeKey(None),
        }
    }
}
