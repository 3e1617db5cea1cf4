//! What policy does not give unasked: decided by somebody else than who asked for it.

mod request;

pub use request::waits;
pub(crate) use request::{Request, lacks_approval};

use fleetgrant_core::ask::{Reason, Want};
use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, DeviceId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::operator::{self, Publish, Stopgap};
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::quota::Leave;

use crate::activation::system_entropy;
use crate::operator::{Act, ActError, Attempt, Effects, Operator};
use crate::store::case::{self, Case, Subject};
use crate::store::conversation::{self, Basis, Cause, Look, Recorded};
use crate::store::event::{self, Occasion, Stream};
use crate::store::listing::{self, CaseFilter};
use crate::store::{Db, StoreError};

/// Why a case was not decided, or a device not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// There is no such case.
    #[error("there is no case {0}: list them with `fleetgrant cases list`")]
    UnknownCase(CaseId),
    /// Nobody waits for an approval of it.
    #[error("the case is {state} and waits for no approval (its step is {step})")]
    NotWaiting {
        /// Where it stands.
        state: CaseState,
        /// What it waits for.
        step: CaseStep,
    },
    /// Nobody decides what they asked for themselves.
    #[error("{0} asked for this: somebody else must decide it")]
    OwnRequest(String),
    /// The case does not say what could be approved.
    #[error("what is bound to a device, or given by a code, is not approved but assigned")]
    NothingToApprove,
    /// The broken device has nothing that another could stand in for.
    #[error("{0} has no right that another device could stand in for")]
    NothingToReplace(DeviceId),
    /// It could not be done.
    #[error(transparent)]
    Act(#[from] ActError),
}

impl From<StoreError> for ApprovalError {
    fn from(error: StoreError) -> Self {
        Self::Act(error.into())
    }
}

/// How a case is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// What was asked for is done.
    Approve,
    /// It is not done.
    Refuse,
}

/// A replacement of a device that is broken.
#[derive(Clone, Debug)]
pub struct Outage {
    /// The device that is broken.
    pub broken: DeviceId,
    /// The one that stands in for it.
    pub replacement: DeviceId,
}

type Tried<T> = Attempt<T, ApprovalError>;

impl Operator {
    /// Decides a case that waits for an approval; what was approved is done at once, and told of.
    ///
    /// # Errors
    /// See [`ApprovalError`]; nothing is changed then.
    pub async fn decide_case(
        &self,
        case: CaseId,
        decision: Decision,
        effects: Effects,
    ) -> Result<Vec<Outcome>, ApprovalError> {
        self.until_still("approval", effects, move |operator, db, now| {
            operator.try_decide(db, case, decision, now)
        })
        .await
    }

    /// Gives temporary licences for all that a broken device has to another, and opens the case of
    /// writing off the broken one. With `preview`, nothing of it is kept.
    ///
    /// # Errors
    /// See [`ApprovalError`]; it is done whole or not at all.
    pub async fn bridge_outage(
        &self,
        outage: Outage,
        preview: bool,
    ) -> Result<Vec<Outcome>, ApprovalError> {
        let effects = if preview {
            Effects::Undone
        } else {
            Effects::Kept
        };
        let request = Request::of_outage(&self.actor, &outage);
        let bridged = self.until_still("outage", effects, move |operator, db, now| {
            operator.try_bridge(db, &outage, None, now)
        });
        match (bridged.await, effects) {
            (Err(ApprovalError::Act(error)), Effects::Kept) => {
                Err(self.asking(Some(request), error).await.into())
            }
            (bridged, _) => bridged,
        }
    }

    /// What an act would come to: decided and recorded as it would be, and then undone.
    ///
    /// # Errors
    /// What the act would be refused with.
    pub async fn preview(&self, device: &DeviceId, act: Act) -> Result<Outcome, ApprovalError> {
        let device = device.clone();
        self.until_still("preview", Effects::Undone, move |operator, db, now| {
            Ok(match operator.attempt(db, &device, act, now)? {
                Attempt::Done(outcome) => Tried::Done(*outcome),
                Attempt::Refused(reason) => Tried::Refused(reason.into()),
                Attempt::Stale => Tried::Stale,
            })
        })
        .await
    }

    /// One try of [`decide_case`](Self::decide_case), within a transaction that the caller ends.
    pub(crate) fn try_decide(
        &self,
        db: &mut Db,
        id: CaseId,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Tried<Vec<Outcome>>, StoreError> {
        let filter = CaseFilter {
            id: Some(id),
            ..CaseFilter::default()
        };
        let Some(waiting) = listing::cases(db, &filter, 1)?.pop() else {
            return Ok(Tried::Refused(ApprovalError::UnknownCase(id)));
        };
        let (state, step) = (waiting.state.0, waiting.step.0);
        if (state, step) != (CaseState::Open, CaseStep::Approval) {
            return Ok(Tried::Refused(ApprovalError::NotWaiting { state, step }));
        }
        if waiting.requested_by == self.actor {
            let own = ApprovalError::OwnRequest(self.actor.clone());
            return Ok(Tried::Refused(own));
        }
        if decision == Decision::Refuse {
            case::refuse(db, id, &self.actor, now)?;
            self.tell(db, EventKind::ApprovalRefused, &waiting, now)?;
            return Ok(Tried::Done(Vec::new()));
        }
        let device = device_of(&waiting)?;
        let attempt = match waiting.subject() {
            Some(Subject::WriteOff) => {
                self.attempt(db, &device, Act::DeclareDead(Leave::Approval), now)?
            }
            Some(Subject::Want { reason, feature }) => {
                let total = waiting.total.and_then(|total| u32::try_from(total).ok());
                let want = Want::Feature {
                    feature,
                    total: total.unwrap_or(1),
                };
                self.try_approve(db, &device, reason, &want, now)?
            }
            Some(Subject::TemporaryLicense { entitlement, units }) => {
                let stopgap = Stopgap {
                    entitlement,
                    units,
                    leave: Leave::Approval,
                };
                let act = Act::GiveTemporary(stopgap, Publish::Now);
                self.attempt_promptly(db, &device, act, now)?
            }
            Some(Subject::Outage { replacement }) => {
                let outage = Outage {
                    broken: device,
                    replacement,
                };
                return Ok(match self.try_bridge(db, &outage, Some(&waiting), now)? {
                    Attempt::Done(outcomes) => self.approved(db, &waiting, outcomes, now)?,
                    other => other,
                });
            }
            None => return Ok(Tried::Refused(ApprovalError::NothingToApprove)),
        };
        Ok(match attempt {
            Attempt::Done(outcome) => self.approved(db, &waiting, vec![*outcome], now)?,
            Attempt::Refused(reason) => Tried::Refused(reason.into()),
            Attempt::Stale => Tried::Stale,
        })
    }

    fn approved(
        &self,
        db: &mut Db,
        waiting: &Case,
        outcomes: Vec<Outcome>,
        now: Timestamp,
    ) -> Result<Tried<Vec<Outcome>>, StoreError> {
        case::approve(db, waiting, &self.actor, now)?;
        self.tell(db, EventKind::Approved, waiting, now)?;
        Ok(Tried::Done(outcomes))
    }

    fn tell(
        &self,
        db: &mut Db,
        kind: EventKind,
        case: &Case,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        tell(db, kind, case, &self.actor, now)
    }

    fn try_approve(
        &self,
        db: &mut Db,
        device: &DeviceId,
        reason: Reason,
        want: &Want,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let look = Look {
            wants: std::slice::from_ref(want),
            quotas: true,
            now: Some(now),
            ..Look::default()
        };
        let Some(snapshot) = conversation::load_for(db, &self.rules.cache, device, &look)? else {
            return Ok(Attempt::Refused(ActError::UnknownDevice(device.clone())));
        };
        let basis = Basis::of(&snapshot);
        let publish = match snapshot.device.key() {
            Some(_) => Publish::Now,
            None => Publish::AtContact,
        };
        let context = self.rules.at(now);
        let approved = operator::approve(
            snapshot,
            reason,
            want,
            publish,
            context,
            &mut system_entropy(),
        );
        let outcome = match approved {
            Ok(outcome) => outcome,
            Err(reason) => return Ok(Attempt::Refused(reason.into())),
        };
        let cause = Cause {
            actor: self.actor.clone(),
            message: None,
            at: now,
        };
        Ok(
            match conversation::record(db, &self.rules.cache, &basis, &outcome, &cause)? {
                Recorded::Whole => Attempt::Done(Box::new(outcome)),
                Recorded::Stale => Attempt::Stale,
            },
        )
    }

    /// One try of [`bridge_outage`](Self::bridge_outage), within a transaction that the caller ends; by
    /// the approval of a case, where there is one. The case of writing the broken device off is theirs
    /// who asked for it.
    pub(crate) fn try_bridge(
        &self,
        db: &mut Db,
        outage: &Outage,
        approved: Option<&Case>,
        now: Timestamp,
    ) -> Result<Tried<Vec<Outcome>>, StoreError> {
        let Some(broken) = conversation::load(db, &self.rules.cache, &outage.broken, &[])? else {
            let unknown = ActError::UnknownDevice(outage.broken.clone());
            return Ok(Tried::Refused(unknown.into()));
        };
        let rights = broken.rights();
        if rights.is_empty() {
            let nothing = ApprovalError::NothingToReplace(outage.broken.clone());
            return Ok(Tried::Refused(nothing));
        }
        let leave = match approved {
            Some(_) => Leave::Approval,
            None => Leave::Policy,
        };
        let mut outcomes = Vec::new();
        for (entitlement, units) in rights {
            let stopgap = Stopgap {
                entitlement,
                units,
                leave,
            };
            let act = Act::GiveTemporary(stopgap, Publish::Now);
            match self.attempt_promptly(db, &outage.replacement, act, now)? {
                Attempt::Done(outcome) => outcomes.push(*outcome),
                Attempt::Refused(reason) => return Ok(Tried::Refused(reason.into())),
                Attempt::Stale => return Ok(Tried::Stale),
            }
        }
        let by = approved.map_or(&self.actor, |case| &case.requested_by);
        let write_off = Request::write_off(by, &outage.broken);
        write_off.open(db, now)?;
        Ok(Tried::Done(outcomes))
    }
}

/// In the history of the device.
fn tell(
    db: &mut Db,
    kind: EventKind,
    case: &Case,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let occasion = Occasion {
        at: now,
        actor,
        cause: &case.id.0.0,
    };
    let told = Event::new(kind)
        .with("want", case.want.as_str())
        .with("requested-by", case.requested_by.as_str());
    event::append(db, Stream::Device(&case.device_id), occasion, &[told])
}

fn device_of(case: &Case) -> Result<DeviceId, StoreError> {
    DeviceId::new(&case.device_id).map_err(|error| StoreError::Corrupt(error.to_string()))
}
