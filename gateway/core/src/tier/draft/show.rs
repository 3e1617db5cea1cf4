//! A policy as people would write it.

use std::num::{NonZeroU16, NonZeroU32};

use super::{DAY, Draft, PermitDraft, SuggestionDraft, TemporaryDraft};
use crate::tier::{Cause, Causes, Mode, Permit, Suggestion, Temporary, TierRules};

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
