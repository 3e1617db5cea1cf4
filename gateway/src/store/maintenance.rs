//! What maintains what, and until when.

use diesel::prelude::*;
use fleetgrant_core::domain::{EntitlementId, LinkKind, Timestamp};

use super::column::{Code, Micros, Octets};
use super::entitlement::Entitlement;
use super::entitlement_link::{self, Link};
use super::schema::{entitlement_links as links, entitlements};
use super::{Db, StoreError};

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
