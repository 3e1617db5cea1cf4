//! The written form of a policy.

mod check;
mod contradiction;
mod show;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Admission, Beyond, Cause, Mode, QuotaScope};
pub use contradiction::{Contradiction, Field};

const DAY: u32 = 86_400;

/// The longest that a temporary licence may run, in days.
pub const MAX_TEMPORARY_DAYS: u16 = 90;
/// The longest grace, renewal interval and lease, in days.
pub const MAX_DAYS: u16 = 3_660;

/// A policy as people write it. What is left out is as `standard` is shipped, but for the tables:
/// one that is left out refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    #[serde(default = "self_service")]
    activation: Mode,
    #[serde(default = "self_service")]
    returns: Mode,
    #[serde(default)]
    grace_days: u16,
    #[serde(default = "yes")]
    offline: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renew_after_days: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease_days: Option<u16>,
    #[serde(default = "automatic")]
    admission: Admission,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_per_day: Option<u16>,
    #[serde(default, skip_serializing_if = "is_zero")]
    overdraft_units: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overdraft_per_units: Option<u32>,
    #[serde(default)]
    rehost: PermitDraft,
    #[serde(default)]
    rehost_unconfirmed: PermitDraft,
    #[serde(default)]
    temporary: TemporaryDraft,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suggested: Option<SuggestionDraft>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuggestionDraft {
    window: String,
    values: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PermitDraft {
    mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    units: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_units: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<QuotaScope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beyond: Option<Beyond>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TemporaryDraft {
    mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causes: Option<Vec<Cause>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    units: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_units: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<QuotaScope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beyond: Option<Beyond>,
}

impl Default for PermitDraft {
    fn default() -> Self {
        Self {
            mode: Mode::Refused,
            units: None,
            per_units: None,
            window: None,
            scope: None,
            beyond: None,
        }
    }
}

impl Default for TemporaryDraft {
    fn default() -> Self {
        Self {
            mode: Mode::Refused,
            days: None,
            causes: None,
            units: None,
            per_units: None,
            window: None,
            scope: None,
            beyond: None,
        }
    }
}

const fn is_zero(units: &u32) -> bool {
    *units == 0
}

const fn self_service() -> Mode {
    Mode::SelfService
}

const fn automatic() -> Admission {
    Admission::Automatic
}

const fn yes() -> bool {
    true
}
