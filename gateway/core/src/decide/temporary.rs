//! A temporary licence: a right for a few days that takes no unit of its entitlement.
//!
//! It is a stop-gap where the right has ended and its renewal is late, or an emergency where the
//! units are on a device that is broken. What it draws on is a quota of policy.

use super::eligible::{beyond_the_end, eligible};
use super::{Draw, Facts, Planner, Source};
use crate::domain::{ActivationKind, FeatureName};
use crate::entitlement::{Binding, Entitlement};
use crate::license::Trial;
use crate::quota::QuotaKind;
use crate::rule::{Refusal, Rule};
use crate::tier::Cause;

impl Planner<'_> {
    /// Takes `missing` units of a feature as temporary licences of one entitlement.
    pub(super) fn draw_temporary(
        &mut self,
        source: Source,
        feature: &FeatureName,
        missing: u32,
    ) -> Result<(), Refusal> {
        if self.full.contains(&source) {
            return Err(Rule::SetFull.into());
        }
        let facts = self.facts;
        let mut refused = None;
        let candidates = facts
            .ledger
            .entitlements()
            .filter(|entitlement| entitlement.has(feature) && entitlement.binding != Binding::None);
        for entitlement in candidates {
            match self.permit_temporary(source, entitlement, missing) {
                Ok(draw) => {
                    self.take(draw);
                    return Ok(());
                }
                Err(refusal) => refused = refused.or(Some(refusal.under(entitlement.id))),
            }
        }
        Err(refused.unwrap_or(Rule::NotOwned.into()))
    }

    fn permit_temporary(
        &self,
        source: Source,
        entitlement: &Entitlement,
        units: u32,
    ) -> Result<Draw, Refusal> {
        let cause = cause_if(self.facts, entitlement, |found| {
            self.with_planned(entitlement, found)
        })?;
        if cause == Cause::Broken && self.units_left(entitlement.id) >= units {
            return Err(Rule::TemporaryNotNeeded.into());
        }
        let temporary = self.facts.rules.rules(entitlement.id).temporary;
        if temporary.is_some_and(|temporary| !temporary.causes.include(cause)) {
            return Err(Rule::TemporaryNotOffered.into());
        }
        let permit = temporary.map(|temporary| temporary.permit);
        let planned = self.planned([].iter());
        let uses = self.facts.uses();
        let quota = uses.permit(QuotaKind::Temporary, permit, entitlement, units, &planned)?;
        Ok(Draw {
            source,
            entitlement: entitlement.id,
            units,
            kind: ActivationKind::Temporary,
            code: None,
            takes_up: None,
            is_returned: false,
            quota: Some(quota),
        })
    }
}

/// Why a device may need a temporary licence of an entitlement; or the rule that keeps it from
/// one, whatever the quota.
pub(crate) fn cause(facts: &Facts<'_>, entitlement: &Entitlement) -> Result<Cause, Rule> {
    cause_if(facts, entitlement, |found| found)
}

/// As [`cause`], where `allowed` may think otherwise of what is found.
fn cause_if(
    facts: &Facts<'_>,
    entitlement: &Entitlement,
    allowed: impl Fn(Result<(), Rule>) -> Result<(), Rule>,
) -> Result<Cause, Rule> {
    if entitlement.rules.trial != Trial::No {
        return Err(Rule::TemporaryNotOffered);
    }
    match allowed(eligible(facts, entitlement)) {
        Ok(()) => Ok(Cause::Broken),
        // The end apart, what keeps a device from a right keeps it from a stop-gap for it.
        Err(Rule::Expired) => allowed(beyond_the_end(facts, entitlement)).map(|()| Cause::Expired),
        Err(rule) => Err(rule),
    }
}
