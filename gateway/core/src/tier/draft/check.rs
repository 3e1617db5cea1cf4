//! A policy as it was written becomes one that cannot contradict itself.

use std::num::{NonZeroU16, NonZeroU32};

use super::{
    Contradiction, DAY, Draft, Field, MAX_DAYS, MAX_TEMPORARY_DAYS, PermitDraft, SuggestionDraft,
    TemporaryDraft,
};
use crate::tier::{
    Beyond, Cause, Causes, Mode, Overdraft, Permit, Quota, QuotaScope, Suggestion, Temporary,
    TierRules,
};

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
