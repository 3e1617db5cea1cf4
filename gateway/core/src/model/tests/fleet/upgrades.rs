//! Entitlements that take the place of others.

use proptest::sample::Index;

use super::Fleet;
use crate::domain::{EntitlementId, EntitlementState, ProductId};
use crate::model::{Successor, Upgrade};
use crate::operator::{self, Of, OperatorError, Provision};

impl Fleet {
    pub(super) fn upgrade(&mut self, id: EntitlementId) -> bool {
        let to = Successor {
            id: self.fresh(),
            product: self.replacing(id),
        };
        let posture = self.lines[&id].posture;
        if self.bench.world.upgrade(id, to, self.bench.now).is_err() {
            return false;
        }
        self.register(id, to.id);
        self.lines.get_mut(&to.id).unwrap().posture = posture;
        self.lines.get_mut(&id).unwrap().posture.state = EntitlementState::Closed;
        true
    }

    /// Gives a device the new right of every upgrade that it waits for; whether any was given.
    pub(super) fn follow(&mut self, device: usize) -> bool {
        let upgrades = self.bench.world.upgrades_on(&self.devices[device].id);
        let mut is_any = false;
        for upgrade in upgrades {
            is_any |= self.follow_one(device, upgrade) == Ok(true);
        }
        is_any
    }

    /// False if it waits for nothing of it.
    pub(super) fn follow_one(
        &mut self,
        device: usize,
        upgrade: Upgrade,
    ) -> Result<bool, OperatorError> {
        let id = self.devices[device].id.clone();
        let before = self.bench.world.clone();
        let provision = self.bench.world.make_room(&id, upgrade).unwrap();
        let Some(provision) = provision else {
            return Ok(false);
        };
        let provided = self.provide(device, provision, upgrade.from);
        if provided.is_err() {
            self.bench.world = before;
        }
        provided.map(|()| true)
    }

    /// What one device has becomes another's, while others keep theirs.
    pub(super) fn upgrade_device(&mut self, device: usize, id: EntitlementId) -> bool {
        let before = self.bench.world.clone();
        let to = self.successor(id);
        let (handset, now) = (self.devices[device].id.clone(), self.bench.now);
        let moved = self.bench.world.upgrade_one(&handset, id, to, now);
        let Ok(Some(provision)) = moved else {
            return false;
        };
        let provided = self.provide(device, provision, id);
        if provided.is_err() {
            self.bench.world = before;
            return false;
        }
        self.register(id, to.id);
        true
    }

    /// What no device uses follows those that were upgraded one by one; what none was, where there is
    /// no other.
    pub(super) fn upgrade_rest(&mut self, which: &Index) -> bool {
        let begun: Vec<_> = self.successors.keys().copied().collect();
        let id = match begun.is_empty() {
            true => self.named(which),
            false => *which.get(&begun),
        };
        let to = self.successor(id);
        let moved = self.bench.world.upgrade_rest(id, to, self.bench.now);
        let is_any = moved.is_ok_and(|units| units > 0);
        if is_any {
            self.register(id, to.id);
            let state = self.bench.world.entitlement(to.id).unwrap().state;
            assert_ne!(state, EntitlementState::Closed, "nobody can use them there");
        }
        is_any
    }

    pub(super) fn settle(&mut self) -> bool {
        let waiting = |fleet: &Self| -> u32 {
            let upgrades = fleet.bench.world.upgrades();
            upgrades.map(|upgrade| upgrade.waiting).sum()
        };
        let before = waiting(self);
        self.bench.world.settle_upgrades();
        waiting(self) < before
    }

    fn provide(
        &mut self,
        device: usize,
        provision: Provision,
        from: EntitlementId,
    ) -> Result<(), OperatorError> {
        let replaces = Some(Of::Entitlement(from));
        self.try_naming(device, provision.entitlement, |s, ctx, dice| {
            operator::provide(s, provision, replaces, ctx, dice)
        })
    }

    fn successor(&mut self, id: EntitlementId) -> Successor {
        if let Some(known) = self.successors.get(&id) {
            return *known;
        }
        let to = Successor {
            id: self.fresh(),
            product: self.replacing(id),
        };
        self.successors.insert(id, to);
        to
    }

    fn replacing(&self, id: EntitlementId) -> ProductId {
        let mut product = self.bench.world.entitlement(id).unwrap().product;
        product.0[15] = product.0[15].wrapping_add(100);
        product
    }
}
