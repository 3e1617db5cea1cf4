//! What a decision looks at, as the real store would load it.

use std::sync::Arc;

use super::World;
use crate::activation::{Activation, Standing};
use crate::ask::{Ask, Want};
use crate::device::Device;
use crate::domain::{ActivationKind, DeviceId, EntitlementId, PartyId, RemovalReason};
use crate::entitlement::{Binding, Code, Entitlement};
use crate::license::Trial;
use crate::quota::QuotaUse;
use crate::snapshot::{Declined, Moved, MovedFrom, Snapshot};
use crate::tier::{Policies, TierPolicy};

impl World {
    /// What a decision about a device looks at. A device nobody knows is as new.
    #[must_use]
    pub fn snapshot(&self, id: &DeviceId, ask: Option<&Ask>) -> Snapshot {
        self.snapshot_naming(id, ask, None)
    }

    /// As [`Self::snapshot`], with an entitlement that an operator names, whether it fits the
    /// device or not.
    #[must_use]
    pub fn snapshot_naming(
        &self,
        id: &DeviceId,
        ask: Option<&Ask>,
        named: Option<EntitlementId>,
    ) -> Snapshot {
        let device = self
            .devices
            .get(id)
            .cloned()
            .unwrap_or_else(|| Device::new(id.clone(), crate::domain::DeviceState::Seen));
        let acked = device.acked_key();
        let mine: Vec<&Activation> = self.activations(id).collect();
        let codes: Vec<Code> = ask
            .iter()
            .flat_map(|ask| &ask.wants)
            .filter_map(|want| match want {
                Want::Code { id, .. } => self.codes.get(id).cloned(),
                Want::Feature { .. } => None,
            })
            .collect();
        let entitlements: Vec<_> = self
            .entitlements
            .values()
            .filter_map(|entitlement| {
                let bound = self.bound.contains(&(id.clone(), entitlement.id));
                let owned = device.owner.is_some() && device.owner == entitlement.owner;
                let here = mine.iter().any(|a| a.entitlement == entitlement.id)
                    || codes.iter().any(|code| code.entitlement == entitlement.id)
                    || named == Some(entitlement.id);
                let binding = match (bound, owned) {
                    (true, _) => Binding::Device,
                    (false, true) => Binding::Owner,
                    (false, false) if here => Binding::None,
                    (false, false) => return None,
                };
                Some(Entitlement {
                    binding,
                    ..entitlement.clone()
                })
            })
            .collect();
        let of_named = named.and_then(|named| self.entitlements.get(&named)?.owner);
        let owner = device.owner.or(of_named);
        let tier = owner.and_then(|owner| self.tiers.get(&owner));
        let mut policies = Policies::new(tier.map_or_else(TierPolicy::unassigned, Arc::clone));
        for entitlement in &entitlements {
            if let Some(own) = self.own_policies.get(&entitlement.id) {
                policies.put(entitlement.id, Arc::clone(own));
            }
        }
        Snapshot {
            moved: self.moved_of(&entitlements, Some(id)),
            uses: self.uses_of(&device.id, owner, &entitlements),
            policies,
            on_hold: entitlements
                .iter()
                .map(|entitlement| entitlement.owner)
                .chain([device.owner])
                .flatten()
                .filter(|owner| self.is_held(*owner))
                .collect(),
            entitlements,
            codes,
            sets: self
                .sets_of(id)
                .map(|issued| issued.set.clone())
                .filter(|set| acked.is_none_or(|acked| set.key >= acked))
                .collect(),
            evaluated: mine
                .iter()
                .filter_map(|a| self.entitlements.get(&a.entitlement))
                .filter(|e| e.rules.trial != Trial::No)
                .map(|e| e.product)
                .collect(),
            declined: mine
                .iter()
                .filter(|a| matches!(a.standing, Standing::Removed(_) | Standing::Cancelled))
                .map(|a| Declined {
                    entitlement: a.entitlement,
                    reason: a.standing.removal_reason(),
                })
                .collect(),
            activations: mine
                .into_iter()
                .filter(|activation| {
                    activation.holds_units()
                        || matches!(activation.standing, Standing::WrittenOff(_))
                })
                .cloned()
                .collect(),
            device,
        }
    }

    /// What was given back or written off of some entitlements and is not taken up, oldest first.
    pub(super) fn moved_of(
        &self,
        entitlements: &[Entitlement],
        device: Option<&DeviceId>,
    ) -> Vec<Moved> {
        let ended = self.activations.values().filter(|(_, activation)| {
            let is_given_back = matches!(
                activation.standing,
                Standing::Removed(RemovalReason::Return | RemovalReason::Rehost)
                    | Standing::WrittenOff(_)
            );
            is_given_back
                && activation.kind == ActivationKind::Normal
                && entitlements.iter().any(|e| e.id == activation.entitlement)
        });
        ended
            .map(|(on, activation)| Moved {
                activation: activation.id,
                entitlement: activation.entitlement,
                units: activation.units - self.taken_up.get(&activation.id).copied().unwrap_or(0),
                from: match activation.standing.removal_reason() {
                    Some(RemovalReason::Rehost) => MovedFrom::WrittenOff,
                    _ if Some(on) == device => MovedFrom::ThisDevice,
                    _ => MovedFrom::Elsewhere,
                },
            })
            .filter(|moved| moved.units > 0)
            .collect()
    }

    fn uses_of(
        &self,
        device: &DeviceId,
        owner: Option<PartyId>,
        entitlements: &[Entitlement],
    ) -> Vec<QuotaUse> {
        let uses = self.uses.iter().filter(|used| {
            used.device == *device
                || (used.owner.is_some() && used.owner == owner)
                || entitlements.iter().any(|e| e.id == used.entitlement)
        });
        uses.cloned().collect()
    }
}
