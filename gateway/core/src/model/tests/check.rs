//! What must hold of the fleet.

use std::collections::BTreeSet;

use super::fleet::{Fleet, Given, Gives, ORDERED, OVERDRAFT, Up};
use crate::activation::{Activation, Standing};
use crate::domain::{
    ActivationId, ActivationKind, ActivationState, EntitlementId, PartyId, PartyState,
    RemovalReason, SetKey, Timestamp,
};
use crate::event::EventKind;
use crate::quota::{Leave, QuotaKind};
use crate::testkit::{DAY, Handset};
use crate::tier::Permit;

impl Fleet {
    pub(super) fn check_idempotent(&self, message: &Up) {
        let mut again = self.clone();
        again.reach_gateway(message);
        for (before, after) in self.devices.iter().zip(&again.devices) {
            let (before, after) = (
                self.bench.activations(before),
                again.bench.activations(after),
            );
            assert_eq!(
                before, after,
                "a message that came twice did something twice"
            );
        }
    }

    pub(super) fn check(&self) {
        assert_eq!(self.bench.world.violations(), []);
        for id in &self.sold {
            let stock = self.bench.world.stock(*id).unwrap();
            let at_least = stock.live.saturating_sub(stock.overdraft);
            assert_eq!(stock.units, stock.sold().max(at_least), "{stock:?}");
            let is_it = |of: EntitlementId| of == *id;
            let worst = self.worst_of_all(is_it, ActivationKind::Normal);
            let allowed = stock.units + stock.overdraft;
            let at_risk = self.written_off(is_it);
            assert!(
                worst <= allowed + at_risk,
                "{worst} of {allowed} units could be in use, {at_risk} are written off"
            );
            let temporary = self.worst_of_all(is_it, ActivationKind::Temporary);
            // No policy of the fleet's has longer ones.
            let since = self.bench.now.minus_seconds(14 * DAY);
            let given = self.used(QuotaKind::Temporary, *id, since);
            assert!(temporary <= given, "{temporary} run, {given} were given");
        }
        for ordered in 0..ORDERED {
            self.check_ordered(ordered);
        }
        self.check_owners();
    }

    /// What came of an order has its units together, and no device runs an old right beside the one
    /// that takes its place.
    fn check_ordered(&self, ordered: usize) {
        let world = &self.bench.world;
        let is_of = |id: EntitlementId| self.lines[&id].of == ordered;
        let all = self.sold.iter().copied().filter(|id| is_of(*id));
        let mut units = 0;
        let mut overdraft = 0;
        let mut allowed = 0;
        for id in all {
            let stock = world.stock(id).unwrap();
            units += stock.sold();
            if world.upgrades().any(|upgrade| upgrade.from == id) {
                // It owes what is in use of it.
                allowed += stock.sold();
            } else {
                overdraft += stock.overdraft;
                allowed += stock.units + stock.overdraft;
            }
        }
        for upgrade in world.upgrades().filter(|u| is_of(u.from) && u.waiting > 0) {
            let to_come = upgrade.sold - world.stock(upgrade.to).unwrap().sold();
            let to_come = to_come.min(upgrade.waiting);
            units += to_come;
            overdraft += upgrade.waiting - to_come;
            allowed += upgrade.waiting;
        }
        assert_eq!(units, self.ordered[ordered], "units were made or lost");
        assert_eq!(overdraft, OVERDRAFT[ordered], "overdraft was made or lost");
        let worst = self.worst_of_all(is_of, ActivationKind::Normal);
        let at_risk = self.written_off(is_of) + self.left_on_old_boards(is_of);
        assert!(
            worst <= allowed + at_risk,
            "{worst} of {allowed} units that were ordered could be in use, {at_risk} are at risk"
        );
    }

    /// A party that became another has nothing.
    fn check_owners(&self) {
        let world = &self.bench.world;
        let owners = world.entitlements().map(|entitlement| entitlement.owner);
        let owners = owners.chain(world.devices().map(|device| device.owner));
        for owner in owners.flatten() {
            assert_ne!(world.party_state(owner), PartyState::Merged, "{owner}");
        }
    }

    /// Nothing new came of what a party on hold has since the last check.
    pub(super) fn check_held(&mut self) {
        let world = &self.bench.world;
        let is_held = |owner: Option<PartyId>| owner.is_some_and(|owner| world.is_held(owner));
        for (device, event) in world.events().skip(self.seen_events) {
            if matches!(event.kind, EventKind::Reserved | EventKind::Published) {
                let owner = event
                    .entitlement
                    .map(|id| world.entitlement(id).unwrap().owner);
                let is_held =
                    is_held(world.device(device).unwrap().owner) || is_held(owner.flatten());
                assert!(!is_held, "{event:?} of a party on hold");
            }
        }
        self.seen_events = world.events().count();
    }

    /// What was given unasked since the last check is within what policy allows now.
    pub(super) fn check_quotas(&mut self) {
        let rules = &self.tier.rules;
        let since = self.bench.now.minus_seconds(365 * DAY);
        for used in self.bench.world.uses().skip(self.seen_uses) {
            let permit = match used.kind {
                QuotaKind::Rehost => rules.rehost,
                QuotaKind::RehostUnconfirmed => rules.rehost_unconfirmed,
                QuotaKind::Temporary => rules.temporary.map(|temporary| temporary.permit),
            };
            if used.leave == Leave::Approval {
                continue;
            }
            let Some(Permit::SelfService(quota)) = permit else {
                panic!("{used:?} was given by {rules:?}");
            };
            let sold = self.bench.world.entitlement(used.entitlement).unwrap();
            let all = self.used(used.kind, used.entitlement, since);
            assert!(
                all <= quota.allowance(sold.quantity),
                "{used:?}: {all} in a year"
            );
        }
        self.seen_uses = self.bench.world.uses().count();
    }

    fn used(&self, kind: QuotaKind, sold: EntitlementId, since: Timestamp) -> u32 {
        let uses = self.bench.world.uses();
        uses.filter(|used| used.kind == kind && used.entitlement == sold && used.at > since)
            .map(|used| used.units)
            .sum()
    }

    fn written_off(&self, is_of: impl Fn(EntitlementId) -> bool) -> u32 {
        let all = self.devices.iter().flat_map(|d| self.bench.activations(d));
        all.filter(|a| is_of(a.entitlement) && matches!(a.standing, Standing::WrittenOff(_)))
            .map(|activation| activation.units)
            .sum()
    }

    /// What a board had that was replaced, and its device has another right in the place of: a repair
    /// trusts that the old board is out of use, and the old unit stays taken until its time is over.
    fn left_on_old_boards(&self, is_of: impl Fn(EntitlementId) -> bool) -> u32 {
        let all = self.devices.iter().flat_map(|d| self.bench.activations(d));
        all.filter(|a| is_of(a.entitlement) && a.holds_units() && a.stranded)
            .filter(|a| a.standing.removal_reason() == Some(RemovalReason::Supersede))
            .map(|activation| activation.units)
            .sum()
    }

    fn worst_of_all(&self, is_of: impl Fn(EntitlementId) -> bool, kind: ActivationKind) -> u32 {
        let old = self.old_boards.iter().map(|(_, board)| board);
        let boards = self.devices.iter().chain(old);
        boards.map(|board| self.worst(board, &is_of, kind)).sum()
    }

    /// The most units of some entitlements that a board has, or has once it takes any set that was
    /// ever sent and that it would take; but for what a later board of the device got.
    fn worst(
        &self,
        handset: &Handset,
        is_of: impl Fn(EntitlementId) -> bool,
        kind: ActivationKind,
    ) -> u32 {
        let now = self.bench.now.seconds();
        let own = self.gives.iter().filter(|((id, _), _)| *id == handset.id);
        let last = own.clone().filter(|(_, gives)| gives.to == handset.key);
        let last = last.map(|((_, key), _)| *key).next_back();
        let handed_over: BTreeSet<ActivationId> = own
            .filter(|((_, key), _)| Some(*key) > last)
            .flat_map(|(_, gives)| gives.all.iter().map(|given| given.activation))
            .collect();
        let units = |gives: &Gives| -> u32 {
            gives
                .all
                .iter()
                .filter(|given| {
                    given.kind == kind
                        && given.end.is_none_or(|end| now < end)
                        && !handed_over.contains(&given.activation)
                })
                .flat_map(|given| self.shares(given))
                .filter(|(id, _)| is_of(*id))
                .map(|(_, units)| units)
                .sum()
        };
        let would_take = |key: SetKey| match handset.held {
            Some(held) => key >= held.key,
            None => {
                let set = &self.bench.world.set(&handset.id, key).unwrap().set;
                set.nonce.is_some() && set.nonce == handset.nonce
            }
        };
        self.gives
            .iter()
            .filter(|((id, key), gives)| {
                *id == handset.id && gives.to == handset.key && would_take(*key)
            })
            .map(|(_, gives)| units(gives))
            .max()
            .unwrap_or(0)
    }

    /// Whose the units of an activation are now that a set gave. With a device that was sold on it
    /// changed hands, but for what it had given back of it before.
    fn shares(&self, given: &Given) -> Vec<(EntitlementId, u32)> {
        let (device, kept) = self.bench.world.activation_on(given.activation).unwrap();
        let is_part = |part: &&Activation| {
            part.predecessor == Some(given.activation) && part.standing.removal_reason().is_some()
        };
        let parts = self.bench.world.activations(device).filter(is_part);
        let mut rest = given.units;
        let mut shares = Vec::new();
        for holder in std::iter::once(kept).chain(parts) {
            let units = holder.units.min(rest);
            shares.push((holder.entitlement, units));
            rest -= units;
        }
        shares.push((kept.entitlement, rest));
        shares
    }

    pub(super) fn check_settled(&self) {
        for handset in &self.devices {
            let latest = &self.bench.world.latest_set(&handset.id).unwrap().set;
            assert_eq!(handset.held, Some(latest.held()));
            assert_eq!(
                self.bench.device(handset).acked_key(),
                Some(latest.key),
                "{}",
                handset.id
            );
            for activation in self.bench.activations(handset) {
                let state = activation.standing.state();
                let settled = match state {
                    ActivationState::Published
                    | ActivationState::Removing
                    | ActivationState::Suspended => false,
                    // Nobody proves that it is gone from a board that was replaced.
                    ActivationState::Orphaned => activation.stranded,
                    ActivationState::Activated => latest.activations.contains(&activation.id),
                    _ => true,
                };
                assert!(settled, "{} is still {state}", activation.id);
            }
        }
    }
}
