//! Maintenance as a ceiling on other rights: who maintains what, and up to which build.
//!
//! The ceiling stands at what is covered, since messages read it there. It is written whenever the
//! maintenance changes, in the same transaction; the devices get another set for it.

use fleetgrant_core::domain::{EntitlementId, EntitlementState, LicenseModel, Timestamp};
use fleetgrant_core::entitlement::Term;
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::maintenance::{self, Ceiling, Cover};
use fleetgrant_core::renewal;
use jiff::tz::TimeZone;

use super::{EntitlementActError, EntitlementChange, Tried};
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError, conversation, maintenance as store, refresh, regrant};

/// What maintains an entitlement, or does no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// The entitlement of maintenance.
    pub by: EntitlementId,
    /// Whether it does.
    pub covers: bool,
}

/// Makes one entitlement maintain another, or not, within a transaction that the caller ends.
pub(crate) fn put(
    db: &mut Db,
    known: &Entitlement,
    order: Maintenance,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let mut change = EntitlementChange::none(known)?;
    let Some(by) = entitlement::find(db, order.by)? else {
        return Ok(Tried::Refused(EntitlementActError::Unknown(order.by)));
    };
    let covers = store::covers(db, known.id.0)?;
    if covers.iter().any(|cover| cover.id == by.id) == order.covers {
        let not = if order.covers { "" } else { "not " };
        let (known, by) = (&known.reference, &by.reference);
        change.said = format!("{known} is {not}maintained by {by} already");
        return Ok(Tried::Done(change));
    }
    if order.covers {
        let owner = |of: &Entitlement| of.owner_id.map(|owner| owner.0);
        let whose = |of: &Entitlement| (of.model_kind.0, owner(of));
        let cover = cover(db, &by)?;
        if let Err(reason) = maintenance::may_cover(&cover, whose(&by), whose(known)) {
            return Ok(Tried::Refused(reason.into()));
        }
        store::link(db, by.id.0, known.id.0, occasion.at)?;
    } else {
        store::unlink(db, by.id.0, known.id.0)?;
    }
    let told = settle(db, known, Some((&by, order.covers)), occasion)?;
    change.devices = told.devices;
    change.changed = true;
    let until = match told.after {
        Ceiling::Before(until) => format!("on for firmware built before {until}"),
        Ceiling::None => "on whenever the firmware was built".to_owned(),
    };
    change.said = format!("{} is {until}; {}", known.reference, change.reaches());
    Ok(Tried::Done(change))
}

/// Has what an entitlement maintains follow a change of it, and it itself one of its owner, within a
/// transaction that the caller ends.
pub(crate) fn maintain(
    db: &mut Db,
    changed: &Entitlement,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    if changed.model_kind.0 == LicenseModel::Maintenance {
        for covered in store::covered(db, changed.id.0)? {
            settle(db, &covered, None, occasion)?;
        }
    } else if changed.maintained_until_at.is_some() {
        settle(db, changed, None, occasion)?;
    }
    Ok(())
}

/// Where a ceiling came to.
struct Settled {
    after: Ceiling,
    devices: usize,
}

/// Writes up to which build an entitlement is on.
fn settle(
    db: &mut Db,
    covered: &Entitlement,
    by: Option<(&Entitlement, bool)>,
    occasion: Occasion<'_>,
) -> Result<Settled, StoreError> {
    let before = Ceiling::of(covered.maintained_until_at.map(|at| at.0));
    let mut covers = Vec::new();
    for maintenance in store::covers(db, covered.id.0)? {
        let cover = cover(db, &maintenance)?;
        // What belongs to somebody else by now maintains it no longer.
        let is_same = maintenance.owner_id == covered.owner_id;
        covers.push(Cover {
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
        None if covers.is_empty() => before,
        _ => maintenance::ceiling(&covers, before, occasion.at),
    };
    if after == before && by.is_none() {
        return Ok(Settled { after, devices: 0 });
    }
    let mut devices = 0;
    if after != before {
        store::set_until(db, covered.id.0, after.instant(), occasion.at)?;
        devices = refresh::mark_holders_anew(db, covered.id.0, occasion.actor, occasion.at)?;
        if after > before {
            devices += regrant::note(db, covered.id.0, occasion.actor, occasion.at)?;
        }
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

fn cover(db: &mut Db, of: &Entitlement) -> Result<Cover, StoreError> {
    let zone =
        TimeZone::get(&of.time_zone).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let (start, term) = conversation::terms(db, of.id.0)?;
    let end = renewal::end(start, term, &zone);
    Ok(Cover {
        state: of.state.0,
        has_begun: end.is_some() || term == Term::Perpetual,
        end,
        revoked_from: of.revoked_from_at.map(|at| at.0),
    })
}
