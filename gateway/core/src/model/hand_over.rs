//! Units that become another entitlement's, and what becomes another party's, as the real store
//! writes it.

use std::collections::BTreeMap;

use super::{Stale, World};
use crate::credit::Stock;
use crate::domain::{DeviceId, EntitlementId, PartyId, PartyState, Timestamp};
use crate::entitlement::{Entitlement, Quantity};
use crate::hand_over::{self, HandOverError, Parted, Whole};
use crate::party::{self, Member, MergeError};

/// Why nothing changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHandedOver {
    /// Its units stay where they are.
    #[error(transparent)]
    Units(#[from] HandOverError),
    /// A party gets nothing, or does not become another.
    #[error(transparent)]
    Party(#[from] MergeError),
    /// There is no such thing.
    #[error("there is no such thing")]
    Unknown,
}

impl World {
    /// An entitlement, as far as it matters when its units become another's.
    #[must_use]
    pub fn whole(&self, id: EntitlementId) -> Option<Whole> {
        let entitlement = self.entitlements.get(&id)?;
        let uncounted = Stock {
            live: entitlement.live,
            ..Stock::NONE
        };
        Some(Whole {
            stock: self.stock(id).unwrap_or(uncounted),
            unlimited: entitlement.quantity == Quantity::Unlimited,
            is_upgraded: self.is_upgraded(id),
        })
    }

    /// Writes a part of an entitlement as one of its own, under `made`, of the same owner if none is
    /// named.
    ///
    /// # Errors
    /// [`Stale`] if the whole is not any more as this was decided on.
    pub fn hand_over(
        &mut self,
        (id, decided_on): (EntitlementId, Whole),
        parted: &Parted,
        (made, owner): (EntitlementId, Option<PartyId>),
        now: Timestamp,
    ) -> Result<(), Stale> {
        if self.whole(id) != Some(decided_on) {
            return Err(Stale);
        }
        let part = self.part_of(id, made, parted.part, now).ok_or(Stale)?;
        self.add_entitlement(Entitlement {
            owner: owner.or(part.owner),
            ..part
        });
        if decided_on.unlimited {
            if let Some(whole) = self.entitlements.get_mut(&id) {
                whole.live = parted.left.live;
            }
        } else {
            self.set_stock(id, parted.left);
        }
        Ok(())
    }

    /// An entitlement like another, with units of its own.
    pub(super) fn part_of(
        &self,
        whole: EntitlementId,
        made: EntitlementId,
        stock: Stock,
        now: Timestamp,
    ) -> Option<Entitlement> {
        let whole = self.entitlements.get(&whole)?;
        Some(Entitlement {
            id: made,
            order_line: None,
            quantity: Quantity::Units(stock.units),
            overdraft: stock.overdraft,
            live: stock.live,
            returned: 0,
            used: 0,
            created_at: now,
            ..whole.clone()
        })
    }

    /// Splits free units off, under `made`; for another party, if one is named.
    ///
    /// # Errors
    /// [`NotHandedOver`]; nothing is changed then.
    pub fn split(
        &mut self,
        id: EntitlementId,
        units: u32,
        (made, to): (EntitlementId, Option<PartyId>),
        now: Timestamp,
    ) -> Result<(), NotHandedOver> {
        if let Some(to) = to {
            party::takes(self.party_state(to))?;
        }
        let whole = self.whole(id).ok_or(NotHandedOver::Unknown)?;
        let parted = hand_over::split(whole, units)?;
        self.hand_over((id, whole), &parted, (made, to), now)
            .map_err(|Stale| NotHandedOver::Unknown)
    }

    /// Gives an entitlement of which nothing is in use to another party.
    ///
    /// # Errors
    /// [`NotHandedOver`]; nothing is changed then.
    pub fn transfer(&mut self, id: EntitlementId, to: PartyId) -> Result<(), NotHandedOver> {
        party::takes(self.party_state(to))?;
        let whole = self.whole(id).ok_or(NotHandedOver::Unknown)?;
        hand_over::transfer(whole)?;
        if let Some(entitlement) = self.entitlements.get_mut(&id) {
            entitlement.owner = Some(to);
        }
        Ok(())
    }

    /// Gives a device to another party, with the rights it has: from which entitlement to which.
    /// `made` names the new ones.
    ///
    /// # Errors
    /// [`NotHandedOver`]; nothing is changed then.
    pub fn sell_on(
        &mut self,
        device: &DeviceId,
        to: PartyId,
        mut made: impl FnMut() -> EntitlementId,
        now: Timestamp,
    ) -> Result<Vec<(EntitlementId, EntitlementId)>, NotHandedOver> {
        party::takes(self.party_state(to))?;
        let mut held: BTreeMap<EntitlementId, u32> = BTreeMap::new();
        for right in self.activations(device).filter(|a| a.goes_along()) {
            *held.entry(right.entitlement).or_default() += right.units;
        }
        held.retain(|id, _| self.entitlements[id].owner != Some(to));
        let mut sold = self.clone();
        let mut moved = Vec::new();
        for (id, units) in held {
            let whole = self.whole(id).ok_or(NotHandedOver::Unknown)?;
            let parted = hand_over::sell_on(whole, units)?;
            let part = made();
            sold.hand_over((id, whole), &parted, (part, Some(to)), now)
                .map_err(|Stale| NotHandedOver::Unknown)?;
            for (owner, activation) in sold.activations.values_mut() {
                if owner == device && activation.entitlement == id && activation.goes_along() {
                    activation.entitlement = part;
                }
            }
            moved.push((id, part));
        }
        let device = sold.devices.get_mut(device);
        device.ok_or(NotHandedOver::Unknown)?.owner = Some(to);
        *self = sold;
        Ok(moved)
    }

    /// Makes a party part of another, which has all that it had; false if it is already.
    ///
    /// # Errors
    /// [`NotHandedOver::Party`]; nothing is changed then.
    pub fn merge(&mut self, gone: PartyId, heir: PartyId) -> Result<bool, NotHandedOver> {
        let member = Member {
            id: gone,
            state: self.party_state(gone),
            merged_into: self.merged.get(&gone).copied(),
        };
        if !party::merge(member, heir, self.party_state(heir))? {
            return Ok(false);
        }
        let owners = self.entitlements.values_mut().map(|e| &mut e.owner);
        let owners = owners.chain(self.devices.values_mut().map(|d| &mut d.owner));
        for owner in owners.filter(|owner| **owner == Some(gone)) {
            *owner = Some(heir);
        }
        for code in self.codes.values_mut() {
            if code.partner == Some(gone) {
                code.partner = Some(heir);
            }
        }
        for into in self.merged.values_mut().filter(|into| **into == gone) {
            *into = heir;
        }
        self.merged.insert(gone, heir);
        Ok(true)
    }

    /// Where a party stands.
    #[must_use]
    pub fn party_state(&self, party: PartyId) -> PartyState {
        if self.merged.contains_key(&party) {
            PartyState::Merged
        } else if self.is_held(party) {
            PartyState::Hold
        } else {
            PartyState::Active
        }
    }
}
