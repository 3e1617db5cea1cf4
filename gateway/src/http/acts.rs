//! What acts on devices share: what they answer, and how they are tried.

use axum::response::Response;
use fleetgrant_core::domain::{ActivationId, DeviceId, Timestamp};
use fleetgrant_core::event::{Event, EventKind, Field};
use fleetgrant_core::operator::OperatorError;
use fleetgrant_core::outcome::Outcome;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::activations::{self, Activation};
use super::problem::{Problem, ProblemKind, found};
use super::value::Id;
use super::within::{Thing, Within};
use super::write::{Step, Write};
use super::{Api, devices, query, word};
use crate::approval::{Request, lacks_approval};
use crate::operator::{Act, ActError, Attempt, Operator};
use crate::store::listing::{self, ActivationFilter};
use crate::store::{Db, StoreError};

/// What came of an act.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Acted {
    pub(crate) device: String,
    /// The generation that is pushed now; null if the device gets it when it next asks, or has
    /// nothing to get.
    pub(crate) pushed_generation: Option<u64>,
    /// The activations that changed, as they are now; after a preview, as they would be.
    pub(crate) activations: Vec<Activation>,
    /// What it takes of the policy's quotas.
    pub(crate) quotas: Vec<QuotaTaken>,
    /// The thumbprint of the key that the device waits for from now on; null: any that is proven
    /// under its trust anchor, or the act is none of those that make it wait.
    pub(crate) awaited_key: Option<String>,
    /// The version of the policy it was decided under, as standard/1.
    pub(crate) policy: String,
}

/// Units of a quota.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuotaTaken {
    pub(crate) kind: word::QuotaKind,
    pub(crate) entitlement: Id,
    pub(crate) units: u32,
}

/// What names the device of an act.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Device(DeviceId),
    Activation(ActivationId),
}

/// An act on the device that the request names, once.
pub(super) async fn act_once(
    api: &Api,
    write: Write,
    subject: Subject,
    act: Act,
    preview: bool,
) -> Result<Response, Problem> {
    let (operator, within) = (api.operator(write.actor()), write.within());
    let operation = {
        let subject = subject.clone();
        move |db: &mut Db, now| {
            let tried = attempt(db, &operator, within, &subject, act, now)?;
            Ok(tried.kept_unless(preview))
        }
    };
    match subject {
        Subject::Device(device) => {
            let seen = move |db: &mut Db| {
                let thing = Thing::Device(device.clone());
                within.see(db, &thing, |db| devices::sheet(db, &device, None))
            };
            write.once_as_seen(api, seen, operation).await
        }
        Subject::Activation(id) => {
            let seen = move |db: &mut Db| {
                let thing = Thing::Activation(id);
                within.see(db, &thing, |db| activations::find(db, id, None))
            };
            write.once_as_seen(api, seen, operation).await
        }
    }
}

/// One try of an act, within a transaction that the caller ends.
pub(super) fn attempt(
    db: &mut Db,
    operator: &Operator,
    within: Within,
    subject: &Subject,
    act: Act,
    now: Timestamp,
) -> Result<Step<Acted>, StoreError> {
    let mut named = vec![match subject {
        Subject::Device(device) => Thing::Device(device.clone()),
        Subject::Activation(id) => Thing::Activation(*id),
    }];
    named.extend(Thing::of_act(act));
    if let Some(problem) = within.lacks(db, &named)? {
        return Ok(Step::Refused(problem));
    }
    let device = match subject {
        Subject::Device(device) => Ok(device.clone()),
        Subject::Activation(id) => device_of(db, *id)?,
    };
    let device = match device {
        Ok(device) => device,
        Err(problem) => return Ok(Step::Refused(problem)),
    };
    Ok(match operator.attempt_promptly(db, &device, act, now)? {
        Attempt::Done(outcome) => Step::Done(Acted::of(db, &outcome)?),
        Attempt::Refused(reason) => {
            let request = Request::of_act(&operator.actor, &device, act);
            match request.filter(|_| lacks_approval(&reason)) {
                Some(request) => Step::Asks(reason.into(), request),
                None => Step::Refused(reason.into()),
            }
        }
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
    /// What an act came to, as it stands in the transaction that did it.
    pub(super) fn of(db: &mut Db, outcome: &Outcome) -> Result<Self, StoreError> {
        let mut activations = Vec::with_capacity(outcome.activations.len());
        for change in &outcome.activations {
            activations.extend(activations::find(db, change.activation().id, None)?);
        }
        let quotas = outcome.uses.iter().map(|used| QuotaTaken {
            kind: word::QuotaKind(used.kind),
            entitlement: Id(used.entitlement.0),
            units: used.units,
        });
        Ok(Self {
            device: outcome.device.id.to_string(),
            pushed_generation: outcome
                .issued
                .as_ref()
                .map(|set| set.set.key.generation.get()),
            activations,
            quotas: quotas.collect(),
            awaited_key: awaited_key(outcome),
            policy: outcome.policy.to_string(),
        })
    }
}

/// The key that a repair made a device wait for.
pub(crate) fn awaited_key(outcome: &Outcome) -> Option<String> {
    let is_repair = |event: &&Event| event.kind == EventKind::DeviceRepaired;
    match outcome.events.iter().find(is_repair)?.body.field("key")? {
        Field::Text(key) => Some(key.clone()),
        Field::Number(_) => None,
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::UnknownDevice(_) => Self::new(ProblemKind::NotFound, error.to_string()),
            ActError::Refused(OperatorError::Denied(rule)) => {
                Self::new(ProblemKind::Refused, error.to_string()).by(rule)
            }
            ActError::Refused(OperatorError::Limited(ref refusal)) => {
                let rule = refusal.rule;
                Self::new(ProblemKind::Refused, error.to_string()).by(rule)
            }
            ActError::Waits { reason, case } => {
                Self::from(ActError::Refused(reason)).waits_in(case)
            }
            ActError::Refused(_)
            | ActError::OtherKeyExpected(_)
            | ActError::SeveralKeysWait { .. }
            | ActError::NotItsKey(_)
            | ActError::NoKey(_) => Self::new(ProblemKind::Refused, error.to_string()),
            ActError::Clock(jumped) => jumped.into(),
            ActError::Contended => Self::busy("the device is too busy; try again"),
            ActError::Store(error) => error.into(),
        }
    }
}
