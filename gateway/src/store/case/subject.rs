//! What an approval of a case is about, and how its want says so.

use fleetgrant_core::ask::{Reason, Want};
use fleetgrant_core::domain::{DeviceId, EntitlementId, FeatureName};

use super::Case;

/// What an approval of a case is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What a device asked for.
    Want {
        /// Why it asked.
        reason: Reason,
        /// Which feature.
        feature: FeatureName,
    },
    /// The device is to be declared dead.
    WriteOff,
    /// Somebody is to give the device a temporary licence.
    TemporaryLicense {
        /// Of this entitlement.
        entitlement: EntitlementId,
        /// How many units run.
        units: u32,
    },
    /// The device is broken, and another is to stand in for it.
    Outage {
        /// The one that stands in.
        replacement: DeviceId,
    },
}

/// The want of a case of declaring a device dead.
const WRITE_OFF: &str = "write-off/";
const TEMPORARY: &str = "temporary/";
const TEMPORARY_LICENSE: &str = "temporary-license/";
const OUTAGE: &str = "outage/";
const RETURN: &str = "return/";
const CODE: &str = "code/";

/// How a case calls what a device wants: a feature, which is `temporary/` or `return/` something where
/// that is asked for; `code/` and the code's id; or nothing for what is bound to the device. Cases
/// of different wants do not touch each other.
#[must_use]
pub fn want(reason: Reason, want: Option<&Want>) -> String {
    match (want, reason) {
        (Some(Want::Feature { feature, .. }), Reason::Temporary) => format!("{TEMPORARY}{feature}"),
        (Some(Want::Feature { feature, .. }), Reason::Return) => format!("{RETURN}{feature}"),
        (Some(Want::Feature { feature, .. }), _) => feature.to_string(),
        (Some(Want::Code { id, .. }), _) => format!("{CODE}{id}"),
        (None, _) => String::new(),
    }
}

impl Subject {
    /// How a case calls it.
    #[must_use]
    pub fn want(&self) -> String {
        match self {
            Self::Want { reason, feature } => match reason {
                Reason::Temporary => format!("{TEMPORARY}{feature}"),
                Reason::Return => format!("{RETURN}{feature}"),
                _ => feature.to_string(),
            },
            Self::WriteOff => WRITE_OFF.to_owned(),
            Self::TemporaryLicense { entitlement, .. } => {
                format!("{TEMPORARY_LICENSE}{entitlement}")
            }
            Self::Outage { replacement } => format!("{OUTAGE}{replacement}"),
        }
    }

    /// How many units are asked for, where that is said.
    #[must_use]
    pub const fn units(&self) -> Option<u32> {
        match self {
            Self::TemporaryLicense { units, .. } => Some(*units),
            Self::Want { .. } | Self::WriteOff | Self::Outage { .. } => None,
        }
    }

    /// Whether the device of the case is to sign for what is approved.
    #[must_use]
    pub const fn is_signed_for(&self) -> bool {
        match self {
            // What was let go waits for nobody.
            Self::Want { reason, .. } => !matches!(reason, Reason::Return),
            Self::TemporaryLicense { .. } => true,
            Self::WriteOff | Self::Outage { .. } => false,
        }
    }
}

impl Case {
    /// What an approval of it is about; none, if it is about what nobody approves.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        let want = self.want.as_str();
        if want == WRITE_OFF {
            return Some(Subject::WriteOff);
        }
        if let Some(id) = want.strip_prefix(TEMPORARY_LICENSE) {
            let id = data_encoding::HEXLOWER.decode(id.as_bytes()).ok()?;
            return Some(Subject::TemporaryLicense {
                entitlement: EntitlementId(id.try_into().ok()?),
                units: u32::try_from(self.total?).ok()?,
            });
        }
        if let Some(replacement) = want.strip_prefix(OUTAGE) {
            let replacement = DeviceId::new(replacement).ok()?;
            return Some(Subject::Outage { replacement });
        }
        if want.starts_with(CODE) {
            return None;
        }
        let (reason, feature) = if let Some(feature) = want.strip_prefix(TEMPORARY) {
            (Reason::Temporary, feature)
        } else if let Some(feature) = want.strip_prefix(RETURN) {
            (Reason::Return, feature)
        } else {
            (Reason::Upgrade, want)
        };
        let feature = FeatureName::new(feature).ok()?;
        Some(Subject::Want { reason, feature })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::domain::{CaseId, CaseState, CaseStep, Timestamp};

    use super::*;
    use crate::store::column::{Code, Micros, Octets};

    #[test]
    fn a_want_says_what_it_is_about() {
        let feature = || FeatureName::new("scan").unwrap();
        let subjects = [Reason::Temporary, Reason::Return, Reason::Upgrade]
            .map(|reason| Subject::Want {
                reason,
                feature: feature(),
            })
            .into_iter()
            .chain([
                Subject::WriteOff,
                Subject::TemporaryLicense {
                    entitlement: EntitlementId([0xa7; 16]),
                    units: 3,
                },
                Subject::Outage {
                    replacement: DeviceId::new("sc-3").unwrap(),
                },
            ]);
        for subject in subjects {
            let at = Micros(Timestamp::from_micros(1));
            let case = Case {
                id: Octets(CaseId([1; 16])),
                device_id: "sc-1".to_owned(),
                want: subject.want(),
                step: Code(CaseStep::Approval),
                state: Code(CaseState::Open),
                rule: None,
                opened_at: at,
                changed_at: at,
                closed_at: None,
                total: subject.units().map(i64::from),
                requested_by: "operator ann".to_owned(),
                decided_by: None,
            };
            assert_eq!(case.subject(), Some(subject));
        }
    }
}
