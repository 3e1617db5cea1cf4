//! What must hold of the fleet.

use std::collections::BTreeSet;

use super::fleet::{Fleet, Gives, Up};
use crate::activation::Standing;
use crate::domain::{
    ActivationId, ActivationKind, ActivationState, EntitlementId, SetKey, Timestamp,
};
use crate::entitlement::Quantity;
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
        if let Some(before) = self.new_when_held {
            assert_eq!(self.new_so_far(), before, "the party is on hold");
        }
        for (sold, last) in self.sold.iter().zip(&self.units_sold) {
            let stock = self.bench.world.stock(*sold).unwrap();
            assert_eq!(stock.sold(), *last, "{stock:?}");
            assert_eq!(stock.units, stock.live.max(*last), "{stock:?}");
            let Quantity::Units(units) = self.bench.world.entitlement(*sold).unwrap().quantity
            else {
                continue;
            };
            let worst = self.worst_of_all(*sold, ActivationKind::Normal);
            let at_risk = self.written_off(*sold);
            assert!(
                worst <= units + at_risk,
                "{worst} of {units} units could be in use, {at_risk} are written off"
            );
            let temporary = self.worst_of_all(*sold, ActivationKind::Temporary);
            // No policy of the fleet's has longer ones.
            let since = self.bench.now.minus_seconds(14 * DAY);
            let given = self.used(QuotaKind::Temporary, *sold, since);
            assert!(temporary <= given, "{temporary} run, {given} were given");
        }
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

    fn written_off(&self, sold: EntitlementId) -> u32 {
        let all = self.devices.iter().flat_map(|d| self.bench.activations(d));
        all.filter(|a| a.entitlement == sold && matches!(a.standing, Standing::WrittenOff(_)))
            .map(|activation| activation.units)
            .sum()
    }

    fn worst_of_all(&self, sold: EntitlementId, kind: ActivationKind) -> u32 {
        let old = self.old_boards.iter().map(|(_, board)| board);
        let boards = self.devices.iter().chain(old);
        boards.map(|board| self.worst(board, sold, kind)).sum()
    }

    /// The most units of an entitlement that a board has, or has once it takes any set that was
    /// ever sent and that it would take; but for what a later board of the device got.
    fn worst(&self, handset: &Handset, sold: EntitlementId, kind: ActivationKind) -> u32 {
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
                    given.entitlement == sold
                        && given.kind == kind
                        && given.end.is_none_or(|end| now < end)
                        && !handed_over.contains(&given.activation)
                })
                .map(|given| given.units)
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
