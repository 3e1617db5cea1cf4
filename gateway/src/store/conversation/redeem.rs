//! Codes that a partner hands out: what one gives becomes an entitlement of whoever uses it.

use diesel::prelude::*;
use fleetgrant_core::activation::Activation;
use fleetgrant_core::domain::{CodeId, EntitlementId, PartyId, StartBasis};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::outcome::{Change, Outcome};

use super::Cause;
use crate::store::column::{Micros, Octets};
use crate::store::dialect::Db;
use crate::store::entitlement::{self, Entitlement};
use crate::store::error::StoreError;
use crate::store::event::{self, Occasion, Stream};
use crate::store::id;
use crate::store::schema::{activation_codes, entitlements};
use crate::store::stock::{self, BuiltIn, Room};

/// Makes the child entitlements of the codes that an outcome uses. The partner keeps what is left.
pub(super) fn record(db: &mut Db, outcome: &Outcome, cause: &Cause) -> Result<(), StoreError> {
    let made = outcome
        .activations
        .iter()
        .filter_map(|change| match change {
            Change::New(activation) => activation.code.map(|code| (activation, code)),
            Change::Updated(_) => None,
        });
    for (activation, code) in made {
        if is_handed_out(db, code)? {
            let started = outcome
                .entitlements
                .get(&activation.entitlement)
                .is_some_and(|change| change.started_at.is_some());
            give_child(db, outcome, activation, started, cause)?;
        }
    }
    Ok(())
}

fn is_handed_out(db: &mut Db, code: CodeId) -> Result<bool, StoreError> {
    let partner: Option<Option<Octets<PartyId>>> = on!(db, c => activation_codes::table
        .find(Octets(code))
        .select(activation_codes::partner_id)
        .first(c)
        .optional())?;
    Ok(partner.flatten().is_some())
}

/// `started`: this use began the term.
fn give_child(
    db: &mut Db,
    outcome: &Outcome,
    activation: &Activation,
    started: bool,
    cause: &Cause,
) -> Result<(), StoreError> {
    let parent = entitlement::find(db, activation.entitlement)?
        .ok_or_else(|| super::corrupt("a code gives units of no entitlement"))?;
    let child = Entitlement {
        id: id::fresh::<EntitlementId>(cause.at),
        reference: format!("{}#{}", parent.reference, activation.id),
        owner_id: outcome.device.owner.map(Octets),
        order_line_id: None,
        unlimited: false,
        units: 0,
        overdraft: 0,
        live_units: 0,
        pending_credit: 0,
        created_at: Micros(cause.at),
        changed_at: Micros(cause.at),
        ..parent.clone()
    };
    entitlement::insert(db, &child)?;
    let built = BuiltIn {
        activation: activation.id,
        units: activation.units.into(),
        stock: parent.clone(),
    };
    stock::hand_over(db, &built, child.id, Room::Grows, cause.at)?;
    if started && parent.start_basis.0 == StartBasis::FirstActivation {
        // The term that began is the user's; that of the next begins with the next.
        let none = entitlements::starts_at.eq(None::<Micros>);
        on!(db, c => diesel::update(entitlements::table.find(parent.id)).set(none).execute(c))?;
    }
    let occasion = Occasion {
        at: cause.at,
        actor: &cause.actor,
        cause: &[],
    };
    for id in [parent.id.0, child.id.0] {
        let told = Event::new(EventKind::UnitsHandedOver)
            .about(activation.id, id)
            .with("from", parent.reference.as_str())
            .with("to", child.reference.as_str())
            .with("units", activation.units)
            .with_some("owner", outcome.device.owner);
        event::append(db, Stream::Entitlement(id), occasion, &[told])?;
    }
    Ok(())
}
