//! What a request gets: pure, over what was read.
//!
//! Wants are totals: what a device has counts towards them, so asking twice is asking once. A
//! want is served whole or denied with a rule; one denial does not touch the other wants. A
//! request without wants draws what is bound to the device, once: what it refused, gave back or
//! was revoked is not pressed on it again.

mod code;
mod draw;
mod eligible;
mod give_back;
mod supply;
mod temporary;

pub(crate) use code::FAILURE_WINDOW;
pub(crate) use eligible::eligible;
pub(crate) use temporary::cause;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use fleetgrant_schemas::id::KeyThumbprint;

use crate::activation::Activation;
use crate::ask::{Ask, Reason, Want};
use crate::content::{self, Conditions, Prospect};
use crate::device::Device;
use crate::domain::{
    ActivationId, ActivationKind, CodeId, EntitlementId, FeatureName, ProductId, Realm, Timestamp,
};
use crate::entitlement::{Code, Entitlement};
use crate::ledger::Ledger;
use crate::party::OnHold;
use crate::policy::Policy;
use crate::quota::{Leave, NewUse, QuotaUse, Uses};
use crate::rule::{Refusal, Rule};
use crate::snapshot::{Declined, Moved};
use crate::tier::Policies;

/// What a decision looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) device: &'a Device,
    pub(crate) ledger: &'a Ledger,
    pub(crate) codes: &'a [Code],
    pub(crate) evaluated: &'a [ProductId],
    pub(crate) declined: &'a [Declined],
    pub(crate) moved: &'a [Moved],
    pub(crate) used: &'a [QuotaUse],
    pub(crate) leave: Leave,
    pub(crate) policy: &'a Policy,
    /// What the device's owner is allowed, and what with which of its rights.
    pub(crate) rules: &'a Policies,
    pub(crate) on_hold: &'a OnHold,
    pub(crate) realm: &'a Realm,
    /// The key that signed the request.
    pub(crate) key: KeyThumbprint,
    pub(crate) now: Timestamp,
}

impl Facts<'_> {
    /// What quotas are held against.
    pub(crate) const fn uses(&self) -> Uses<'_> {
        Uses {
            device: self.device,
            stored: self.used,
            leave: self.leave,
            now: self.now,
        }
    }

    /// What sets are written under.
    pub(crate) const fn conditions(&self) -> Conditions<'_> {
        Conditions {
            policy: self.policy,
            rules: self.rules,
            frozen: self.device.watch.frozen,
            owner: self.device.owner,
            on_hold: self.on_hold,
            now: self.now,
        }
    }
}

/// What is decided, before anything is done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Units to take, in order.
    pub(crate) draws: Vec<Draw>,
    /// Units to let go, in order.
    pub(crate) give_backs: Vec<GiveBack>,
    /// What becomes of each want, in the order of the request; of what is bound, if there is none.
    pub(crate) verdicts: Vec<(Source, Verdict)>,
    /// Wrong proofs, by code; of codes that nobody knows too.
    pub(crate) failed_codes: Vec<CodeId>,
}

/// Where a draw or a verdict comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The want at this place in the request.
    Want(usize),
    /// What is bound to the device by this entitlement.
    Bound(EntitlementId),
    /// The activations that a return is about.
    Concerned,
}

/// What becomes of a want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Draws or give-backs serve it.
    Planned,
    /// What is there serves it.
    Served,
    /// Nothing is done for it.
    Denied(Refusal),
}

/// Units to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) source: Source,
    pub(crate) entitlement: EntitlementId,
    pub(crate) units: u32,
    pub(crate) kind: ActivationKind,
    pub(crate) code: Option<CodeId>,
    /// The ended activation whose units these were.
    pub(crate) takes_up: Option<ActivationId>,
    /// Whether they were given back by somebody.
    pub(crate) is_returned: bool,
    /// What it uses of a quota.
    pub(crate) quota: Option<NewUse>,
}

/// Units to let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GiveBack {
    pub(crate) source: Source,
    pub(crate) activation: ActivationId,
    /// Of the activation's units; all of them, or fewer.
    pub(crate) units: u32,
}

/// Decides a request. What `full` names found no room in the set, and is denied as such.
pub(crate) fn decide(facts: &Facts<'_>, ask: &Ask, full: &BTreeSet<Source>) -> Plan {
    let mut planner = Planner {
        facts,
        ask,
        full,
        plan: Plan::default(),
        taken: BTreeMap::new(),
        waits: Cell::new(false),
    };
    if ask.reason == Reason::Factory && !ask.wants.is_empty() {
        // On the line nobody buys: a device gets what was bound to it.
        planner.deny_all(Rule::FactoryNotOffered.into());
    } else if !ask.wants.is_empty() {
        planner.all_wants();
    } else if ask.reason == Reason::Return {
        planner.give_back_concerned();
    } else if matches!(ask.reason, Reason::Rehost | Reason::Temporary) {
        planner.deny_all(Rule::NothingWanted.into());
    } else {
        planner.draw_bound();
    }
    planner.plan
}

/// A plan in the making.
struct Planner<'a> {
    facts: &'a Facts<'a>,
    ask: &'a Ask,
    full: &'a BTreeSet<Source>,
    plan: Plan,
    /// Units that the draws so far take, by entitlement.
    taken: BTreeMap<EntitlementId, u32>,
    /// Whether the want at work met something that is an addition to what is not there yet.
    waits: Cell<bool>,
}

impl Planner<'_> {
    fn deny_all(&mut self, refusal: Refusal) {
        if self.ask.wants.is_empty() {
            self.plan
                .verdicts
                .push((Source::Concerned, Verdict::Denied(refusal)));
        }
        for place in 0..self.ask.wants.len() {
            self.plan
                .verdicts
                .push((Source::Want(place), Verdict::Denied(refusal)));
        }
    }

    /// Codes first and then features by name, so that the order in the request, which means
    /// nothing, changes nothing. What adds to something waits until that is planned; where nothing
    /// that may still be planned helps, it gets what it can have without.
    fn all_wants(&mut self) {
        let wants = &{ self.ask }.wants;
        let mut turn: Vec<(Source, &Want)> = wants
            .iter()
            .enumerate()
            .map(|(place, want)| (Source::Want(place), want))
            .collect();
        turn.sort_unstable_by_key(|(_, want)| want.turn());
        let mut entitlements = self.facts.ledger.entitlements();
        if entitlements.all(|entitlement| entitlement.requires.is_empty()) {
            for (source, want) in turn {
                self.serve(source, want);
            }
        } else {
            while !turn.is_empty() {
                turn = self.those_that_wait(turn);
            }
        }
        self.plan.verdicts.sort_by_key(|(source, _)| *source);
    }

    /// Serves wants that wait for nothing; if none of them gave anything new, the first of those
    /// that wait too. Each call serves at least one.
    fn those_that_wait<'w>(&mut self, turn: Vec<(Source, &'w Want)>) -> Vec<(Source, &'w Want)> {
        let drawn = self.plan.draws.len();
        let mut waiting = Vec::new();
        for (source, want) in turn {
            let before = (self.plan.clone(), self.taken.clone());
            self.waits.set(false);
            self.serve(source, want);
            if self.waits.get() {
                (self.plan, self.taken) = before;
                waiting.push((source, want));
            }
        }
        if self.plan.draws.len() == drawn && !waiting.is_empty() {
            let (source, want) = waiting.remove(0);
            self.serve(source, want);
        }
        waiting
    }

    fn serve(&mut self, source: Source, want: &Want) {
        let result = self.want(source, want);
        self.conclude(source, result);
    }

    fn conclude(&mut self, source: Source, result: Result<Verdict, Refusal>) {
        let verdict = result.unwrap_or_else(Verdict::Denied);
        self.plan.verdicts.push((source, verdict));
    }

    fn want(&mut self, source: Source, want: &Want) -> Result<Verdict, Refusal> {
        match want {
            Want::Feature { feature, total } => self.feature(source, feature, *total),
            Want::Code { id, proof } => self.code(source, *id, proof),
        }
    }

    /// What keeps an entitlement from serving this device, with what is planned counted as had.
    fn with_planned(&self, entitlement: &Entitlement, found: Result<(), Rule>) -> Result<(), Rule> {
        match found {
            Err(Rule::PrerequisiteMissing) if self.will_have_required(entitlement) => Ok(()),
            Err(Rule::PrerequisiteMissing) => {
                self.waits.set(true);
                found
            }
            found => found,
        }
    }

    fn will_have_required(&self, entitlement: &Entitlement) -> bool {
        let planned = |product| {
            self.plan.draws.iter().any(|draw| {
                let of = self.facts.ledger.entitlement(draw.entitlement);
                of.is_some_and(|of| of.product == product)
            })
        };
        eligible::has_required(entitlement, |product| {
            planned(product) || eligible::is_here(self.facts, product)
        })
    }

    fn feature(
        &mut self,
        source: Source,
        feature: &FeatureName,
        total: u32,
    ) -> Result<Verdict, Refusal> {
        if total > self.facts.policy.max_units_per_want {
            return Err(Rule::TooMany.into());
        }
        let there = self.units_of(feature);
        let total = u64::from(total);
        if total > there {
            // Below `total`, so it fits.
            let missing = u32::try_from(total - there).unwrap_or(u32::MAX);
            if self.ask.reason == Reason::Temporary {
                self.draw_temporary(source, feature, missing)?;
            } else {
                self.draw(source, feature, missing)?;
            }
            Ok(Verdict::Planned)
        } else if total < there && self.ask.reason == Reason::Return {
            let surplus = u32::try_from(there - total).unwrap_or(u32::MAX);
            self.give_back(source, feature, surplus)?;
            Ok(Verdict::Planned)
        } else {
            Ok(Verdict::Served)
        }
    }

    /// Units of a feature that the device will have and that are not past their end, what is
    /// planned so far included. Temporary licences count where one is asked for; elsewhere what is
    /// wanted is a right that stays.
    fn units_of(&self, feature: &FeatureName) -> u64 {
        let there: u64 = self
            .running()
            .filter(|(activation, entitlement)| {
                let stays = activation.kind == ActivationKind::Normal;
                entitlement.has(feature) && (stays || self.ask.reason == Reason::Temporary)
            })
            .map(|(activation, _)| u64::from(self.units_kept(activation)))
            .sum();
        let planned: u64 = self
            .taken
            .iter()
            .filter(|(id, _)| {
                self.facts
                    .ledger
                    .entitlement(**id)
                    .is_some_and(|entitlement| entitlement.has(feature))
            })
            .map(|(_, units)| u64::from(*units))
            .sum();
        there + planned
    }

    /// Activations that the next set has and whose end is still to come, with their entitlements.
    fn running(&self) -> impl Iterator<Item = (&Activation, &Entitlement)> {
        let facts = self.facts;
        facts
            .ledger
            .activations()
            .filter(|activation| activation.is_wanted())
            .filter_map(move |activation| {
                let entitlement = facts.ledger.entitlement(activation.entitlement)?;
                match content::prospect(activation, entitlement, &facts.conditions()) {
                    Prospect::In(run) if run.end.is_none_or(|end| facts.now < end) => {
                        Some((activation, entitlement))
                    }
                    _ => None,
                }
            })
    }

    fn units_kept(&self, activation: &Activation) -> u32 {
        let given_back: u32 = self
            .plan
            .give_backs
            .iter()
            .filter(|give_back| give_back.activation == activation.id)
            .map(|give_back| give_back.units)
            .sum();
        activation.units.saturating_sub(given_back)
    }

    fn units_left(&self, entitlement: EntitlementId) -> u32 {
        let taken = self.taken.get(&entitlement).copied().unwrap_or(0);
        self.facts
            .ledger
            .units_left(entitlement)
            .saturating_sub(taken)
    }

    fn take(&mut self, draw: Draw) {
        if draw.kind == ActivationKind::Normal {
            let taken = self.taken.entry(draw.entitlement).or_default();
            *taken = taken.saturating_add(draw.units);
        }
        self.plan.draws.push(draw);
    }
}

impl Entitlement {
    /// Whether its product has the feature.
    #[must_use]
    pub fn has(&self, feature: &FeatureName) -> bool {
        self.features.iter().any(|other| other.name == *feature)
    }
}

#[cfg(test)]
mod tests;
