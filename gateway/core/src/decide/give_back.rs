//! What a device gives back. The units are free only when its absence is proven.

use std::cmp::Reverse;

use super::{GiveBack, Planner, Source, Verdict};
use crate::activation::{Activation, Standing};
use crate::domain::{ActivationKind, FeatureName};
use crate::entitlement::Entitlement;
use crate::quota::Leave;
use crate::rule::{Refusal, Rule};
use crate::tier::Mode;

impl Planner<'_> {
    /// Lets go of `surplus` units of a feature: the activations the request names first, then
    /// what was never out there, then the newest. All of it, or none.
    pub(super) fn give_back(
        &mut self,
        source: Source,
        feature: &FeatureName,
        surplus: u32,
    ) -> Result<(), Refusal> {
        self.may_give_back()?;
        let mut candidates: Vec<(&Activation, Result<(), Refusal>)> = self
            .running()
            .filter(|(activation, entitlement)| {
                activation.kind == ActivationKind::Normal && entitlement.has(feature)
            })
            .map(|(activation, entitlement)| (activation, self.returnable(activation, entitlement)))
            .collect();
        candidates.sort_by_key(|(activation, _)| {
            (
                !self.ask.concerned.contains(&activation.id),
                activation.standing != Standing::Reserved,
                Reverse((activation.created_at, activation.id)),
            )
        });

        let mut rest = surplus;
        let mut give_backs = Vec::new();
        let mut rule = None;
        for (activation, returnable) in candidates {
            if let Err(refused) = returnable {
                rule = rule.or(Some(refused));
                continue;
            }
            let units = self.units_kept(activation).min(rest);
            if units > 0 {
                give_backs.push(GiveBack {
                    source,
                    activation: activation.id,
                    units,
                });
            }
            rest -= units;
            if rest == 0 {
                self.plan.give_backs.append(&mut give_backs);
                return Ok(());
            }
        }
        Err(rule.unwrap_or(Rule::NotReturnable.into()))
    }

    /// Lets go of the activations that the request names, whole. All of them, or none.
    pub(super) fn give_back_concerned(&mut self) {
        let verdict = self
            .plan_concerned()
            .map_or_else(Verdict::Denied, |give_backs| {
                let planned = !give_backs.is_empty();
                self.plan.give_backs = give_backs;
                if planned {
                    Verdict::Planned
                } else {
                    Verdict::Served
                }
            });
        self.plan.verdicts.push((Source::Concerned, verdict));
    }

    /// What is not there any more counts as given back.
    fn plan_concerned(&self) -> Result<Vec<GiveBack>, Refusal> {
        let ledger = self.facts.ledger;
        let concerned = ledger.activations().filter(|activation| {
            activation.is_wanted() && self.ask.concerned.contains(&activation.id)
        });
        let mut give_backs = Vec::new();
        for activation in concerned {
            self.may_give_back()?;
            if let Some(entitlement) = ledger.entitlement(activation.entitlement) {
                self.returnable(activation, entitlement)?;
            }
            give_backs.push(GiveBack {
                source: Source::Concerned,
                activation: activation.id,
                units: activation.units,
            });
        }
        Ok(give_backs)
    }

    /// Of two clones, one could give back what the other goes on using; so could a device whose
    /// storage was set back.
    fn may_give_back(&self) -> Result<(), Rule> {
        let watch = &self.facts.device.watch;
        if watch.frozen {
            Err(Rule::CloneSuspected)
        } else if watch.returns_stopped {
            Err(Rule::ReturnsStopped)
        } else {
            Ok(())
        }
    }

    fn returnable(
        &self,
        activation: &Activation,
        entitlement: &Entitlement,
    ) -> Result<(), Refusal> {
        let by_policy = match self.facts.rules.rules(entitlement.id).returns {
            Mode::SelfService => Ok(()),
            Mode::Approval if self.facts.leave == Leave::Approval => Ok(()),
            Mode::Approval => Err(Rule::ApprovalNeeded),
            Mode::Refused => Err(Rule::ReturnsNotOffered),
        };
        by_policy
            .and_then(|()| self.returnable_at_all(activation, entitlement))
            .map_err(|rule| Refusal::from(rule).under(entitlement.id))
    }

    fn returnable_at_all(
        &self,
        activation: &Activation,
        entitlement: &Entitlement,
    ) -> Result<(), Rule> {
        if !entitlement.rules.returns_credit {
            Err(Rule::NotReturnable)
        } else if activation.is_built_into(self.facts.device) {
            Err(Rule::FactoryNotReturnable)
        } else {
            Ok(())
        }
    }
}
