//! What people ask for and policy does not give unasked: it waits in a case for somebody else.

use fleetgrant_core::domain::{CaseId, DeviceId, Timestamp};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::operator::OperatorError;
use fleetgrant_core::quota::Leave;
use fleetgrant_core::rule::Rule;

use super::{Outage, tell};
use crate::operator::{Act, ActError, Operator};
use crate::store::case::{self, Subject};
use crate::store::{Db, StoreError, Verdict};

/// What somebody asks for in the name of a device.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    requested_by: String,
    device: DeviceId,
    subject: Subject,
}

impl Request {
    /// What an act comes to where policy does not give it unasked; none, if nobody can approve it.
    pub(crate) fn of_act(requested_by: &str, device: &DeviceId, act: Act) -> Option<Self> {
        let subject = match act {
            Act::DeclareDead(Leave::Policy) => Subject::WriteOff,
            Act::GiveTemporary(stopgap, _) if stopgap.leave == Leave::Policy => {
                Subject::TemporaryLicense {
                    entitlement: stopgap.entitlement,
                    units: stopgap.units,
                }
            }
            _ => return None,
        };
        Some(Self {
            requested_by: requested_by.to_owned(),
            device: device.clone(),
            subject,
        })
    }

    /// That a device stands in for a broken one.
    pub(crate) fn of_outage(requested_by: &str, outage: &Outage) -> Self {
        Self {
            requested_by: requested_by.to_owned(),
            device: outage.broken.clone(),
            subject: Subject::Outage {
                replacement: outage.replacement.clone(),
            },
        }
    }

    /// That a device is declared dead.
    pub(super) fn write_off(requested_by: &str, device: &DeviceId) -> Self {
        Self {
            requested_by: requested_by.to_owned(),
            device: device.clone(),
            subject: Subject::WriteOff,
        }
    }

    /// The case that it waits in, which is opened if there is none.
    pub(crate) fn open(&self, db: &mut Db, now: Timestamp) -> Result<CaseId, StoreError> {
        let Self {
            requested_by,
            device,
            subject,
        } = self;
        let requested = case::request(db, device.as_str(), subject, requested_by, now)?;
        let case = &requested.case;
        if requested.is_news {
            tell(db, EventKind::ApprovalRequested, case, requested_by, now)?;
        }
        Ok(case.id.0)
    }
}

/// Whether an approval would lift it.
pub(crate) fn lacks_approval(error: &ActError) -> bool {
    let rule = match error {
        ActError::Refused(OperatorError::Denied(rule)) => *rule,
        ActError::Refused(OperatorError::Limited(refusal)) => refusal.rule,
        _ => return false,
    };
    rule == Rule::ApprovalNeeded
}

/// What is said of a case that was opened for what was denied.
#[must_use]
pub fn waits(case: CaseId) -> String {
    format!("it waits in the case {case} for somebody else to approve or refuse it")
}

impl Operator {
    /// What becomes of an act that was refused: where an approval would lift that, a case waits for
    /// one. What the act wrote is undone already, so the case has a transaction of its own.
    pub(crate) async fn asking(&self, request: Option<Request>, refused: ActError) -> ActError {
        let (Some(request), ActError::Refused(reason)) = (request, &refused) else {
            return refused;
        };
        if !lacks_approval(&refused) {
            return refused;
        }
        let reason = *reason;
        let now = match self.clock.trusted_now() {
            Ok(now) => now,
            Err(jumped) => return jumped.into(),
        };
        let open = move |db: &mut Db| Ok(Verdict::Commit(request.open(db, now)?));
        match self.store.transaction("approval-request", open).await {
            Ok(case) => ActError::Waits { reason, case },
            Err(error) => error.into(),
        }
    }
}
