//! What an activation code gives.
//!
//! Whatever is wrong with a code is answered alike, so that nobody learns which codes exist; and
//! wrong proofs are limited, for each device and for each code.

use super::eligible::eligible_for;
use super::{Planner, Source, Verdict};
use crate::domain::{CodeId, CodeProof};
use crate::rule::{Refusal, Rule};

/// The window in which a device's wrong codes are counted, in seconds.
pub(crate) const FAILURE_WINDOW: u64 = 86_400;

impl Planner<'_> {
    pub(super) fn code(
        &mut self,
        source: Source,
        id: CodeId,
        proof: &CodeProof,
    ) -> Result<Verdict, Refusal> {
        let facts = self.facts;
        let failures = facts
            .device
            .watch
            .code_failures
            .within(facts.now, FAILURE_WINDOW)
            .saturating_add(u16::try_from(self.plan.failed_codes.len()).unwrap_or(u16::MAX));
        if failures >= facts.policy.code_failures_per_device {
            let since = facts.device.watch.code_failures.since;
            return Err(Refusal {
                rule: Rule::CodesBlocked,
                lifts_at: since.map(|since| since.plus_seconds(FAILURE_WINDOW)),
                under: None,
            });
        }
        let code = facts.codes.iter().find(|code| code.id == id);
        let Some(code) = code.filter(|code| {
            code.failures < facts.policy.code_failures_per_code
                && code
                    .key
                    .proves(proof, facts.realm.as_str(), &facts.key, &self.ask.nonce)
        }) else {
            self.plan.failed_codes.push(id);
            return Err(Rule::CodeRefused.into());
        };
        if self.gave_already(id) {
            return Ok(Verdict::Served);
        }
        let is_over = code.expires_at.is_some_and(|end| end <= facts.now);
        if code.void || code.uses_left == 0 || is_over {
            return Err(Rule::CodeRefused.into());
        }
        let entitlement = facts
            .ledger
            .entitlement(code.entitlement)
            .ok_or(Rule::CodeRefused)?;
        // What a partner hands out is not the partner's to use.
        let handed_out = code.partner.is_some() && code.partner == entitlement.owner;
        self.with_planned(entitlement, eligible_for(facts, entitlement, !handed_out))?;
        if self.full.contains(&source) {
            return Err(Rule::SetFull.into());
        }
        let draws = self
            .supply_whole(source, entitlement, code.units.max(1), Some(id))
            .map_err(|refusal| refusal.under(entitlement.id))?;
        draws.into_iter().for_each(|draw| self.take(draw));
        Ok(Verdict::Planned)
    }

    fn gave_already(&self, code: CodeId) -> bool {
        let here = self
            .facts
            .ledger
            .activations()
            .any(|activation| activation.code == Some(code) && activation.is_wanted());
        here || self.plan.draws.iter().any(|draw| draw.code == Some(code))
    }
}
