//! An outcome is applied whole or not at all, under the conditions under which the real store would
//! write.

use super::{Delivery, Stale, World};
use crate::delivery::Pauses;
use crate::domain::{DeliveryState, DeviceId, SetKey, Timestamp};
use crate::entitlement::{Quantity, Start};
use crate::outcome::{Change, Deliveries, Outcome};
use crate::quota::QuotaUse;
use crate::tier::QuotaScope;

impl World {
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
        for (index, used) in outcome.uses.iter().enumerate() {
            if let Some(guard) = used.guard {
                let (device, owner) = (&outcome.device.id, outcome.device.owner);
                let stored = self.uses.iter().filter(|other| {
                    other.kind == used.kind
                        && other.at > guard.after
                        && other.is_within(guard.scope, used.entitlement, owner, device)
                });
                let stored: u32 = stored.map(|other| other.units).sum();
                // As the schema counts: those that were written before it, in their order.
                let before = outcome.uses.iter().take(index).filter(|other| {
                    other.kind == used.kind
                        && match guard.scope {
                            QuotaScope::Entitlement => other.entitlement == used.entitlement,
                            QuotaScope::Customer if owner.is_none() => {
                                other.entitlement == used.entitlement
                            }
                            QuotaScope::Customer | QuotaScope::Device => true,
                        }
                });
                let before: u32 = before.map(|other| other.units).sum();
                if stored != guard.seen || stored + before + used.units > guard.allowance {
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
