//! A store in memory, with the same promises as the real one: a snapshot in, an outcome applied
//! whole or not at all.

mod apply;
mod hand_over;
mod snapshot;
mod upgrade;

pub use hand_over::NotHandedOver;
pub use upgrade::{Successor, Upgrade};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::activation::Activation;
use crate::credit::Stock;
use crate::device::Device;
use crate::domain::{
    ActivationId, CodeId, DeliveryState, DeviceId, EntitlementId, Epoch, Generation, PartyId,
    SetKey, Timestamp,
};
use crate::entitlement::{Code, Entitlement, Quantity};
use crate::event::Event;
use crate::invariant::{self, DeviceView, Violation};
use crate::quota::QuotaUse;
use crate::set::IssuedSet;
use crate::tier::TierPolicy;

/// Everything there is, in memory.
#[derive(Clone, Debug, Default)]
pub struct World {
    devices: BTreeMap<DeviceId, Device>,
    activations: BTreeMap<ActivationId, (DeviceId, Activation)>,
    entitlements: BTreeMap<EntitlementId, Entitlement>,
    bound: BTreeSet<(DeviceId, EntitlementId)>,
    codes: BTreeMap<CodeId, Code>,
    tiers: BTreeMap<PartyId, Arc<TierPolicy>>,
    own_policies: BTreeMap<EntitlementId, Arc<TierPolicy>>,
    /// Parties on hold.
    held: BTreeSet<PartyId>,
    /// Parties that became others.
    merged: BTreeMap<PartyId, PartyId>,
    upgrades: Vec<Upgrade>,
    taken_up: BTreeMap<ActivationId, u32>,
    /// Units credited while in use.
    pending_credit: BTreeMap<EntitlementId, u32>,
    uses: Vec<QuotaUse>,
    sets: BTreeMap<(DeviceId, SetKey), IssuedSet>,
    deliveries: BTreeMap<(DeviceId, SetKey), Delivery>,
    events: Vec<(DeviceId, Event)>,
}

/// The push of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was published.
    pub attempts: u32,
    /// When it is published next.
    pub due: Option<Timestamp>,
}

/// The outcome was decided on a snapshot that is no longer true. Nothing was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot is stale: decide again on a new one")]
pub struct Stale;

impl World {
    /// Adds a device.
    pub fn add_device(&mut self, device: Device) {
        self.devices.insert(device.id.clone(), device);
    }

    /// Adds an entitlement.
    pub fn add_entitlement(&mut self, entitlement: Entitlement) {
        self.entitlements.insert(entitlement.id, entitlement);
    }

    /// Adds an activation code.
    pub fn add_code(&mut self, code: Code) {
        self.codes.insert(code.id, code);
    }

    /// Sets how much of an entitlement is sold, as an amended order does.
    pub fn resize(&mut self, id: EntitlementId, sold: u32) {
        if let Some(stock) = self.stock(id) {
            self.set_stock(id, stock.resized(sold));
        }
    }

    /// The units of an entitlement whose units are counted.
    #[must_use]
    pub fn stock(&self, id: EntitlementId) -> Option<Stock> {
        let entitlement = self.entitlements.get(&id)?;
        let Quantity::Units(units) = entitlement.quantity else {
            return None;
        };
        Some(Stock {
            units,
            pending_credit: self.pending_credit.get(&id).copied().unwrap_or(0),
            live: entitlement.live,
            overdraft: entitlement.overdraft,
        })
    }

    fn set_stock(&mut self, id: EntitlementId, stock: Stock) {
        self.pending_credit.insert(id, stock.pending_credit);
        if let Some(entitlement) = self.entitlements.get_mut(&id) {
            entitlement.quantity = Quantity::Units(stock.units);
            entitlement.live = stock.live;
            entitlement.overdraft = stock.overdraft;
        }
    }

    /// Puts a party under a policy; others have that of whoever has no tier.
    pub fn set_tier(&mut self, party: PartyId, policy: TierPolicy) {
        self.tiers.insert(party, Arc::new(policy));
    }

    /// Puts the rights of an entitlement under a policy of their own, whoever has them.
    pub fn set_own_policy(&mut self, entitlement: EntitlementId, policy: TierPolicy) {
        self.own_policies.insert(entitlement, Arc::new(policy));
    }

    /// Puts a party on hold, or releases it.
    pub fn hold(&mut self, party: PartyId, is_held: bool) {
        if is_held {
            self.held.insert(party);
        } else {
            self.held.remove(&party);
        }
    }

    /// Whether a party is on hold.
    #[must_use]
    pub fn is_held(&self, party: PartyId) -> bool {
        self.held.contains(&party)
    }

    /// Binds an entitlement to a device, as a shipment or a manifest does.
    pub fn bind(&mut self, device: &DeviceId, entitlement: EntitlementId) {
        self.bound.insert((device.clone(), entitlement));
    }

    /// A device.
    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    /// An entitlement.
    #[must_use]
    pub fn entitlement(&self, id: EntitlementId) -> Option<&Entitlement> {
        self.entitlements.get(&id)
    }

    /// An entitlement, to be changed as an import or an operator would.
    pub fn entitlement_mut(&mut self, id: EntitlementId) -> Option<&mut Entitlement> {
        self.entitlements.get_mut(&id)
    }

    /// A device, to be changed as an import or an operator would.
    pub fn device_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        self.devices.get_mut(id)
    }

    /// An activation code.
    #[must_use]
    pub fn code(&self, id: CodeId) -> Option<&Code> {
        self.codes.get(&id)
    }

    /// An activation code, to be changed as an operator would.
    pub fn code_mut(&mut self, id: CodeId) -> Option<&mut Code> {
        self.codes.get_mut(&id)
    }

    /// All activations of a device, oldest first.
    pub fn activations(&self, device: &DeviceId) -> impl Iterator<Item = &Activation> {
        self.activations
            .values()
            .filter(move |(owner, _)| owner == device)
            .map(|(_, activation)| activation)
    }

    /// Every entitlement.
    pub fn entitlements(&self) -> impl Iterator<Item = &Entitlement> {
        self.entitlements.values()
    }

    /// Every device.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// An activation.
    #[must_use]
    pub fn activation(&self, id: ActivationId) -> Option<&Activation> {
        self.activations.get(&id).map(|(_, activation)| activation)
    }

    /// An activation, and the device it is on.
    #[must_use]
    pub fn activation_on(&self, id: ActivationId) -> Option<(&DeviceId, &Activation)> {
        let (device, activation) = self.activations.get(&id)?;
        Some((device, activation))
    }

    /// An activation, to be changed behind the core's back.
    pub fn activation_mut(&mut self, id: ActivationId) -> Option<&mut Activation> {
        self.activations
            .get_mut(&id)
            .map(|(_, activation)| activation)
    }

    /// A set, with its payload.
    #[must_use]
    pub fn set(&self, device: &DeviceId, key: SetKey) -> Option<&IssuedSet> {
        self.sets.get(&(device.clone(), key))
    }

    /// The set a device should have.
    #[must_use]
    pub fn latest_set(&self, device: &DeviceId) -> Option<&IssuedSet> {
        self.sets_of(device).last()
    }

    /// The sets of a device, in order.
    pub fn sets_of(&self, device: &DeviceId) -> impl Iterator<Item = &IssuedSet> {
        let first = SetKey {
            epoch: Epoch(0),
            generation: Generation::ZERO,
        };
        let from_first = self.sets.range((device.clone(), first)..);
        from_first
            .take_while(move |((owner, _), _)| owner == device)
            .map(|(_, set)| set)
    }

    /// The push of a set.
    #[must_use]
    pub fn delivery(&self, device: &DeviceId, key: SetKey) -> Option<Delivery> {
        self.deliveries.get(&(device.clone(), key)).copied()
    }

    /// The history, oldest first.
    pub fn events(&self) -> impl Iterator<Item = (&DeviceId, &Event)> {
        self.events.iter().map(|(device, event)| (device, event))
    }

    /// Every use of a quota, in order.
    pub fn uses(&self) -> impl Iterator<Item = &QuotaUse> {
        self.uses.iter()
    }

    /// What must never be, and is.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let all = self.activations.values().map(|(_, activation)| activation);
        let mut violations = invariant::check_units(self.entitlements.values(), all);
        for entitlement in self.entitlements.values() {
            let moved = self.moved_of(std::slice::from_ref(entitlement), None);
            let returned = moved.iter().map(|moved| u64::from(moved.units)).sum();
            if returned != u64::from(entitlement.returned) {
                violations.push(Violation::ReturnsMiscounted {
                    entitlement: entitlement.id,
                    returned,
                    counted: entitlement.returned,
                });
            }
        }
        for device in self.devices.values() {
            let activations: Vec<_> = self.activations(&device.id).collect();
            let latest = self.latest_set(&device.id);
            violations.extend(invariant::check_device(&DeviceView {
                device,
                activations: &activations,
                latest_set: latest.map(|issued| &issued.set),
            }));
        }
        violations
    }
}

#[cfg(test)]
mod tests;
