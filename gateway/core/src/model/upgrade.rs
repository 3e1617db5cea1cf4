//! Entitlements that take the place of others, device by device, as the real store writes it.

use super::{Stale, World};
use crate::activation::Activation;
use crate::credit::Stock;
use crate::domain::{DeviceId, EntitlementId, EntitlementState, ProductId, Timestamp};
use crate::entitlement::{Entitlement, Quantity};
use crate::operator::Provision;
use crate::succession::{self, Candidate, Succession, SuccessionError};

/// One entitlement in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The old one.
    pub from: EntitlementId,
    /// The new one.
    pub to: EntitlementId,
    /// Units that the new one has in the end.
    pub sold: u32,
    /// Units of the old one whose devices have not got the new right.
    pub waiting: u32,
}

/// What a new entitlement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    /// Its id.
    pub id: EntitlementId,
    /// Of which product.
    pub product: ProductId,
}

impl World {
    /// Whether a device waits for another right in the place of what it has of an entitlement, or the
    /// other way round.
    #[must_use]
    pub fn is_upgraded(&self, id: EntitlementId) -> bool {
        self.upgrades()
            .any(|upgrade| upgrade.waiting > 0 && [upgrade.from, upgrade.to].contains(&id))
    }

    /// Every upgrade of a whole entitlement, as far as it has come.
    pub fn upgrades(&self) -> impl Iterator<Item = &Upgrade> {
        self.upgrades.iter()
    }

    /// Begins an upgrade of a whole entitlement.
    ///
    /// # Errors
    /// [`SuccessionError`]; nothing is changed then.
    pub fn upgrade(
        &mut self,
        from: EntitlementId,
        to: Successor,
        now: Timestamp,
    ) -> Result<(), SuccessionError> {
        let Some(stock) = self.stock(from) else {
            return Err(SuccessionError::NotCounted);
        };
        self.check_upgradable(from)?;
        let succession = Succession::begin(stock)?;
        if let Some(part) = self.part_of(from, to.id, succession.new, now) {
            self.add_entitlement(Entitlement {
                product: to.product,
                ..part
            });
        }
        self.set_stock(from, succession.old);
        if let Some(old) = self.entitlements.get_mut(&from) {
            old.state = EntitlementState::Closed;
        }
        self.upgrades.push(Upgrade {
            from,
            to: to.id,
            sold: succession.sold,
            waiting: succession.waiting,
        });
        Ok(())
    }

    fn check_upgradable(&self, id: EntitlementId) -> Result<(), SuccessionError> {
        let Some(entitlement) = self.entitlements.get(&id) else {
            return Err(SuccessionError::NotCounted);
        };
        let candidate = Candidate {
            state: entitlement.state,
            is_to_be_revoked: entitlement.revoked_from.is_some(),
            is_on_hold: entitlement.owner.is_some_and(|owner| self.is_held(owner)),
            unlimited: entitlement.quantity == Quantity::Unlimited,
            is_upgraded: self.is_upgraded(id),
        };
        candidate.check()
    }

    fn check_takes_more(&self, successor: EntitlementId) -> Result<(), SuccessionError> {
        match self.entitlements.get(&successor) {
            Some(made) => succession::takes_more(made.state),
            None => Ok(()),
        }
    }

    /// Upgrades under way of what a device holds.
    #[must_use]
    pub fn upgrades_on(&self, device: &DeviceId) -> Vec<Upgrade> {
        let holds = |id| {
            let mut mine = self.activations(device);
            mine.any(|right| right.entitlement == id && right.holds_units())
        };
        let under_way = self.upgrades.iter();
        under_way
            .filter(|upgrade| upgrade.waiting > 0 && holds(upgrade.from))
            .copied()
            .collect()
    }

    /// Makes room for what a device has in the entitlement that takes the place of the old one, and
    /// says what it is to have of that; none, if it waits for nothing.
    ///
    /// # Errors
    /// [`Stale`] if the upgrade is not under way.
    pub fn make_room(
        &mut self,
        device: &DeviceId,
        upgrade: Upgrade,
    ) -> Result<Option<Provision>, Stale> {
        let units = self.units_followed(device, upgrade.from);
        if units == 0 {
            return Ok(None);
        }
        let there = self.units_followed(device, upgrade.to);
        self.step_upgrade(upgrade, |succession| succession.followed(units))?;
        Ok(Some(Provision {
            entitlement: upgrade.to,
            total: units.saturating_add(there),
        }))
    }

    /// Gives the new entitlement of each upgrade under way what was freed of the old one otherwise.
    pub fn settle_upgrades(&mut self) {
        for upgrade in self.upgrades.clone() {
            let waits = self.rights_of(upgrade.from).filter(|right| right.waits());
            let units: u32 = waits.map(|right| right.units).sum();
            if units < upgrade.waiting {
                let settled = self.step_upgrade(upgrade, |succession| succession.settled(units));
                debug_assert_eq!(settled, Ok(()));
            }
        }
    }

    /// Begins, or goes on with, an upgrade of what one device has: the units change sides, and what
    /// the device is to have of the new one; none, if there is nothing to upgrade.
    ///
    /// # Errors
    /// [`SuccessionError`]; nothing is changed then.
    pub fn upgrade_one(
        &mut self,
        device: &DeviceId,
        from: EntitlementId,
        to: Successor,
        now: Timestamp,
    ) -> Result<Option<Provision>, SuccessionError> {
        let units = self.units_followed(device, from);
        if units == 0 {
            return Ok(None);
        }
        self.check_upgradable(from)?;
        self.check_takes_more(to.id)?;
        let old = self.stock(from).ok_or(SuccessionError::NotCounted)?;
        let new = self.stock(to.id).unwrap_or(Stock::NONE);
        let changed = Succession::one(old, new, units);
        let (left, more) = changed.ok_or(SuccessionError::Credited)?;
        self.ensure_successor(from, to, now);
        self.set_stock(from, left);
        self.set_stock(to.id, more);
        let total = units.saturating_add(self.units_followed(device, to.id));
        Ok(Some(Provision {
            entitlement: to.id,
            total,
        }))
    }

    /// What no device uses becomes the other entitlement's as well; how many units.
    ///
    /// # Errors
    /// [`SuccessionError`]; nothing is changed then.
    pub fn upgrade_rest(
        &mut self,
        from: EntitlementId,
        to: Successor,
        now: Timestamp,
    ) -> Result<u32, SuccessionError> {
        self.check_upgradable(from)?;
        let waits = self.rights_of(from).filter(|right| right.waits());
        let staying = waits.map(|right| right.units).sum();
        let old = self.stock(from).ok_or(SuccessionError::NotCounted)?;
        if old.sold() <= staying {
            return Ok(0);
        }
        self.check_takes_more(to.id)?;
        let new = self.stock(to.id).unwrap_or(Stock::NONE);
        let changed = Succession::rest(old, new, staying);
        let (left, more, units) = changed.ok_or(SuccessionError::NotCounted)?;
        self.ensure_successor(from, to, now);
        self.set_stock(from, left);
        self.set_stock(to.id, more);
        Ok(units)
    }

    fn ensure_successor(&mut self, from: EntitlementId, to: Successor, now: Timestamp) {
        if self.entitlements.contains_key(&to.id) {
            return;
        }
        if let Some(part) = self.part_of(from, to.id, Stock::NONE, now) {
            self.add_entitlement(Entitlement {
                product: to.product,
                ..part
            });
        }
    }

    fn step_upgrade(
        &mut self,
        upgrade: Upgrade,
        step: impl FnOnce(Succession) -> Succession,
    ) -> Result<(), Stale> {
        let known = self.upgrades.iter().position(|known| *known == upgrade);
        let known = known.ok_or(Stale)?;
        let before = Succession {
            sold: upgrade.sold,
            old: self.stock(upgrade.from).ok_or(Stale)?,
            new: self.stock(upgrade.to).ok_or(Stale)?,
            waiting: upgrade.waiting,
        };
        let after = step(before);
        self.set_stock(upgrade.to, after.new);
        self.upgrades[known].waiting = after.waiting;
        Ok(())
    }

    /// Units of an entitlement that a device is meant to have for good.
    fn units_followed(&self, device: &DeviceId, id: EntitlementId) -> u32 {
        let mine = self.activations(device);
        mine.filter(|right| right.entitlement == id && right.is_followed())
            .map(|right| right.units)
            .sum()
    }

    fn rights_of(&self, id: EntitlementId) -> impl Iterator<Item = &Activation> {
        let all = self.activations.values().map(|(_, right)| right);
        all.filter(move |right| right.entitlement == id)
    }
}
