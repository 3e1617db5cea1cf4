//! An entitlement that runs longer than it was sold for.

use fleetgrant_core::domain::EntitlementState;
use fleetgrant_core::entitlement::Term;
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::license::months_and_days;
use fleetgrant_core::renewal::{self, Base, Extension};
use jiff::tz::TimeZone;

use super::{EntitlementActError, EntitlementChange, Tried, maintain};
use crate::store::column::{Code, Micros};
use crate::store::entitlement::{self, Entitlement};
use crate::store::entitlement_link::{self as link, Renewal as Stored};
use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError, conversation, license_model, refresh};
use crate::when::When;

/// A renewal, as the back office orders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// What the back office calls it; the same again changes nothing.
    pub reference: String,
    /// How long it runs on.
    pub length: Length,
}

/// How long a renewal runs, with dates in the owner's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// For a term, from there; none for what the licence model says.
    For(Option<Base>, Months),
    /// Until a date, as others end.
    Until(When),
    /// The same, be that earlier than it would have ended.
    Moved(When),
}

/// A term: calendar months and days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Months {
    months: u16,
    days: u16,
}

/// A text that is no term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a term of at most 100 years as ISO 8601 writes it, as P1Y, P18M or P90D")]
pub struct InvalidTerm;

impl std::str::FromStr for Months {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, InvalidTerm> {
        let (months, days) = months_and_days(text).ok_or(InvalidTerm)?;
        Ok(Self { months, days })
    }
}

impl std::fmt::Display for Months {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.months, self.days) {
            (months, 0) => write!(f, "P{months}M"),
            (0, days) => write!(f, "P{days}D"),
            (months, days) => write!(f, "P{months}M{days}D"),
        }
    }
}

/// Renews an entitlement, within a transaction that the caller ends.
pub(super) fn renew(
    db: &mut Db,
    known: &Entitlement,
    order: &Renewal,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let zone =
        TimeZone::get(&known.time_zone).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let mut change = EntitlementChange::none(known)?;
    if let Some(done) = link::renewal(db, known.id.0, &order.reference)? {
        change.said = format!(
            "{} is renewed by {} already, until {}",
            known.reference, order.reference, done.ends_at.0
        );
        return Ok(Tried::Done(change));
    }
    let refused = |error: EntitlementActError| Ok(Tried::Refused(error));
    if known.state.0 == EntitlementState::Closed || known.state.0 == EntitlementState::Draft {
        return refused(EntitlementActError::NotRenewable(known.state.0));
    }
    if known.revoked_from_at.is_some() {
        return refused(EntitlementActError::ToBeRevoked);
    }
    let (start, term) = conversation::terms(db, known.id.0)?;
    let model = license_model::parse(known.model_kind.0, &known.model_rules)?;
    let usual = match model.sale.renewal.base() {
        Some(base) => base,
        None if term == Term::Perpetual => Base::End,
        None => return refused(EntitlementActError::NotRenewed(known.model_kind.0)),
    };
    let extension = match order.length {
        Length::For(base, Months { months, days }) => Extension::For {
            base: base.unwrap_or(usual),
            months,
            days,
        },
        Length::Until(when) => Extension::Until(when.at(&zone)),
        Length::Moved(when) => Extension::Moved(when.at(&zone)),
    };
    let (before, after) = match renewal::renewed(start, term, &zone, extension, occasion.at) {
        Ok(ends) => ends,
        Err(reason) => return refused(reason.into()),
    };
    let renewed = Entitlement {
        term: None,
        ends_at: Some(Micros(after)),
        state: Code(match known.state.0 {
            EntitlementState::Expired if known.holds == 0 => EntitlementState::Active,
            EntitlementState::Expired => EntitlementState::Hold,
            state => state,
        }),
        changed_at: Micros(occasion.at),
        ..known.clone()
    };
    entitlement::update(db, &renewed)?;
    let stored = Stored {
        entitlement_id: known.id,
        reference: order.reference.clone(),
        ended_at: Micros(before),
        ends_at: Micros(after),
        created_at: Micros(occasion.at),
    };
    // What is shortened is no renewal, and has its event.
    if after > before {
        link::insert_renewal(db, &stored)?;
    }
    maintain(db, &renewed, occasion)?;
    change.devices = refresh::mark_holders(db, known.id.0, occasion.actor, occasion.at)?;
    change.changed = true;
    change.after = renewed.posture()?;
    change.said = format!(
        "{} runs until {after}; {}",
        known.reference,
        change.reaches()
    );
    let mut told = Event::new(EventKind::EntitlementRenewed)
        .with("reference", known.reference.as_str())
        .with("renewal", order.reference.as_str())
        .with("end-before", before.seconds())
        .with("end", after.seconds())
        .with("devices", change.devices as u64);
    told.entitlement = Some(known.id.0);
    event::append(db, Stream::Entitlement(known.id.0), occasion, &[told])?;
    Ok(Tried::Done(change))
}
