//! An entitlement of one product that becomes one of another, device by device.
//!
//! The old one is closed and keeps what is in use; the new one begins with what was free. Each
//! device gets the new right in the set that leaves the old one out
//! ([`fleetgrant_core::operator::provide`]), and how many units that moves is
//! [`Succession`]'s to say.

use fleetgrant_core::credit::Stock;
use fleetgrant_core::domain::{DeviceId, EntitlementState, LinkKind, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::operator::{self, Of, OperatorError, Provision};
use fleetgrant_core::succession::{Candidate, Succession, SuccessionError};

use super::{EntitlementActError, EntitlementChange, Tried, split};
use crate::activation::{Rules, system_entropy};
use crate::store::column::{Code, Octets};
use crate::store::conversation::{self, Basis, Cause, Look, Recorded};
use crate::store::entitlement::{self, Entitlement};
use crate::store::entitlement_link::{self as link, Link};
use crate::store::event::{self, Occasion, Stream};
use crate::store::product::{self, Product};
use crate::store::{Db, StoreError, maintenance, party, refresh};

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To a product that replaces its product.
    Up,
    /// To a product that its product replaces.
    Down,
}

/// An upgrade, or a downgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The code of the product that it is to be of.
    pub product: String,
    /// What the new entitlement is called in the same system; the same again changes nothing.
    pub reference: String,
    /// Which way it goes.
    pub direction: Direction,
}

impl Direction {
    const fn link(self) -> LinkKind {
        match self {
            Self::Up => LinkKind::Upgrade,
            Self::Down => LinkKind::Downgrade,
        }
    }
}

/// Begins an upgrade, within a transaction that the caller ends.
pub(super) fn upgrade(
    db: &mut Db,
    known: &Entitlement,
    order: &Upgrade,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let refused = |error: EntitlementActError| Ok(Tried::Refused(error));
    let mut change = EntitlementChange::none(known)?;
    let kind = order.direction.link();
    let Some(to) = product::by_code(db, &order.product)? else {
        return refused(EntitlementActError::UnknownProduct(order.product.clone()));
    };
    if let Some(made) = entitlement::by_reference(db, &known.system, &order.reference)? {
        let link = link::to(db, made.id.0)?;
        // What a campaign upgrades device by device goes on meanwhile.
        let is_same = made.product_id == to.id
            && known.state.0 == EntitlementState::Closed
            && link.is_some_and(|link| link.from_id == known.id && link.kind.0 == kind);
        if !is_same {
            return refused(EntitlementActError::ReferenceTaken(order.reference.clone()));
        }
        change.made = Some(made.id.0);
        change.said = format!(
            "{} takes the place of {} already",
            made.reference, known.reference
        );
        return Ok(Tried::Done(change));
    }
    if let Some(reason) = unfit(db, known, &to, order.direction)? {
        return refused(reason);
    }
    let succession = match Succession::begin(known.stock()?) {
        Ok(succession) => succession,
        Err(reason) => return refused(refusal(known, reason)),
    };
    let sold = i64::from(succession.sold);
    let made = Entitlement {
        product_id: to.id,
        ..split::part_of(known, succession.new, &order.reference, None, occasion)
    };
    if !entitlement::set_stock(db, known, succession.old, occasion.at)? {
        return Ok(Tried::Stale);
    }
    entitlement::insert(db, &made)?;
    maintenance::copy(db, known.id.0, made.id.0, occasion.at)?;
    let old = Entitlement {
        units: succession.old.units.into(),
        pending_credit: succession.old.pending_credit.into(),
        state: Code(EntitlementState::Closed),
        ..known.clone()
    };
    entitlement::update(db, &old)?;
    let link = Link::new(known.id.0, made.id.0, kind, sold, occasion.at);
    link::insert(db, &link.waiting(succession.waiting.into()))?;
    change.devices = refresh::mark_holders(db, known.id.0, occasion.actor, occasion.at)?;
    change.changed = true;
    change.made = Some(made.id.0);
    change.after = old.posture()?;
    change.said = format!(
        "{} takes the place of {}, with {sold} units in the end; {}",
        made.reference,
        known.reference,
        change.reaches()
    );
    let note = Note {
        old: known,
        new: &made,
        kind,
        units: sold,
        device: None,
    };
    note.write(db, occasion)?;
    Ok(Tried::Done(change))
}

/// Why an entitlement is not one that becomes another product's.
pub(super) fn unfit(
    db: &mut Db,
    known: &Entitlement,
    to: &Product,
    direction: Direction,
) -> Result<Option<EntitlementActError>, StoreError> {
    let from = product::find(db, known.product_id.0)?
        .ok_or_else(|| StoreError::Corrupt(format!("product {}", known.product_id.0)))?;
    let is_on_the_way = match direction {
        Direction::Up => product::replaces(db, to, from.id)?,
        Direction::Down => product::replaces(db, &from, to.id)?,
    };
    if !is_on_the_way {
        return Ok(Some(EntitlementActError::NoPath {
            from: from.code,
            to: to.code.clone(),
        }));
    }
    let candidate = Candidate {
        state: known.state.0,
        is_to_be_revoked: known.revoked_from_at.is_some(),
        is_on_hold: match known.owner_id {
            Some(owner) => party::is_on_hold(db, owner.0)?,
            None => false,
        },
        unlimited: known.unlimited,
        is_upgraded: link::is_under_way(db, known.id.0)?,
    };
    let reason = candidate.check().err();
    Ok(reason.map(|reason| refusal(known, reason)))
}

pub(super) fn refusal(known: &Entitlement, reason: SuccessionError) -> EntitlementActError {
    EntitlementActError::Succession {
        reference: known.reference.clone(),
        reason,
    }
}

/// Units of one entitlement that become another's, in both histories.
pub(super) struct Note<'a> {
    pub(super) old: &'a Entitlement,
    pub(super) new: &'a Entitlement,
    pub(super) kind: LinkKind,
    pub(super) units: i64,
    /// Where it is one device's only.
    pub(super) device: Option<&'a DeviceId>,
}

impl Note<'_> {
    pub(super) fn write(&self, db: &mut Db, occasion: Occasion<'_>) -> Result<(), StoreError> {
        for id in [self.old.id.0, self.new.id.0] {
            let mut told = Event::new(EventKind::EntitlementSuperseded)
                .with("kind", self.kind.as_str())
                .with("from", self.old.reference.as_str())
                .with("to", self.new.reference.as_str())
                .with("product", self.new.product_id.0)
                .with("units", self.units.unsigned_abs())
                .with_some("device", self.device.map(DeviceId::as_str));
            told.entitlement = Some(id);
            event::append(db, Stream::Entitlement(id), occasion, &[told])?;
        }
        Ok(())
    }
}

/// Why a device keeps the old right for now.
enum Kept {
    /// The core refused the new one.
    Refused(OperatorError),
    /// Another transaction was faster.
    Stale,
    Store(StoreError),
}

impl From<StoreError> for Kept {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Gives a device the new right of every upgrade under way that it waits for.
pub(crate) fn follow(
    db: &mut Db,
    device: &DeviceId,
    actor: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    for link in link::under_way_on(db, device.as_str())? {
        let followed = db.savepoint(|db| follow_one(db, device, &link, actor, rules, now));
        match followed {
            Ok(()) => {}
            // It keeps the old right, which is not taken from it for the want of another.
            Err(Kept::Refused(reason)) => {
                tracing::warn!(%device, %reason, "the device keeps the right it has");
                metrics::counter!("fleetgrant_upgrades_refused_total").increment(1);
            }
            Err(Kept::Stale) => return Ok(Recorded::Stale),
            Err(Kept::Store(error)) => return Err(error),
        }
    }
    Ok(Recorded::Whole)
}

fn follow_one(
    db: &mut Db,
    device: &DeviceId,
    link: &Link,
    actor: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), Kept> {
    let waiting = link::units_waiting(db, link.from_id.0, Some(device.as_str()))?;
    let units = count(waiting)?;
    if units == 0 {
        return Ok(());
    }
    let there = link::units_waiting(db, link.to_id.0, Some(device.as_str()))?;
    let total = units.saturating_add(count(there)?);
    make_room(db, link, |succession| succession.followed(units), now)?;
    let look = Look {
        named: Some(link.to_id.0),
        quotas: true,
        now: Some(now),
        ..Look::default()
    };
    let Some(snapshot) = conversation::load_for(db, &rules.cache, device, &look)? else {
        return Ok(());
    };
    let basis = Basis::of(&snapshot);
    let provision = Provision {
        entitlement: link.to_id.0,
        total,
    };
    let replaces = Some(Of::Entitlement(link.from_id.0));
    let context = rules.at(now);
    let outcome = operator::provide(
        snapshot,
        provision,
        replaces,
        context,
        &mut system_entropy(),
    )
    .map_err(Kept::Refused)?;
    let cause = Cause {
        actor: actor.to_owned(),
        message: None,
        at: now,
    };
    match conversation::record(db, &rules.cache, &basis, &outcome, &cause)? {
        Recorded::Whole => Ok(()),
        Recorded::Stale => Err(Kept::Stale),
    }
}

/// Moves units from what waits to the new entitlement.
fn make_room(
    db: &mut Db,
    link: &Link,
    step: impl FnOnce(Succession) -> Succession,
    now: Timestamp,
) -> Result<(), Kept> {
    let find = |db: &mut Db, id: Octets<_>| {
        entitlement::find(db, id.0)?
            .ok_or_else(|| StoreError::Corrupt(format!("entitlement {} is gone", id.0)))
    };
    let new = find(db, link.to_id)?;
    let old = find(db, link.from_id)?;
    let before = Succession {
        sold: count(link.units)?,
        old: old.stock()?,
        new: new.stock()?,
        waiting: count(link.waiting_units)?,
    };
    let after = step(before);
    let stock = Stock {
        live: before.new.live,
        ..after.new
    };
    let is_current = link::set_waiting(db, link, after.waiting.into())?
        && entitlement::set_stock(db, &new, stock, now)?;
    if is_current { Ok(()) } else { Err(Kept::Stale) }
}

/// Gives the new entitlement of each upgrade under way what was freed of the old one otherwise.
pub(crate) fn settle_upgrades(db: &mut Db, now: Timestamp, limit: i64) -> Result<(), StoreError> {
    for link in link::with_units_freed(db, limit)? {
        let units = link::units_waiting(db, link.from_id.0, None)?;
        let units = u32::try_from(units).unwrap_or(0);
        match make_room(db, &link, |succession| succession.settled(units), now) {
            // The next round finds it again.
            Ok(()) | Err(Kept::Stale | Kept::Refused(_)) => {}
            Err(Kept::Store(error)) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn count(units: i64) -> Result<u32, StoreError> {
    u32::try_from(units).map_err(|_| StoreError::Corrupt(format!("{units} units")))
}
