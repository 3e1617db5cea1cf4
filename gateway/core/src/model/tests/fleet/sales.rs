//! What operators do to entitlements, and what changes hands.

use super::{Fleet, PARTIES};
use crate::ask::Reason;
use crate::domain::{EntitlementId, PartyId};
use crate::hand_over;
use crate::lifecycle::{self, EntitlementAct};
use crate::testkit::want;

use super::super::op::SplitOp;

impl Fleet {
    pub(super) fn act(&mut self, sold: EntitlementId, act: EntitlementAct) -> bool {
        let (posture, now) = (self.lines[&sold].posture, self.bench.now);
        let entitlement = self.bench.world.entitlement_mut(sold).unwrap();
        let Ok(Some(after)) = lifecycle::after(posture, act, entitlement.live, now) else {
            return false;
        };
        entitlement.state = after.state;
        entitlement.revoked_from = after.revoked_from;
        self.lines.get_mut(&sold).unwrap().posture = after;
        true
    }

    /// The order is amended that an entitlement came from.
    pub(super) fn resize(&mut self, which: usize, units: u32) -> bool {
        let id = self.sold[which];
        let before = self.bench.world.stock(id).unwrap().sold();
        self.bench.world.resize(id, units);
        self.ordered[which] = self.ordered[which] - before + units;
        true
    }

    pub(super) fn hold_party(&mut self, party: PartyId, is_held: bool) -> bool {
        let was_held = self.bench.world.is_held(party);
        self.bench.world.hold(party, is_held);
        was_held != is_held
    }

    pub(super) fn split(&mut self, op: &SplitOp) -> bool {
        let id = self.named(&op.which);
        let (made, to, now) = (self.fresh(), op.to.map(|to| PARTIES[to]), self.bench.now);
        let split = self.bench.world.split(id, op.units, (made, to), now);
        if split.is_ok() {
            self.register(id, made);
        }
        split.is_ok()
    }

    /// A request is decided on and units are split off at the same moment, of what it draws on; who
    /// writes second must decide again if the other took what it decided on. Whether one had to.
    pub(super) fn split_meanwhile(&mut self, op: &SplitOp, device: usize, is_first: bool) -> bool {
        self.ask(device, Reason::Upgrade, &[want("scan", op.units + 1)]);
        let Some(request) = self.up.last().cloned() else {
            return false;
        };
        let decided = self.decide(&request);
        let drawn: Vec<_> = decided.entitlements.keys().copied().collect();
        if drawn.is_empty() {
            return false;
        }
        let id = *op.which.get(&drawn);
        let whole = self.bench.world.whole(id).unwrap();
        let units = whole.stock.units.saturating_sub(whole.stock.live);
        let Ok(parted) = hand_over::split(whole, units) else {
            return false;
        };
        let (made, now) = (self.fresh(), self.bench.now);
        let split = |fleet: &mut Self| {
            let part = (made, None);
            let written = fleet.bench.world.hand_over((id, whole), &parted, part, now);
            if written.is_ok() {
                fleet.register(id, made);
            }
            written.is_err()
        };
        if !is_first {
            self.reach_gateway(&request);
            return split(self);
        }
        assert!(!split(self), "nothing was written since");
        let is_stale = self.bench.world.apply(&decided, now).is_err();
        if is_stale {
            self.reach_gateway(&request);
        } else {
            self.sent(device, decided);
        }
        is_stale
    }

    pub(super) fn transfer(&mut self, id: EntitlementId, to: usize) -> bool {
        let owner = self.bench.world.entitlement(id).unwrap().owner;
        owner != Some(PARTIES[to]) && self.bench.world.transfer(id, PARTIES[to]).is_ok()
    }

    /// A device is sold on: what it has is as it was, and of the new owner. Whether it had anything.
    pub(super) fn sell_on(&mut self, device: usize, to: usize) -> bool {
        let (id, to, now) = (self.devices[device].id.clone(), PARTIES[to], self.bench.now);
        let before = self.bench.activations(&self.devices[device]);
        let mut made = self.made;
        let moved = self.bench.world.sell_on(
            &id,
            to,
            || {
                made += 1;
                numbered(made)
            },
            now,
        );
        self.made = made;
        let Ok(moved) = moved else {
            return false;
        };
        for (whole, part) in &moved {
            self.register(*whole, *part);
        }
        assert_eq!(self.bench.device(&self.devices[device]).owner, Some(to));
        let after = self.bench.activations(&self.devices[device]);
        assert_eq!(before.len(), after.len());
        for (before, mut after) in before.into_iter().zip(after) {
            if after.goes_along() {
                let owner = self
                    .bench
                    .world
                    .entitlement(after.entitlement)
                    .unwrap()
                    .owner;
                assert_eq!(owner, Some(to), "{} stayed behind", after.id);
                after.entitlement = before.entitlement;
            }
            assert_eq!(before, after, "something changed on a device that was sold");
        }
        !moved.is_empty()
    }

    pub(super) fn merge(&mut self, gone: usize, heir: usize) -> bool {
        let (gone, heir) = (PARTIES[gone], PARTIES[heir]);
        matches!(self.bench.world.merge(gone, heir), Ok(true))
    }

    /// An id that no entitlement has.
    pub(super) fn fresh(&mut self) -> EntitlementId {
        self.made += 1;
        numbered(self.made)
    }
}

fn numbered(made: u64) -> EntitlementId {
    let mut id = [0xff; 16];
    id[8..].copy_from_slice(&made.to_be_bytes());
    EntitlementId(id)
}
