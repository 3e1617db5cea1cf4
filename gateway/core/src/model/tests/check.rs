//! What must hold of the fleet.

use super::fleet::{Fleet, Gives, Up};
use crate::domain::{ActivationState, EntitlementId, SetKey};
use crate::entitlement::Quantity;
use crate::testkit::Handset;

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
        for sold in &self.sold {
            let Quantity::Units(units) = self.bench.world.entitlement(*sold).unwrap().quantity
            else {
                continue;
            };
            let worst: u32 = self.devices.iter().map(|d| self.worst(d, *sold)).sum();
            assert!(worst <= units, "{worst} of {units} units could be in use");
        }
    }

    /// The most units of an entitlement that a device has, or has once it takes any set that was
    /// ever sent and that it would take.
    fn worst(&self, handset: &Handset, sold: EntitlementId) -> u32 {
        let now = self.bench.now.seconds();
        let units = |gives: &Gives| -> u32 {
            gives
                .iter()
                .filter(|(id, _, end)| *id == sold && end.is_none_or(|end| now < end))
                .map(|(_, units, _)| *units)
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
            .filter(|((id, key), _)| *id == handset.id && would_take(*key))
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
                    | ActivationState::Orphaned
                    | ActivationState::Suspended => false,
                    ActivationState::Activated => latest.activations.contains(&activation.id),
                    _ => true,
                };
                assert!(settled, "{} is still {state}", activation.id);
            }
        }
    }
}
