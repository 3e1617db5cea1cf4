//! What order lines become, and what becomes of that when a line changes or ships.

use std::cmp::Ordering;

use fleetgrant_core::domain::{
    EntitlementState, HoldReason, Holds, OrderId, OrderLineId, Scope, Source, StartBasis, Timestamp,
};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::license::Trial;
use fleetgrant_core::lifecycle::EntitlementAct;
use fleetgrant_core::tier::Overdraft;

use super::diff::{Diff, Maybe};
use super::known::{Content, Known};
use super::{Halt, Reason, refuse};
use crate::lifecycle::{self, EntitlementChange};
use crate::operator::Attempt;
use crate::store::column::{Code, Micros, Octets};
use crate::store::entitlement::{self, Entitlement};
use crate::store::entitlement_link as link;
use crate::store::event::{self, Occasion, Stream};
use crate::store::order::{self, Order, OrderLine};
use crate::store::party::Party;
use crate::store::{Db, StoreError, id, policy_override};

/// Makes the entitlements of a new line: one for each product that the SKU gives.
pub(super) fn create(
    db: &mut Db,
    known: &mut Known,
    occasion: Occasion<'_>,
    order: &Order,
    line: &OrderLine,
    owner: &Party,
) -> Result<(), Halt> {
    let contents = known.contents(db, line.sku_id)?;
    if contents.is_empty() {
        let reason = Reason::Unfit("gives no product; import what it gives first".to_owned());
        return refuse("sku", reason);
    }
    let co_term = known.co_term(db, owner.id.0)?;
    for content in contents.iter() {
        let overdraft = known.overdraft(db, owner.id.0, content.content.product_id.0)?;
        let entitlement = sold(overdraft, occasion, order, line, owner, content)?;
        let entitlement = match co_term {
            Some(end) => ending_together(entitlement, end, occasion.at),
            None => entitlement,
        };
        entitlement::insert(db, &entitlement)?;
        begin(db, occasion, &entitlement)?;
    }
    Ok(())
}

fn sold(
    overdraft: Overdraft,
    occasion: Occasion<'_>,
    order: &Order,
    line: &OrderLine,
    owner: &Party,
    content: &Content,
) -> Result<Entitlement, Halt> {
    let Content {
        content,
        model,
        rules,
        product,
    } = content;
    let starts_at = match content.start_basis.0 {
        StartBasis::Fixed => Some(line.starts_at.unwrap_or(order.ordered_at)),
        StartBasis::Order => Some(order.ordered_at),
        StartBasis::Shipment | StartBasis::FirstActivation | StartBasis::EachActivation => None,
    };
    let bought = units(line.quantity, content.units_per_copy)?;
    Ok(Entitlement {
        id: id::fresh(occasion.at),
        system: order.system.clone(),
        reference: format!(
            "{}/{}/{}/{}",
            order.reference, line.line, product.code, model.code
        ),
        owner_id: Some(owner.id),
        product_id: content.product_id,
        license_model_id: content.license_model_id,
        order_line_id: Some(line.id),
        state: Code(if order.payment_hold {
            EntitlementState::Hold
        } else {
            EntitlementState::Active
        }),
        source: Code(match rules.rules.trial {
            Trial::No => Source::Order,
            Trial::Once | Trial::Repeatable => Source::Trial,
        }),
        purpose: line.purpose,
        scope: Code(Scope::Device),
        model_kind: model.kind,
        grace_seconds: i64::from(rules.rules.grace),
        model_rules: model.rules.clone(),
        unlimited: false,
        units: bought,
        overdraft: beyond(overdraft, bought),
        live_units: 0,
        pending_credit: 0,
        units_per_device: content.units_per_copy,
        start_basis: content.start_basis,
        starts_at,
        latest_start_at: None,
        // What the SKU leaves open is as the model has it on the day of the sale.
        term: content.term.clone().or_else(|| rules.sale.term.usual()),
        ends_at: None,
        time_zone: owner.time_zone.clone(),
        created_at: Micros(occasion.at),
        changed_at: Micros(occasion.at),
        holds: if order.payment_hold {
            Holds::default().with(HoldReason::Payment).bits()
        } else {
            0
        },
        revoked_from_at: None,
        maintained_until_at: None,
    })
}

/// What is bought for a time ends when the contract says, unless that has passed before it begins.
fn ending_together(entitlement: Entitlement, end: Timestamp, now: Timestamp) -> Entitlement {
    let begins = entitlement.starts_at.map_or(now, |at| at.0.max(now));
    let is_for_a_time = entitlement.term.is_some() && entitlement.source.0 == Source::Order;
    if !is_for_a_time || end <= begins {
        return entitlement;
    }
    Entitlement {
        term: None,
        ends_at: Some(Micros(end)),
        ..entitlement
    }
}

/// A line has another quantity now: its entitlements follow, and never fall below what is in use.
pub(crate) fn resize(
    db: &mut Db,
    occasion: Occasion<'_>,
    line: &OrderLine,
) -> Result<Vec<Entitlement>, Halt> {
    let mut all = Vec::new();
    for entitlement in entitlement::of_order_line(db, line.id)? {
        let sold = units(line.quantity, entitlement.units_per_device)?;
        let elsewhere = link::units_from(db, entitlement.id.0)?;
        if elsewhere > sold {
            let reason = Reason::Fixed {
                what: format!(
                    "{elsewhere} units of {}, which became other entitlements",
                    entitlement.reference
                ),
                remedy: "revoke or close those first",
            };
            return refuse("quantity", reason);
        }
        let wanted = sold - elsewhere;
        let (has, allowed) = (entitlement.overdraft, overdraft(db, &entitlement, wanted)?);
        // What a policy gave stays under a stricter one, but not for what is not bought any more.
        let overdraft = match wanted.cmp(&(entitlement.units - entitlement.pending_credit)) {
            Ordering::Less => allowed.min(has),
            Ordering::Equal => has,
            Ordering::Greater => allowed.max(has),
        };
        let allowed = Entitlement {
            overdraft,
            ..entitlement.clone()
        };
        let resized = with_units(allowed, wanted, occasion.at)?;
        entitlement::update(db, &resized)?;
        lifecycle::maintain(db, &resized, occasion)?;
        note_change(db, occasion, &entitlement, &resized)?;
        all.push(resized);
    }
    Ok(all)
}

/// An order is not paid for, or is now: so is what came of it, but for what has ended.
pub(crate) fn hold(
    db: &mut Db,
    occasion: Occasion<'_>,
    order: Octets<OrderId>,
    held: bool,
) -> Result<usize, Halt> {
    let act = if held {
        EntitlementAct::Hold(HoldReason::Payment)
    } else {
        EntitlementAct::Release(HoldReason::Payment)
    };
    let mut devices = 0;
    for line in order::lines(db, order)? {
        for entitlement in entitlement::of_order_line(db, line.id)? {
            let has_ended = matches!(
                entitlement.state.0,
                EntitlementState::Expired | EntitlementState::Closed
            );
            if !has_ended {
                devices += self::act(db, occasion, &entitlement, act)?.devices;
            }
        }
    }
    Ok(devices)
}

/// Sets the quantity. Where more is in use, the rest is a pending credit, which the next units
/// freed go to. With nothing left and nothing in use it is closed, and opened again by more, unless
/// it was revoked.
pub(super) fn with_units(
    entitlement: Entitlement,
    wanted: i64,
    now: Timestamp,
) -> Result<Entitlement, StoreError> {
    let stock = entitlement.stock()?;
    let wanted = u32::try_from(wanted).map_err(|_| {
        StoreError::Corrupt(format!(
            "{} is to have {wanted} units",
            entitlement.reference
        ))
    })?;
    let stock = stock.resized(wanted);
    let state = match entitlement.state.0 {
        EntitlementState::Active if stock.units == 0 => EntitlementState::Closed,
        EntitlementState::Closed if stock.units > 0 && entitlement.revoked_from_at.is_none() => {
            EntitlementState::Active
        }
        other => other,
    };
    Ok(Entitlement {
        units: stock.units.into(),
        pending_credit: stock.pending_credit.into(),
        state: Code(state),
        changed_at: Micros(now),
        ..entitlement
    })
}

/// The order has another end user now: so has what came of it, as long as none of it is in use.
pub(super) fn hand_over(
    db: &mut Db,
    occasion: Occasion<'_>,
    order: Octets<OrderId>,
    to: &Party,
) -> Result<(), Halt> {
    for line in order::lines(db, order)? {
        for entitlement in entitlement::of_order_line(db, line.id)? {
            if entitlement.live_units > 0 {
                let reason = Reason::Fixed {
                    what: format!(
                        "the owner of {} units in use of line {}",
                        entitlement.live_units, line.line
                    ),
                    remedy: "return them on the devices first",
                };
                return refuse("end_user", reason);
            }
            let handed = Entitlement {
                owner_id: Some(to.id),
                time_zone: to.time_zone.clone(),
                changed_at: Micros(occasion.at),
                ..entitlement.clone()
            };
            entitlement::update(db, &handed)?;
            lifecycle::maintain(db, &handed, occasion)?;
            note_change(db, occasion, &entitlement, &handed)?;
        }
    }
    Ok(())
}

/// A line shipped: terms that start with the shipment start, with the first one.
pub(super) fn shipped(
    db: &mut Db,
    occasion: Occasion<'_>,
    line: Octets<OrderLineId>,
    at: Timestamp,
) -> Result<(), Halt> {
    for entitlement in entitlement::of_order_line(db, line)? {
        if entitlement.start_basis.0 != StartBasis::Shipment || entitlement.starts_at.is_some() {
            continue;
        }
        if let Some(end) = entitlement.ends_at.filter(|end| end.0 <= at) {
            let reason = Reason::Unfit(format!(
                "is not before {}, when {} ends by its contract; renew that first",
                end.0, entitlement.reference
            ));
            return refuse("shipped_at", reason);
        }
        let started = Entitlement {
            starts_at: Some(Micros(at)),
            changed_at: Micros(occasion.at),
            ..entitlement.clone()
        };
        entitlement::update(db, &started)?;
        lifecycle::maintain(db, &started, occasion)?;
        note_change(db, occasion, &entitlement, &started)?;
    }
    Ok(())
}

/// Does to an entitlement what an operator would.
pub(crate) fn act(
    db: &mut Db,
    occasion: Occasion<'_>,
    entitlement: &Entitlement,
    act: EntitlementAct,
) -> Result<EntitlementChange, Halt> {
    match lifecycle::put(db, entitlement, act, occasion)? {
        Attempt::Done(change) => Ok(change),
        Attempt::Refused(reason) => refuse("state", Reason::Unfit(reason.to_string())),
        Attempt::Stale => Err(StoreError::Busy.into()),
    }
}

/// Writes into an entitlement's history how it is now.
pub(super) fn note(
    db: &mut Db,
    occasion: Occasion<'_>,
    kind: EventKind,
    entitlement: &Entitlement,
) -> Result<(), StoreError> {
    let stream = Stream::Entitlement(entitlement.id.0);
    event::append(db, stream, occasion, &[told(kind, entitlement)])
}

/// Writes into an entitlement's history how it is now, and what was before.
pub(super) fn note_change(
    db: &mut Db,
    occasion: Occasion<'_>,
    before: &Entitlement,
    after: &Entitlement,
) -> Result<(), StoreError> {
    let changes = difference(before, after).applied();
    let happened = changes.told(told(EventKind::EntitlementAmended, after));
    let stream = Stream::Entitlement(after.id.0);
    event::append(db, stream, occasion, &[happened])
}

fn difference(before: &Entitlement, after: &Entitlement) -> Diff {
    let mut diff = Diff::default();
    let owner = |e: &Entitlement| Maybe(e.owner_id.map(|owner| owner.0));
    diff.field("owner", &owner(before), &owner(after));
    diff.field("time_zone", &before.time_zone, &after.time_zone);
    let units = |e: &Entitlement| match e.unlimited {
        true => "unlimited".to_owned(),
        false => e.units.to_string(),
    };
    diff.field("units", &units(before), &units(after));
    diff.field(
        "pending_credit",
        &before.pending_credit,
        &after.pending_credit,
    );
    let per_device = (before.units_per_device, after.units_per_device);
    diff.field("units_per_device", &per_device.0, &per_device.1);
    diff.field("overdraft", &before.overdraft, &after.overdraft);
    diff.field("source", &before.source.0, &after.source.0);
    diff.field("purpose", &before.purpose.0, &after.purpose.0);
    diff.field("start_basis", &before.start_basis.0, &after.start_basis.0);
    let at = |at: Option<Micros>| Maybe(at.map(|at| at.0));
    diff.field("starts_at", &at(before.starts_at), &at(after.starts_at));
    let latest = (before.latest_start_at, after.latest_start_at);
    diff.field("latest_start_at", &at(latest.0), &at(latest.1));
    let term = |e: &Entitlement| Maybe(e.term.clone());
    diff.field("term", &term(before), &term(after));
    diff.field("ends_at", &at(before.ends_at), &at(after.ends_at));
    diff.field("state", &before.state.0, &after.state.0);
    diff
}

/// Begins the history of an entitlement that was made in this transaction.
fn begin(db: &mut Db, occasion: Occasion<'_>, entitlement: &Entitlement) -> Result<(), StoreError> {
    let stream = Stream::Entitlement(entitlement.id.0);
    let made = told(EventKind::EntitlementCreated, entitlement);
    event::begin(db, stream, occasion, &[made])
}

fn told(kind: EventKind, entitlement: &Entitlement) -> Event {
    let mut happened = Event::new(kind)
        .with("reference", entitlement.reference.as_str())
        .with("state", entitlement.state.0.as_str())
        .with("product", entitlement.product_id.0)
        .with("model", entitlement.model_kind.0.as_str())
        .with("purpose", entitlement.purpose.0.as_str())
        .with("units", entitlement.units.unsigned_abs())
        .with("pending_credit", entitlement.pending_credit.unsigned_abs());
    happened.entitlement = Some(entitlement.id.0);
    if let Some(owner) = entitlement.owner_id {
        happened = happened.with("owner", owner.0.to_string().as_str());
    }
    if let Some(line) = entitlement.order_line_id {
        happened = happened
            .with("order_line", line.0.to_string().as_str())
            .with("per_copy", entitlement.units_per_device.unsigned_abs());
    }
    happened
}

/// Units beyond those bought that policy gives of an entitlement today. What was once given stays,
/// whatever becomes of the policy.
fn overdraft(db: &mut Db, of: &Entitlement, units: i64) -> Result<i64, StoreError> {
    let owner = of.owner_id.map(|owner| owner.0);
    let policy = policy_override::of_right(db, owner, of.product_id.0, Some(of.id.0))?;
    Ok(beyond(policy.rules.overdraft, units))
}

fn beyond(allowed: Overdraft, units: i64) -> i64 {
    match u32::try_from(units) {
        Ok(0) | Err(_) => 0,
        Ok(units) => allowed.of(units).into(),
    }
}

fn units(copies: i64, units_per_copy: i64) -> Result<i64, Halt> {
    match copies.checked_mul(units_per_copy) {
        Some(units) if units <= i64::from(u32::MAX) => Ok(units),
        _ => refuse(
            "quantity",
            Reason::Unfit(format!(
                "{copies} copies of {units_per_copy} units are more than {}",
                u32::MAX
            )),
        ),
    }
}
