//! What maintains what, and until when.
//!
//! The ceiling stands at what is covered, since messages read it there. It is written whenever the
//! maintenance changes or begins, in the same transaction; the devices get another set for it.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, EntitlementState, LicenseModel, LinkKind, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::maintenance::{self, Ceiling, Cover, End};
use jiff::tz::TimeZone;

use super::column::{Code, Micros, Octets};
use super::entitlement::{self, Entitlement};
use super::entitlement_link::{self, Link};
use super::event::{self, Occasion, Stream};
use super::prepared::Fix as _;
use super::schema::{entitlement_links as links, entitlements};
use super::{Db, StoreError, conversation, raised_ceiling, refresh};

/// What maintains an entitlement.
pub fn covers(db: &mut Db, covered: EntitlementId) -> Result<Vec<Entitlement>, StoreError> {
    let covers = links::table
        .filter(links::to_id.eq(Octets(covered)))
        .filter(links::kind.eq(Code(LinkKind::Maintenance)))
        .select(links::from_id);
    Ok(on!(db, c => entitlements::table
        .filter(entitlements::id.eq_any(covers))
        .order(entitlements::id)
        .select(Entitlement::as_select())
        .load(c))?)
}

/// What an entitlement maintains.
pub fn covered(db: &mut Db, cover: EntitlementId) -> Result<Vec<Entitlement>, StoreError> {
    let covered = links::table
        .filter(links::from_id.eq(Octets(cover)))
        .filter(links::kind.eq(Code(LinkKind::Maintenance)))
        .select(links::to_id);
    Ok(on!(db, c => entitlements::table
        .filter(entitlements::id.eq_any(covered))
        .order(entitlements::id)
        .select(Entitlement::as_select())
        .load(c))?)
}

/// Makes one maintain the other.
pub fn link(
    db: &mut Db,
    cover: EntitlementId,
    covered: EntitlementId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let link = Link::new(cover, covered, LinkKind::Maintenance, 0, now);
    entitlement_link::insert(db, &link)
}

/// Makes one maintain the other no more.
pub fn unlink(db: &mut Db, cover: EntitlementId, covered: EntitlementId) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(links::table)
        .filter(links::from_id.eq(Octets(cover)))
        .filter(links::to_id.eq(Octets(covered)))
        .filter(links::kind.eq(Code(LinkKind::Maintenance)))
        .execute(c))?;
    Ok(())
}

/// What comes of an entitlement, of the same owner, is maintained as it is.
pub fn copy(
    db: &mut Db,
    from: EntitlementId,
    to: EntitlementId,
    now: Timestamp,
) -> Result<(), StoreError> {
    for cover in covers(db, from)? {
        link(db, cover.id.0, to, now)?;
    }
    Ok(())
}

/// Writes until when an entitlement is maintained.
pub fn set_until(
    db: &mut Db,
    covered: EntitlementId,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    on!(db, c => diesel::update(entitlements::table.find(Octets(covered)))
        .set((
            entitlements::maintained_until_at.eq(until.map(Micros)),
            entitlements::changed_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(())
}

/// Has what an entitlement maintains follow that its term has begun, if it maintains anything;
/// whether it did.
pub fn begin(db: &mut Db, id: EntitlementId, occasion: Occasion<'_>) -> Result<bool, StoreError> {
    let kinds: Vec<Code<LicenseModel>> = on!(db, c => entitlements::table
        .find(Octets(id))
        .select(entitlements::model_kind)
        .fixed()
        .load(c))?;
    if !kinds.contains(&Code(LicenseModel::Maintenance)) {
        return Ok(false);
    }
    let Some(begun) = entitlement::find(db, id)? else {
        return Ok(false);
    };
    follow(db, &begun, occasion)?;
    Ok(true)
}

/// Has what an entitlement maintains follow a change of it, and it itself one of its owner, within a
/// transaction that the caller ends.
pub fn follow(
    db: &mut Db,
    changed: &Entitlement,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    if changed.model_kind.0 == LicenseModel::Maintenance {
        for covered in covered(db, changed.id.0)? {
            settle(db, &covered, None, occasion)?;
        }
    } else if changed.maintained_until_at.is_some() {
        settle(db, changed, None, occasion)?;
    }
    Ok(())
}

/// Where a ceiling came to.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// Up to which build what is covered is on now.
    pub after: Ceiling,
    /// Devices that get another set for it.
    pub devices: usize,
}

/// Writes up to which build an entitlement is on; `by`: what was said to maintain it, or not to, in
/// this transaction.
pub fn settle(
    db: &mut Db,
    covered: &Entitlement,
    by: Option<(&Entitlement, bool)>,
    occasion: Occasion<'_>,
) -> Result<Settled, StoreError> {
    let before = Ceiling::of(covered.maintained_until_at.map(|at| at.0));
    let mut all = Vec::new();
    for maintenance in covers(db, covered.id.0)? {
        let cover = cover(db, &maintenance)?;
        // What belongs to somebody else by now maintains it no longer.
        let is_same = maintenance.owner_id == covered.owner_id;
        all.push(Cover {
            state: if is_same {
                cover.state
            } else {
                EntitlementState::Closed
            },
            ..cover
        });
    }
    let after = match by {
        // Nothing maintains it any more, and nobody said otherwise: it stays as it is.
        None if all.is_empty() => before,
        // What is left has to begin first.
        Some((_, false)) if !all.iter().any(Cover::counts) => Ceiling::None,
        _ => maintenance::ceiling(&all, before, occasion.at),
    };
    if after == before && by.is_none() {
        return Ok(Settled { after, devices: 0 });
    }
    let mut devices = 0;
    if after != before {
        set_until(db, covered.id.0, after.instant(), occasion.at)?;
        devices = if after > before {
            raised_ceiling::add(db, covered.id.0, occasion.actor)?
        } else {
            refresh::mark_holders_anew(db, covered.id.0, occasion.actor, occasion.at)?
        };
    }
    let seconds = |ceiling: Ceiling| ceiling.instant().map(Timestamp::seconds);
    let mut told = Event::new(EventKind::EntitlementMaintained)
        .with("reference", covered.reference.as_str())
        .with_some("before", seconds(before))
        .with_some("until", seconds(after))
        .with("devices", devices as u64);
    if let Some((by, covers)) = by {
        let name = if covers { "by" } else { "no-longer-by" };
        told = told.with(name, by.reference.as_str());
    }
    told.entitlement = Some(covered.id.0);
    event::append(db, Stream::Entitlement(covered.id.0), occasion, &[told])?;
    Ok(Settled { after, devices })
}

/// An entitlement of maintenance, as far as what it covers goes.
pub fn cover(db: &mut Db, of: &Entitlement) -> Result<Cover, StoreError> {
    let zone =
        TimeZone::get(&of.time_zone).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let (start, term) = conversation::terms(db, of.id.0)?;
    Ok(Cover {
        state: of.state.0,
        end: End::of(start, term, &zone),
        revoked_from: of.revoked_from_at.map(|at| at.0),
    })
}
