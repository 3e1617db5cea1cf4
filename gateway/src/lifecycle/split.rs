//! Part of an entitlement that becomes one of its own, and an entitlement that changes hands.
//!
//! Units before are units after: what the new one has, the old one has no more.

use fleetgrant_core::credit::Stock;
use fleetgrant_core::domain::{EntitlementId, LinkKind, PartyId};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::hand_over::{self, HandOverError, Whole};
use fleetgrant_core::party as parties;

use super::{EntitlementActError, EntitlementChange, Tried, maintain};
use crate::store::column::{Micros, Octets};
use crate::store::entitlement::{self, Entitlement};
use crate::store::entitlement_link::{self as link, Link};
use crate::store::event::{self, Occasion, Stream};
use crate::store::party::{self, Party};
use crate::store::policy_override::{self, Subject};
use crate::store::{Db, StoreError, id, maintenance};

/// Part of an entitlement that is to be one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Free units of it.
    pub units: u32,
    /// What the new one is called in the same system; the same again changes nothing.
    pub reference: String,
    /// Who owns it; whoever owns the old one, if it is not said.
    pub to: Option<PartyId>,
}

/// Splits an entitlement, within a transaction that the caller ends.
pub(super) fn split(
    db: &mut Db,
    known: &Entitlement,
    order: &Split,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let refused = |error: EntitlementActError| Ok(Tried::Refused(error));
    let mut change = EntitlementChange::none(known)?;
    let owner = match order.to {
        Some(to) => match new_owner(db, to)? {
            Ok(party) => Some(party),
            Err(error) => return refused(error),
        },
        None => None,
    };
    let kind = match owner {
        Some(_) => LinkKind::Transfer,
        None => LinkKind::Split,
    };
    if let Some(made) = entitlement::by_reference(db, &known.system, &order.reference)? {
        let link = link::to(db, made.id.0)?;
        let is_same = link.is_some_and(|link| {
            link.from_id == known.id && link.kind.0 == kind && link.units == i64::from(order.units)
        });
        if !is_same {
            return refused(EntitlementActError::ReferenceTaken(order.reference.clone()));
        }
        change.made = Some(made.id.0);
        change.said = format!("{} is split off already", order.reference);
        return Ok(Tried::Done(change));
    }
    let units = i64::from(order.units);
    let parted = match hand_over::split(whole(db, known)?, order.units) {
        Ok(parted) => parted,
        Err(reason) => return refused(refusal(known, reason)),
    };
    let made = part_of(
        known,
        parted.part,
        &order.reference,
        owner.as_ref(),
        occasion,
    );
    if !entitlement::hand_over_units(db, known, parted.left, &made, occasion.at)? {
        return Ok(Tried::Stale);
    }
    link::insert(
        db,
        &Link::new(known.id.0, made.id.0, kind, units, occasion.at),
    )?;
    if owner.is_none() {
        maintenance::copy(db, known.id.0, made.id.0, occasion.at)?;
        policy_override::copy(db, known.id.0, made.id.0, occasion)?;
    }
    note(db, known, &made, units, occasion)?;
    change.changed = true;
    change.made = Some(made.id.0);
    change.said = format!(
        "{} has {} units now, {} has {units}",
        known.reference,
        known.units - units,
        made.reference
    );
    Ok(Tried::Done(change))
}

/// Gives an entitlement of which nothing is in use to another party.
pub(super) fn transfer(
    db: &mut Db,
    known: &Entitlement,
    to: PartyId,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let mut change = EntitlementChange::none(known)?;
    let party = match new_owner(db, to)? {
        Ok(party) => party,
        Err(error) => return Ok(Tried::Refused(error)),
    };
    if known.owner_id == Some(party.id) {
        change.said = format!("{} belongs to {} already", known.reference, party.name);
        return Ok(Tried::Done(change));
    }
    if let Err(reason) = hand_over::transfer(whole(db, known)?) {
        return Ok(Tried::Refused(refusal(known, reason)));
    }
    // It was agreed with whoever had it so far; nothing of it is in use.
    policy_override::end(db, Subject::Entitlement(known.id.0), occasion)?;
    let handed = Entitlement {
        owner_id: Some(party.id),
        time_zone: party.time_zone.clone(),
        changed_at: Micros(occasion.at),
        ..known.clone()
    };
    entitlement::update(db, &handed)?;
    maintain(db, &handed, occasion)?;
    let from = known.owner_id.map(|owner| owner.0);
    let mut told = Event::new(EventKind::EntitlementTransferred)
        .with("reference", known.reference.as_str())
        .with_some("from", from)
        .with("to", party.id.0)
        .with("units", known.units.unsigned_abs());
    told.entitlement = Some(known.id.0);
    event::append(db, Stream::Entitlement(known.id.0), occasion, &[told])?;
    change.changed = true;
    change.said = format!("{} belongs to {} now", known.reference, party.name);
    Ok(Tried::Done(change))
}

/// A party that something can be given to.
pub(super) fn new_owner(
    db: &mut Db,
    id: PartyId,
) -> Result<Result<Party, EntitlementActError>, StoreError> {
    Ok(match party::find(db, Octets(id))? {
        None => Err(EntitlementActError::UnknownParty(id)),
        Some(party) => match parties::takes(party.state.0) {
            Ok(()) => Ok(party),
            Err(reason) => Err(reason.into()),
        },
    })
}

/// An entitlement, as far as it matters when its units become another's.
pub(super) fn whole(db: &mut Db, known: &Entitlement) -> Result<Whole, StoreError> {
    Ok(Whole {
        stock: known.stock()?,
        unlimited: known.unlimited,
        is_upgraded: link::is_under_way(db, known.id.0)?,
    })
}

pub(super) fn refusal(known: &Entitlement, reason: HandOverError) -> EntitlementActError {
    EntitlementActError::HandOver {
        reference: known.reference.clone(),
        reason,
    }
}

/// An entitlement like another, with some of its units.
pub(super) fn part_of(
    whole: &Entitlement,
    stock: Stock,
    reference: &str,
    owner: Option<&Party>,
    occasion: Occasion<'_>,
) -> Entitlement {
    Entitlement {
        id: id::fresh::<EntitlementId>(occasion.at),
        reference: reference.to_owned(),
        owner_id: owner.map_or(whole.owner_id, |owner| Some(owner.id)),
        // What an order line gives follows the line; a part of it does not.
        order_line_id: None,
        unlimited: false,
        units: stock.units.into(),
        overdraft: stock.overdraft.into(),
        live_units: stock.live.into(),
        pending_credit: stock.pending_credit.into(),
        // Its maintenance stays with whom it belongs to.
        maintained_until_at: match owner {
            None => whole.maintained_until_at,
            Some(_) => whole
                .maintained_until_at
                .map(|at| at.min(Micros(occasion.at))),
        },
        created_at: Micros(occasion.at),
        changed_at: Micros(occasion.at),
        ..whole.clone()
    }
}

/// Writes into both histories what became of whose units.
pub(super) fn note(
    db: &mut Db,
    whole: &Entitlement,
    part: &Entitlement,
    units: i64,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    let told = |of: EntitlementId| {
        let mut event = Event::new(EventKind::EntitlementSplit)
            .with("from", whole.reference.as_str())
            .with("to", part.reference.as_str())
            .with("part", part.id.0.to_string().as_str())
            .with("units", units.unsigned_abs())
            .with_some("owner", part.owner_id.map(|owner| owner.0));
        event.entitlement = Some(of);
        event
    };
    for id in [whole.id.0, part.id.0] {
        event::append(db, Stream::Entitlement(id), occasion, &[told(id)])?;
    }
    Ok(())
}
