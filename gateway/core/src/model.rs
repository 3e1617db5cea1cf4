//! A store in memory, with the same promises as the real one: a snapshot in, an outcome applied
//! whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::activation::{Activation, Standing};
use crate::ask::{Ask, Want};
use crate::credit::Stock;
use crate::delivery::Pauses;
use crate::device::Device;
use crate::domain::{
    ActivationId, ActivationKind, CodeId, DeliveryState, DeviceId, EntitlementId, Epoch,
    Generation, PartyId, RemovalReason, SetKey, Timestamp,
};
use crate::entitlement::{Binding, Code, Entitlement, Quantity, Start};
use crate::event::Event;
use crate::invariant::{self, DeviceView, Violation};
use crate::license::Trial;
use crate::outcome::{Change, Deliveries, Outcome};
use crate::quota::QuotaUse;
use crate::set::IssuedSet;
use crate::snapshot::{Declined, Moved, MovedFrom, Snapshot};
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
        }
    }

    /// Puts a party under a policy; others have that of whoever has no tier.
    pub fn set_tier(&mut self, party: PartyId, policy: TierPolicy) {
        self.tiers.insert(party, Arc::new(policy));
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

    /// All activations of a device, oldest first.
    pub fn activations(&self, device: &DeviceId) -> impl Iterator<Item = &Activation> {
        self.activations
            .values()
            .filter(move |(owner, _)| owner == device)
            .map(|(_, activation)| activation)
    }

    /// An activation.
    #[must_use]
    pub fn activation(&self, id: ActivationId) -> Option<&Activation> {
        self.activations.get(&id).map(|(_, activation)| activation)
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
        Snapshot {
            moved: self.moved_of(&entitlements, Some(id)),
            uses: self.uses_of(&device.id, owner, &entitlements),
            tier: tier.map_or_else(TierPolicy::unassigned, Arc::clone),
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
    fn moved_of(&self, entitlements: &[Entitlement], device: Option<&DeviceId>) -> Vec<Moved> {
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

    /// Every use of a quota, in order.
    pub fn uses(&self) -> impl Iterator<Item = &QuotaUse> {
        self.uses.iter()
    }

    /// Applies an outcome, or nothing of it.
    pub fn apply(&mut self, outcome: &Outcome, now: Timestamp) -> Result<(), Stale> {
        self.check_current(outcome)?;
        let id = outcome.device.id.clone();
        self.devices.insert(id.clone(), outcome.device.clone());
        for change in &outcome.activations {
            let (Change::New(activation) | Change::Updated(activation)) = change;
            self.activations
                .insert(activation.id, (id.clone(), activation.clone()));
        }
        for (id, change) in &outcome.entitlements {
            let freed = u32::try_from(-change.units).unwrap_or(0);
            let stock = self.stock(*id).filter(|_| freed > 0);
            if let Some(entitlement) = self.entitlements.get_mut(id) {
                let live = i64::from(entitlement.live) + change.units;
                entitlement.live = u32::try_from(live).map_err(|_| Stale)?;
                let returned = i64::from(entitlement.returned) + change.returned;
                entitlement.returned = u32::try_from(returned).map_err(|_| Stale)?;
                entitlement.used = entitlement.used.saturating_add(change.used);
                if let Some(start) = change.started_at {
                    entitlement.start = Start::At(start);
                }
            }
            if let Some(stock) = stock {
                self.set_stock(*id, stock.freed(freed));
            }
        }
        for (activation, units) in &outcome.taken_up {
            *self.taken_up.entry(*activation).or_default() += units;
        }
        for used in &outcome.uses {
            self.uses.push(QuotaUse {
                kind: used.kind,
                entitlement: used.entitlement,
                owner: outcome.device.owner,
                device: id.clone(),
                units: used.units,
                leave: used.leave(),
                at: now,
            });
        }
        for (code, change) in &outcome.codes {
            if let Some(code) = self.codes.get_mut(code) {
                code.uses_left = code.uses_left.saturating_sub(change.uses);
                code.failures = code.failures.saturating_add(change.failures);
            }
        }
        self.settle_deliveries(outcome, now);
        if let Some(issued) = &outcome.issued {
            let key = (id.clone(), issued.set.key);
            self.sets.insert(key.clone(), issued.clone());
            self.deliveries.insert(
                key,
                Delivery {
                    state: DeliveryState::Pending,
                    attempts: 0,
                    due: Some(now),
                },
            );
        }
        let events = outcome.events.iter().cloned();
        self.events.extend(events.map(|event| (id.clone(), event)));
        Ok(())
    }

    /// Notes that a set was published.
    pub fn published(&mut self, device: &DeviceId, key: SetKey, pauses: &Pauses, now: Timestamp) {
        if let Some(delivery) = self.deliveries.get_mut(&(device.clone(), key)) {
            delivery.attempts += 1;
            delivery.due = pauses.next_attempt(delivery.attempts, now);
            delivery.state = match delivery.due {
                Some(_) => DeliveryState::Published,
                None => DeliveryState::Exhausted,
            };
        }
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

    /// The conditions under which the real store would write.
    fn check_current(&self, outcome: &Outcome) -> Result<(), Stale> {
        for (id, change) in &outcome.entitlements {
            let entitlement = self.entitlements.get(id).ok_or(Stale)?;
            let live = i64::from(entitlement.live) + change.units;
            let cap = match entitlement.quantity {
                Quantity::Unlimited => i64::from(u32::MAX),
                Quantity::Units(units) => i64::from(units) + i64::from(entitlement.overdraft),
            };
            let takes_too_many = change.units > 0 && live > cap;
            let started = change.started_at.is_some()
                && !matches!(entitlement.start, Start::FirstActivation { .. });
            let too_few = i64::from(entitlement.returned) + change.returned < 0;
            if takes_too_many || started || too_few {
                return Err(Stale);
            }
        }
        for (id, change) in &outcome.codes {
            if self
                .codes
                .get(id)
                .is_none_or(|code| code.uses_left < change.uses)
            {
                return Err(Stale);
            }
        }
        for (id, units) in &outcome.taken_up {
            let taken = self.taken_up.get(id).copied().unwrap_or(0);
            let ended = self.activation(*id).ok_or(Stale)?;
            if taken + units > ended.units {
                return Err(Stale);
            }
        }
        for used in &outcome.uses {
            if let Some(guard) = used.guard {
                let (device, owner) = (&outcome.device.id, outcome.device.owner);
                let stored = self.uses.iter().filter(|other| {
                    other.kind == used.kind
                        && other.at > guard.after
                        && other.is_within(guard.scope, used.entitlement, owner, device)
                });
                if stored.map(|other| other.units).sum::<u32>() != guard.seen {
                    return Err(Stale);
                }
            }
        }
        match &outcome.issued {
            Some(issued)
                if self
                    .sets
                    .contains_key(&(outcome.device.id.clone(), issued.set.key)) =>
            {
                Err(Stale)
            }
            _ => Ok(()),
        }
    }

    fn settle_deliveries(&mut self, outcome: &Outcome, now: Timestamp) {
        let acked = outcome.device.acked_key();
        let mine = self
            .deliveries
            .iter_mut()
            .filter(|((device, _), _)| *device == outcome.device.id);
        for ((_, key), delivery) in mine {
            let open = matches!(
                delivery.state,
                DeliveryState::Pending | DeliveryState::Published | DeliveryState::Exhausted
            );
            if !open {
                continue;
            }
            if acked.is_some_and(|acked| *key <= acked) {
                delivery.state = DeliveryState::Acknowledged;
                delivery.due = None;
            } else if outcome.deliveries == Deliveries::Superseded {
                delivery.state = DeliveryState::Superseded;
                delivery.due = None;
            } else if outcome.deliveries == Deliveries::Revived {
                *delivery = Delivery {
                    state: DeliveryState::Pending,
                    attempts: 0,
                    due: Some(now),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests;
