//! What one device has of an entitlement becomes another product's, while others keep theirs.
//!
//! As an upgrade of the whole ([`super::upgrade`]), but the old entitlement goes on: only the units
//! of this device change sides ([`Succession::one`]).

use std::collections::BTreeSet;

use fleetgrant_core::credit::Stock;
use fleetgrant_core::domain::{
    DeviceId, EntitlementId, EntitlementState, LinkKind, ProductId, Timestamp,
};
use fleetgrant_core::operator::{Of, OperatorError, Provision};
use fleetgrant_core::outcome::Outcome;
use fleetgrant_core::rule::Rule;
use fleetgrant_core::succession::{self, Succession, SuccessionError};

use super::upgrade::{self, Direction, count};
use super::{EntitlementActError, split};
use crate::operator::{Act, ActError, Attempt, Operator};
use crate::store::entitlement::{self, Entitlement};
use crate::store::entitlement_link::{self as link, Link};
use crate::store::event::Occasion;
use crate::store::product::{self, Product};
use crate::store::{Db, StoreError, maintenance};

/// What one device has is to be of another product.
#[derive(Clone, Debug)]
pub(crate) struct DeviceUpgrade {
    /// Which of its rights.
    pub(crate) of: Of,
    /// The product that they are to be of.
    pub(crate) to: ProductId,
    /// What the new entitlements are called: the old one's reference, a slash, and this.
    pub(crate) name: String,
}

/// Why a device keeps what it has.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Kept {
    /// The entitlement is not one that is upgraded.
    #[error(transparent)]
    Entitlement(#[from] EntitlementActError),
    /// The core refused it.
    #[error(transparent)]
    Act(#[from] ActError),
}

/// Upgrades all that a device has of it, entitlement by entitlement, or nothing; within a
/// transaction that the caller ends.
pub(crate) fn upgrade_device(
    db: &mut Db,
    operator: &Operator,
    device: &DeviceId,
    order: &DeviceUpgrade,
    now: Timestamp,
) -> Result<Attempt<Vec<Outcome>, Kept>, StoreError> {
    let Some(to) = product::find(db, order.to)? else {
        return Err(StoreError::Corrupt(format!("product {}", order.to)));
    };
    let held = entitlement::rights_on_device(db, device.as_str())?;
    let held: BTreeSet<_> = held.iter().map(|right| right.entitlement_id.0).collect();
    let mut outcomes = Vec::new();
    for id in held {
        let Some(old) = entitlement::find(db, id)? else {
            continue;
        };
        let is_of = match order.of {
            Of::Entitlement(of) => old.id.0 == of,
            Of::Product(of) => old.product_id.0 == of,
        };
        let units = match is_of {
            true => link::units_waiting(db, id, Some(device.as_str()))?,
            false => 0,
        };
        if units == 0 {
            continue;
        }
        let occasion = Occasion {
            at: now,
            actor: &operator.actor,
            cause: &[],
        };
        let upgraded = Upgraded {
            order,
            to: &to,
            device,
        };
        let provision = match upgraded.move_units(db, &old, count(units)?, occasion)? {
            Attempt::Done(provision) => provision,
            Attempt::Refused(reason) => return Ok(Attempt::Refused(reason)),
            Attempt::Stale => return Ok(Attempt::Stale),
        };
        let act = Act::Provide(provision, Some(Of::Entitlement(id)));
        match operator.attempt(db, device, act, now)? {
            Attempt::Done(outcome) => outcomes.push(*outcome),
            Attempt::Refused(reason) => return Ok(Attempt::Refused(reason.into())),
            Attempt::Stale => return Ok(Attempt::Stale),
        }
    }
    if outcomes.is_empty() {
        let nothing = ActError::Refused(OperatorError::NothingToApprove);
        return Ok(Attempt::Refused(nothing.into()));
    }
    Ok(Attempt::Done(outcomes))
}

/// Of which device, to what.
struct Upgraded<'a> {
    order: &'a DeviceUpgrade,
    to: &'a Product,
    device: &'a DeviceId,
}

impl Upgraded<'_> {
    /// Makes room for the device's units in the new entitlement; what it is to have of that.
    fn move_units(
        &self,
        db: &mut Db,
        old: &Entitlement,
        units: u32,
        occasion: Occasion<'_>,
    ) -> Result<Attempt<Provision, Kept>, StoreError> {
        if let Some(reason) = upgrade::unfit(db, old, self.to, Direction::Up)? {
            return Ok(Attempt::Refused(
                denied(old, &reason).unwrap_or(reason.into()),
            ));
        }
        let (new, link) = match successor(db, old, self.to, &self.order.name, occasion)? {
            Ok(found) => found,
            Err(reason) => return Ok(Attempt::Refused(reason.into())),
        };
        let Some((left, more)) = Succession::one(old.stock()?, new.stock()?, units) else {
            // What it has was credited: it is not its owner's to upgrade.
            let reason = ActError::Refused(OperatorError::Denied(Rule::NoUnitsLeft));
            return Ok(Attempt::Refused(reason.into()));
        };
        let is_current = entitlement::set_stock(db, old, left, occasion.at)?
            && entitlement::set_stock(db, &new, more, occasion.at)?
            && link::grow(db, &link, units.into())?;
        if !is_current {
            return Ok(Attempt::Stale);
        }
        let moved = upgrade::Note {
            old,
            new: &new,
            kind: LinkKind::Upgrade,
            units: units.into(),
            device: Some(self.device),
        };
        moved.write(db, occasion)?;
        let there = link::units_waiting(db, new.id.0, Some(self.device.as_str()))?;
        Ok(Attempt::Done(Provision {
            entitlement: new.id.0,
            total: units.saturating_add(count(there)?),
        }))
    }
}

/// What no device uses of an entitlement becomes the other product's as well, within a transaction
/// that the caller ends; how many units.
pub(crate) fn upgrade_rest(
    db: &mut Db,
    old: EntitlementId,
    to: ProductId,
    name: &str,
    occasion: Occasion<'_>,
) -> Result<Attempt<u32, EntitlementActError>, StoreError> {
    let Some(old) = entitlement::find(db, old)? else {
        return Ok(Attempt::Refused(EntitlementActError::Unknown(old)));
    };
    let Some(to) = product::find(db, to)? else {
        return Err(StoreError::Corrupt(format!("product {to}")));
    };
    if let Some(reason) = upgrade::unfit(db, &old, &to, Direction::Up)? {
        return Ok(Attempt::Refused(reason));
    }
    let staying = count(link::units_waiting(db, old.id.0, None)?)?;
    if old.stock()?.sold() <= staying {
        return Ok(Attempt::Done(0));
    }
    let (new, link) = match successor(db, &old, &to, name, occasion)? {
        Ok(found) => found,
        Err(reason) => return Ok(Attempt::Refused(reason)),
    };
    let rest = Succession::rest(old.stock()?, new.stock()?, staying);
    let (left, more, units) = rest.ok_or_else(|| {
        StoreError::Corrupt(format!("{} is to have too many units", new.reference))
    })?;
    let is_current = entitlement::set_stock(db, &old, left, occasion.at)?
        && entitlement::set_stock(db, &new, more, occasion.at)?
        && link::grow(db, &link, units.into())?;
    if !is_current {
        return Ok(Attempt::Stale);
    }
    let moved = upgrade::Note {
        old: &old,
        new: &new,
        kind: LinkKind::Upgrade,
        units: units.into(),
        device: None,
    };
    moved.write(db, occasion)?;
    Ok(Attempt::Done(units))
}

/// The entitlement that takes the units: made with the first of them.
fn successor(
    db: &mut Db,
    old: &Entitlement,
    to: &Product,
    name: &str,
    occasion: Occasion<'_>,
) -> Result<Result<(Entitlement, Link), EntitlementActError>, StoreError> {
    let reference = format!("{}/{}", old.reference, name);
    let Some(made) = entitlement::by_reference(db, &old.system, &reference)? else {
        let made = Entitlement {
            product_id: to.id,
            ..split::part_of(old, Stock::NONE, &reference, None, occasion)
        };
        let link = Link::new(old.id.0, made.id.0, LinkKind::Upgrade, 0, occasion.at);
        entitlement::insert(db, &made)?;
        maintenance::copy(db, old.id.0, made.id.0, occasion.at)?;
        link::insert(db, &link)?;
        return Ok(Ok((made, link)));
    };
    let link = link::to(db, made.id.0)?;
    let link = link.filter(|link| link.from_id == old.id && link.kind.0 == LinkKind::Upgrade);
    Ok(match link {
        Some(link) if made.product_id == to.id => match succession::takes_more(made.state.0) {
            Ok(()) => Ok((made, link)),
            Err(reason) => Err(upgrade::refusal(&made, reason)),
        },
        _ => Err(EntitlementActError::ReferenceTaken(reference)),
    })
}

const fn is_for_a_hold(reason: &EntitlementActError) -> bool {
    matches!(
        reason,
        EntitlementActError::Succession {
            reason: SuccessionError::OnHold,
            ..
        }
    )
}

/// The rule by which nothing of an entitlement is given, as it stands.
fn denied(old: &Entitlement, reason: &EntitlementActError) -> Option<Kept> {
    let rule = match old.state.0 {
        EntitlementState::Active if is_for_a_hold(reason) => Rule::PartyOnHold,
        EntitlementState::Active => return None,
        EntitlementState::Draft => Rule::Draft,
        EntitlementState::Hold => Rule::Hold,
        EntitlementState::Suspended => Rule::Suspended,
        EntitlementState::Expired => Rule::Expired,
        EntitlementState::Closed => Rule::Closed,
    };
    Some(ActError::Refused(OperatorError::Denied(rule)).into())
}
