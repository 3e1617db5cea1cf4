//! Maintenance as a ceiling on other rights: who maintains what, and up to which build.
//!
//! The ceiling stands at what is covered, since messages read it there. It is written whenever the
//! maintenance changes, in the same transaction; the devices get another set for it.

use fleetgrant_core::domain::EntitlementId;
use fleetgrant_core::maintenance::{self, Ceiling, End};

use super::{EntitlementActError, EntitlementChange, Tried};
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::Occasion;
use crate::store::{Db, StoreError, maintenance as store};

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
    let cover = store::cover(db, &by)?;
    if order.covers {
        let owner = |of: &Entitlement| of.owner_id.map(|owner| owner.0);
        let whose = |of: &Entitlement| (of.model_kind.0, owner(of));
        if let Err(reason) = maintenance::may_cover(&cover, whose(&by), whose(known)) {
            return Ok(Tried::Refused(reason.into()));
        }
        store::link(db, by.id.0, known.id.0, occasion.at)?;
    } else {
        store::unlink(db, by.id.0, known.id.0)?;
    }
    let told = store::settle(db, known, Some((&by, order.covers)), occasion)?;
    change.devices = told.devices;
    change.changed = true;
    let until = match told.after {
        Ceiling::Before(until) => format!("on for firmware built before {until}"),
        Ceiling::None => "on whenever the firmware was built".to_owned(),
    };
    let begins = match (order.covers, cover.end) {
        (true, End::NotKnown) => format!(", until the term of {} begins", by.reference),
        _ => String::new(),
    };
    change.said = format!(
        "{} is {until}{begins}; {}",
        known.reference,
        change.reaches()
    );
    Ok(Tried::Done(change))
}
