//! The written form of a policy, and what of it contradicts itself.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Serialize};

use super::{
    Admission, Beyond, Cause, Causes, Mode, Overdraft, Permit, Quota, QuotaScope, Suggestion,
    Temporary, TierRules,
};

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

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A quota without a number, a window, or what becomes of a request beyond it.
    #[error("{0} is missing: mode self-service needs it")]
    Missing(Field),
    /// What only self-service uses.
    #[error("{0} says how much is given unasked, but the mode is not self-service: leave it out")]
    Unused(Field),
    /// What is refused anyway.
    #[error("{0} has no meaning where the mode is refused: leave it out")]
    RefusedAnyway(Field),
    /// A quota of nothing.
    #[error(
        "{0} is 0 and nothing is added per units, so self-service would give nothing: set the mode to \
         approval or refused"
    )]
    NothingToGive(Field),
    /// A number that must not be 0.
    #[error("{0} must be at least 1: leave it out where there is none")]
    Zero(Field),
    /// A number that is too large.
    #[error("{field} is {value}, but at most {most} is allowed")]
    TooLarge {
        /// Which.
        field: Field,
        /// What it is.
        value: u32,
        /// What it may be.
        most: u32,
    },
    /// A window that is none.
    #[error("{field}: {reason}")]
    Window {
        /// Which.
        field: Field,
        /// Why.
        reason: super::InvalidWindow,
    },
    /// Temporary licences would be forgotten while they still run.
    #[error(
        "{0} is shorter than temporary.days, so a licence that still runs would not be counted any \
         more: make the window at least as long"
    )]
    ForgetsWhatRuns(Field),
    /// The riskier way is the easier one.
    #[error(
        "{0} is self-service while rehost is not, so nobody would return a unit first: make rehost \
         self-service too"
    )]
    RiskierIsEasier(Field),
    /// A move begins with a return.
    #[error("{0} allows moves, but returns are refused, and a move begins with one: allow returns")]
    MoveWithoutReturn(Field),
    /// No value leads to the tier.
    #[error(
        "{0} has no value of any currency: leave the table out, and the tier is never suggested"
    )]
    NoValue(Field),
    /// A text that is no currency.
    #[error("{0} has a currency that is none: as ISO 4217 writes them, as EUR")]
    NoCurrency(Field),
    /// A device would run out before it asks.
    #[error(
        "{0} needs renew_after_days, of at most two thirds of it: or a device would stop before it \
         asks again"
    )]
    LeaseBeforeRenewal(Field),
    /// Fewer than one grant may take.
    #[error(
        "{0} is {1}: a device that lost its number asks three times for one grant, so at least 3 are \
         needed"
    )]
    TooFewRequests(Field, u16),
}

/// A field of a policy, by its path.
pub type Field = &'static str;

impl Contradiction {
    /// The field it is about, by its path.
    #[must_use]
    pub const fn field(&self) -> Field {
        match self {
            Self::Missing(field)
            | Self::Unused(field)
            | Self::RefusedAnyway(field)
            | Self::NothingToGive(field)
            | Self::Zero(field)
            | Self::TooLarge { field, .. }
            | Self::Window { field, .. }
            | Self::ForgetsWhatRuns(field)
            | Self::RiskierIsEasier(field)
            | Self::MoveWithoutReturn(field)
            | Self::LeaseBeforeRenewal(field)
            | Self::NoValue(field)
            | Self::NoCurrency(field)
            | Self::TooFewRequests(field, _) => field,
        }
    }
}

impl TryFrom<Draft> for TierRules {
    type Error = Contradiction;

    fn try_from(draft: Draft) -> Result<Self, Contradiction> {
        at_most("grace_days", draft.grace_days, MAX_DAYS)?;
        let rehost = permit(&REHOST, draft.rehost.into())?;
        let rehost_unconfirmed = permit(&UNCONFIRMED, draft.rehost_unconfirmed.into())?;
        let temporary = temporary(draft.temporary)?;
        if draft.returns == Mode::Refused && rehost.is_some() {
            return Err(Contradiction::MoveWithoutReturn("rehost.mode"));
        }
        if matches!(rehost_unconfirmed, Some(Permit::SelfService(_)))
            && !matches!(rehost, Some(Permit::SelfService(_)))
        {
            return Err(Contradiction::RiskierIsEasier("rehost_unconfirmed.mode"));
        }
        let renew_after = positive("renew_after_days", draft.renew_after_days)?;
        let lease = positive("lease_days", draft.lease_days)?;
        if let Some(lease) = lease
            && renew_after
                .is_none_or(|renew| u32::from(renew.get()) * 3 > u32::from(lease.get()) * 2)
        {
            return Err(Contradiction::LeaseBeforeRenewal("lease_days"));
        }
        let requests_per_day = match draft.requests_per_day {
            None => None,
            Some(0) => return Err(Contradiction::Zero("requests_per_day")),
            // A stale number, a challenge and the request itself.
            Some(few @ 1..3) => {
                return Err(Contradiction::TooFewRequests("requests_per_day", few));
            }
            Some(requests) => NonZeroU16::new(requests),
        };
        Ok(Self {
            activation: draft.activation,
            returns: draft.returns,
            rehost,
            rehost_unconfirmed,
            temporary,
            grace: u32::from(draft.grace_days) * DAY,
            offline: draft.offline,
            renew_after: renew_after.map(|days| u32::from(days.get()) * DAY),
            lease: lease.and_then(|days| NonZeroU32::new(u32::from(days.get()) * DAY)),
            admission: draft.admission,
            requests_per_day,
            overdraft: Overdraft {
                units: draft.overdraft_units,
                per_units: match draft.overdraft_per_units {
                    Some(0) => return Err(Contradiction::Zero("overdraft_per_units")),
                    per => per.and_then(NonZeroU32::new),
                },
            },
            suggested: draft.suggested.map(suggested).transpose()?,
        })
    }
}

/// The paths of a quota's fields.
struct Paths {
    units: Field,
    per_units: Field,
    window: Field,
    scope: Field,
    beyond: Field,
}

macro_rules! paths {
    ($table:literal) => {
        Paths {
            units: concat!($table, ".units"),
            per_units: concat!($table, ".per_units"),
            window: concat!($table, ".window"),
            scope: concat!($table, ".scope"),
            beyond: concat!($table, ".beyond"),
        }
    };
}

const REHOST: Paths = paths!("rehost");
const UNCONFIRMED: Paths = paths!("rehost_unconfirmed");
const TEMPORARY: Paths = paths!("temporary");

/// What every table of a quota has.
struct QuotaDraft {
    mode: Mode,
    units: Option<u32>,
    per_units: Option<u32>,
    window: Option<String>,
    scope: Option<QuotaScope>,
    beyond: Option<Beyond>,
}

fn permit(paths: &Paths, draft: QuotaDraft) -> Result<Option<Permit>, Contradiction> {
    match draft.mode {
        Mode::Refused => draft
            .given(paths)
            .map_or(Ok(None), |field| Err(Contradiction::RefusedAnyway(field))),
        Mode::Approval => draft
            .given(paths)
            .map_or(Ok(Some(Permit::Approval)), |field| {
                Err(Contradiction::Unused(field))
            }),
        Mode::SelfService => Ok(Some(Permit::SelfService(quota(paths, draft)?))),
    }
}

fn quota(paths: &Paths, draft: QuotaDraft) -> Result<Quota, Contradiction> {
    let units = draft.units.ok_or(Contradiction::Missing(paths.units))?;
    let per_units = match draft.per_units {
        Some(0) => return Err(Contradiction::Zero(paths.per_units)),
        given => given.and_then(NonZeroU32::new),
    };
    if units == 0 && per_units.is_none() {
        return Err(Contradiction::NothingToGive(paths.units));
    }
    let window = draft.window.ok_or(Contradiction::Missing(paths.window))?;
    Ok(Quota {
        units,
        per_units,
        window: window.parse().map_err(|reason| Contradiction::Window {
            field: paths.window,
            reason,
        })?,
        scope: draft.scope.unwrap_or(QuotaScope::Entitlement),
        beyond: draft.beyond.ok_or(Contradiction::Missing(paths.beyond))?,
    })
}

fn temporary(draft: TemporaryDraft) -> Result<Option<Temporary>, Contradiction> {
    if draft.mode == Mode::Refused {
        if draft.days.is_some() {
            return Err(Contradiction::RefusedAnyway("temporary.days"));
        }
        if draft.causes.is_some() {
            return Err(Contradiction::RefusedAnyway("temporary.causes"));
        }
    }
    let (days, causes) = (draft.days, draft.causes.clone());
    let Some(permit) = permit(&TEMPORARY, draft.into())? else {
        return Ok(None);
    };
    let days = positive("temporary.days", days)?.ok_or(Contradiction::Missing("temporary.days"))?;
    at_most("temporary.days", days.get(), MAX_TEMPORARY_DAYS)?;
    if let Permit::SelfService(quota) = permit
        && !quota.window.covers_days(days.get())
    {
        return Err(Contradiction::ForgetsWhatRuns("temporary.window"));
    }
    let has = |cause| causes.iter().flatten().any(|other| *other == cause);
    let causes = match (has(Cause::Expired), has(Cause::Broken)) {
        (true, true) => Causes::Both,
        (true, false) => Causes::Expired,
        (false, true) => Causes::Broken,
        (false, false) => return Err(Contradiction::Missing("temporary.causes")),
    };
    Ok(Some(Temporary {
        permit,
        days,
        causes,
    }))
}

impl QuotaDraft {
    /// The first field that is given.
    fn given(&self, paths: &Paths) -> Option<Field> {
        [
            (self.units.is_some(), paths.units),
            (self.per_units.is_some(), paths.per_units),
            (self.window.is_some(), paths.window),
            (self.scope.is_some(), paths.scope),
            (self.beyond.is_some(), paths.beyond),
        ]
        .into_iter()
        .find_map(|(given, field)| given.then_some(field))
    }
}

fn suggested(draft: SuggestionDraft) -> Result<Suggestion, Contradiction> {
    const VALUES: Field = "suggested.values";
    if draft.values.is_empty() {
        return Err(Contradiction::NoValue(VALUES));
    }
    let is_currency =
        |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let values = draft.values.into_iter().map(|(currency, value)| {
        if !is_currency(&currency) {
            return Err(Contradiction::NoCurrency(VALUES));
        }
        let value = NonZeroU32::new(value).ok_or(Contradiction::Zero(VALUES))?;
        Ok((currency, value))
    });
    Ok(Suggestion {
        window: draft
            .window
            .parse()
            .map_err(|reason| Contradiction::Window {
                field: "suggested.window",
                reason,
            })?,
        values: values.collect::<Result<_, _>>()?,
    })
}

fn at_most(field: Field, value: u16, most: u16) -> Result<(), Contradiction> {
    if value > most {
        return Err(Contradiction::TooLarge {
            field,
            value: value.into(),
            most: most.into(),
        });
    }
    Ok(())
}

fn positive(field: Field, days: Option<u16>) -> Result<Option<NonZeroU16>, Contradiction> {
    let Some(days) = days else {
        return Ok(None);
    };
    at_most(field, days, MAX_DAYS)?;
    NonZeroU16::new(days)
        .map(Some)
        .ok_or(Contradiction::Zero(field))
}

impl From<&TierRules> for Draft {
    fn from(rules: &TierRules) -> Self {
        let days = |seconds: u32| u16::try_from(seconds / DAY).unwrap_or(u16::MAX);
        Self {
            activation: rules.activation,
            returns: rules.returns,
            grace_days: days(rules.grace),
            offline: rules.offline,
            renew_after_days: rules.renew_after.map(days),
            lease_days: rules.lease.map(|lease| days(lease.get())),
            admission: rules.admission,
            requests_per_day: rules.requests_per_day.map(NonZeroU16::get),
            overdraft_units: rules.overdraft.units,
            overdraft_per_units: rules.overdraft.per_units.map(NonZeroU32::get),
            rehost: rules
                .rehost
                .map_or_else(PermitDraft::default, PermitDraft::from),
            rehost_unconfirmed: rules
                .rehost_unconfirmed
                .map_or_else(PermitDraft::default, PermitDraft::from),
            temporary: rules
                .temporary
                .map_or_else(TemporaryDraft::default, TemporaryDraft::from),
            suggested: rules.suggested.as_ref().map(SuggestionDraft::from),
        }
    }
}

impl From<&Suggestion> for SuggestionDraft {
    fn from(suggested: &Suggestion) -> Self {
        let values = suggested.values.iter();
        Self {
            window: suggested.window.to_string(),
            values: values
                .map(|(currency, value)| (currency.clone(), value.get()))
                .collect(),
        }
    }
}

impl From<Permit> for PermitDraft {
    fn from(permit: Permit) -> Self {
        match permit {
            Permit::Approval => Self {
                mode: Mode::Approval,
                ..Self::default()
            },
            Permit::SelfService(quota) => Self {
                mode: Mode::SelfService,
                units: Some(quota.units),
                per_units: quota.per_units.map(NonZeroU32::get),
                window: Some(quota.window.to_string()),
                scope: Some(quota.scope),
                beyond: Some(quota.beyond),
            },
        }
    }
}

impl From<Temporary> for TemporaryDraft {
    fn from(temporary: Temporary) -> Self {
        let permit = PermitDraft::from(temporary.permit);
        Self {
            mode: permit.mode,
            days: Some(temporary.days.get()),
            causes: Some(match temporary.causes {
                Causes::Expired => vec![Cause::Expired],
                Causes::Broken => vec![Cause::Broken],
                Causes::Both => vec![Cause::Expired, Cause::Broken],
            }),
            units: permit.units,
            per_units: permit.per_units,
            window: permit.window,
            scope: permit.scope,
            beyond: permit.beyond,
        }
    }
}

macro_rules! into_quota_draft {
    ($($draft:ty),*) => {$(
        impl From<$draft> for QuotaDraft {
            fn from(draft: $draft) -> Self {
                Self {
                    mode: draft.mode,
                    units: draft.units,
                    per_units: draft.per_units,
                    window: draft.window,
                    scope: draft.scope,
                    beyond: draft.beyond,
                }
            }
        }
    )*};
}

into_quota_draft!(PermitDraft, TemporaryDraft);

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
