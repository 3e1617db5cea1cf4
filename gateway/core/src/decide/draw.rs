//! Which entitlement serves a want.

use super::{Draw, Planner, Source, Verdict, eligible};
use crate::ask::Reason;
use crate::domain::{EntitlementId, FeatureName, RemovalReason};
use crate::entitlement::{Binding, Entitlement};
use crate::license::Trial;
use crate::quota::Leave;
use crate::rule::{Refusal, Rule};
use crate::term;
use crate::tier::Mode;

impl Planner<'_> {
    /// Takes `missing` units of a feature: from what is bound to the device, then from its
    /// owner's pool, what ends first before what ends later, the older before the newer,
    /// evaluations last. All of it, or none.
    pub(super) fn draw(
        &mut self,
        source: Source,
        feature: &FeatureName,
        missing: u32,
    ) -> Result<(), Refusal> {
        if self.full.contains(&source) {
            return Err(Rule::SetFull.into());
        }
        let mut candidates: Vec<&Entitlement> = self
            .facts
            .ledger
            .entitlements()
            .filter(|entitlement| entitlement.has(feature) && entitlement.binding != Binding::None)
            .collect();
        candidates.sort_by_cached_key(|entitlement| self.rank(entitlement));
        // What policy gives for the asking goes before what waits for somebody, wherever that ends.
        let mut denied = None;
        for mode in [Mode::SelfService, Mode::Approval, Mode::Refused] {
            let mut open = candidates.clone();
            open.retain(|entitlement| self.ask_mode(entitlement) <= mode);
            if open
                .iter()
                .all(|entitlement| self.ask_mode(entitlement) != mode)
            {
                continue;
            }
            match self.draws_from(source, &open, missing) {
                Ok(draws) => {
                    self.asking_allowed(&draws)?;
                    draws.into_iter().for_each(|draw| self.take(draw));
                    return Ok(());
                }
                Err(refusal) => denied = Some(refusal),
            }
        }
        Err(denied.unwrap_or(Rule::NotOwned.into()))
    }

    /// Takes `missing` units from these, in their order. All of it, or none.
    fn draws_from(
        &self,
        source: Source,
        candidates: &[&Entitlement],
        missing: u32,
    ) -> Result<Vec<Draw>, Refusal> {
        let facts = self.facts;
        let mut rest = missing;
        let mut draws = Vec::new();
        let mut rule = None;
        for entitlement in candidates {
            if let Err(refused) = self.with_planned(entitlement, eligible(facts, entitlement)) {
                rule = rule.or(Some(Refusal::from(refused).under(entitlement.id)));
                continue;
            }
            let (supplied, refused) = self.supply(source, entitlement, rest, None, &draws);
            rest -= supplied.iter().map(|draw| draw.units).sum::<u32>();
            draws.extend(supplied);
            if rest == 0 {
                return Ok(draws);
            }
            let refused = refused.unwrap_or(Rule::NoUnitsLeft.into());
            rule = Some(refused.under(entitlement.id));
        }
        Err(rule.unwrap_or(Rule::NotOwned.into()))
    }

    /// How an entitlement is given for the asking. What is bound to the device was assigned by
    /// somebody; the pool is drawn as its policy says.
    fn ask_mode(&self, entitlement: &Entitlement) -> Mode {
        match entitlement.binding {
            Binding::Device => Mode::SelfService,
            Binding::Owner | Binding::None => self.facts.rules.rules(entitlement.id).activation,
        }
    }

    fn asking_allowed(&self, draws: &[Draw]) -> Result<(), Refusal> {
        if self.facts.leave == Leave::Approval {
            return Ok(());
        }
        let drawn = draws.iter().filter_map(|draw| {
            let entitlement = self.facts.ledger.entitlement(draw.entitlement)?;
            Some((self.ask_mode(entitlement), draw.entitlement))
        });
        match drawn.max() {
            Some((Mode::Approval, id)) => Err(Refusal::from(Rule::ApprovalNeeded).under(id)),
            Some((Mode::Refused, id)) => Err(Refusal::from(Rule::AssignedOnly).under(id)),
            Some((Mode::SelfService, _)) | None => Ok(()),
        }
    }

    /// Takes what each entitlement bound to the device gives to one device, unless the device has
    /// it or had it.
    pub(super) fn draw_bound(&mut self) {
        let facts = self.facts;
        let mut bound: Vec<&Entitlement> = facts
            .ledger
            .entitlements()
            .filter(|entitlement| {
                entitlement.binding == Binding::Device
                    // What it was once sold with may be another's since it changed hands.
                    && (entitlement.owner.is_none()
                        || facts.device.owner.is_none()
                        || entitlement.owner == facts.device.owner)
                    && entitlement.rules.trial == Trial::No
            })
            .collect();
        bound.sort_by_cached_key(|entitlement| self.rank(entitlement));
        // An addition comes after what it adds to, however long the line.
        while !bound.is_empty() {
            let (mut ready, mut rest): (Vec<_>, Vec<_>) = bound
                .into_iter()
                .partition(|next| self.will_have_required(next));
            if ready.is_empty() {
                std::mem::swap(&mut ready, &mut rest);
            }
            for entitlement in ready {
                self.draw_one_bound(entitlement);
            }
            bound = rest;
        }
    }

    fn draw_one_bound(&mut self, entitlement: &Entitlement) {
        let source = Source::Bound(entitlement.id);
        let verdict = if self.is_here(entitlement.id) {
            Verdict::Served
        } else if self.was_here(entitlement.id) {
            return;
        } else {
            self.draw_one_share(source, entitlement).map_or_else(
                |refusal| Verdict::Denied(refusal.under(entitlement.id)),
                |()| Verdict::Planned,
            )
        };
        self.plan.verdicts.push((source, verdict));
    }

    fn draw_one_share(&mut self, source: Source, entitlement: &Entitlement) -> Result<(), Refusal> {
        self.with_planned(entitlement, eligible(self.facts, entitlement))?;
        // Who buys the device later is owed the whole term.
        if self.ask.reason == Reason::Factory && entitlement.starts_when_activated() {
            return Err(Rule::NotStarted.into());
        }
        if self.full.contains(&source) {
            return Err(Rule::SetFull.into());
        }
        let units = entitlement.units_per_device.max(1);
        let draws = self.supply_whole(source, entitlement, units, None)?;
        draws.into_iter().for_each(|draw| self.take(draw));
        Ok(())
    }

    fn is_here(&self, entitlement: EntitlementId) -> bool {
        self.facts
            .ledger
            .activations()
            .any(|activation| activation.entitlement == entitlement && activation.is_wanted())
    }

    fn was_here(&self, entitlement: EntitlementId) -> bool {
        let on_its_way_out = self
            .facts
            .ledger
            .activations()
            .any(|activation| activation.entitlement == entitlement);
        on_its_way_out
            || self
                .facts
                .declined
                .iter()
                // What only ended is given again once it is renewed.
                .filter(|declined| declined.reason != Some(RemovalReason::Expire))
                .any(|declined| declined.entitlement == entitlement)
    }

    fn rank(&self, entitlement: &Entitlement) -> impl Ord + use<> {
        let end = term::run(entitlement, None, self.facts.now, 0, 0)
            .ok()
            .and_then(|run| run.end);
        (
            entitlement.binding,
            entitlement.rules.trial != Trial::No,
            // What never ends comes last.
            end.is_none(),
            end,
            entitlement.created_at,
            entitlement.id,
        )
    }
}
