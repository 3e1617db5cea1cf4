//! Entitlements of one party that are to end together: each is renewed, or left out with the reason.

use fleetgrant_core::renewal::{self, RenewalError};
use jiff::tz::TimeZone;

use super::{EntitlementActError, EntitlementChange, Length, Renewal, Tried, renew};
use crate::store::entitlement::Entitlement;
use crate::store::event::Occasion;
use crate::store::{Db, StoreError, conversation};
use crate::when::When;

/// When an entitlement is to end, as others do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoTerm {
    /// When; a date is one in its owner's time zone.
    pub until: When,
    /// The contract that says so, by its reference.
    pub contract: Option<String>,
    /// Whether it may end earlier than it does.
    pub shorten: bool,
}

/// Has an entitlement end then, within a transaction that the caller ends. What has no end that could
/// be moved is left as it is, and says why.
pub(super) fn co_term(
    db: &mut Db,
    known: &Entitlement,
    order: &CoTerm,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let zone =
        TimeZone::get(&known.time_zone).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let (start, term) = conversation::terms(db, known.id.0)?;
    let (before, until) = (renewal::end(start, term, &zone), order.until.at(&zone));
    if before == Some(until) {
        let mut change = EntitlementChange::none(known)?;
        change.said = format!("{} ends at {until} already", known.reference);
        return Ok(Tried::Done(change));
    }
    let by = order.contract.as_deref().unwrap_or("co-term");
    let from = before.map_or_else(String::new, |before| format!(" from {before}"));
    let renewal = Renewal {
        // What comes back to an end that it had before is another renewal.
        reference: format!("{by} {until}{from}"),
        length: match order.shorten {
            true => Length::Moved(order.until),
            false => Length::Until(order.until),
        },
    };
    match renew::renew(db, known, &renewal, occasion)? {
        Tried::Refused(reason) if is_left_out(&reason) => {
            let mut change = EntitlementChange::none(known)?;
            change.said = format!("{} is left out: {reason}", known.reference);
            Ok(Tried::Done(change))
        }
        Tried::Refused(EntitlementActError::Renewal(RenewalError::NotLater(before))) => {
            Ok(Tried::Refused(EntitlementActError::EndsLater(before)))
        }
        tried => Ok(tried),
    }
}

/// Whether it has no end that could be moved, whatever the date.
fn is_left_out(reason: &EntitlementActError) -> bool {
    use EntitlementActError::{NotRenewable, NotRenewed, Renewal, ToBeRevoked};
    use RenewalError::{EachItsOwn, NeverEnds, NotStarted};
    matches!(
        reason,
        NotRenewable(_)
            | NotRenewed(_)
            | ToBeRevoked
            | Renewal(NeverEnds | NotStarted | EachItsOwn)
    )
}
