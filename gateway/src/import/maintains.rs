//! What an order line of maintenance maintains, as its column `maintains` names it.

use std::collections::BTreeSet;

use fleetgrant_core::domain::{EntitlementId, EntitlementState, LicenseModel, ProductLineId};

use super::cells::Cells;
use super::{Halt, Reason, refuse};
use crate::lifecycle::{self, Maintenance};
use crate::operator::Attempt;
use crate::store::entitlement::{self, Entitlement};
use crate::store::event::Occasion;
use crate::store::listing::{self, EntitlementFilter};
use crate::store::maintenance as store;
use crate::store::order::{self, OrderLine};
use crate::store::{Db, StoreError};

/// The column.
pub(super) const COLUMN: &str = "maintains";
/// Characters of the column.
const MAX_LENGTH: usize = 4_096;
/// References in it.
const MAX_REFERENCES: usize = 64;

/// The references as they are stored: without blanks and repetitions, in their order, separated by
/// semicolons; none, if there are none.
pub(super) fn parse(cells: &mut Cells<'_>) -> Option<String> {
    let text = cells.optional(COLUMN, MAX_LENGTH)?;
    let mut references: Vec<&str> = Vec::new();
    for reference in order::references(&text) {
        if !references.contains(&reference) {
            references.push(reference);
        }
    }
    if references.len() > MAX_REFERENCES {
        let found = references.len();
        let reason = Reason::Unfit(format!(
            "names {found} references, and no more than {MAX_REFERENCES} are taken: add the rest \
             with `fleetgrant entitlements maintain`"
        ));
        cells.fault(COLUMN, reason);
        return None;
    }
    (!references.is_empty()).then(|| references.join(";"))
}

/// Has what came of a line maintain what it names now, and no more what it named before.
pub(super) fn apply(
    db: &mut Db,
    occasion: Occasion<'_>,
    system: &str,
    line: &OrderLine,
    before: Option<&str>,
) -> Result<(), Halt> {
    let named = covered(db, system, line.maintains.as_deref())?;
    let gone: Vec<_> = covered(db, system, before)?
        .difference(&named)
        .copied()
        .collect();
    let mut maintenance = entitlement::of_order_line(db, line.id)?;
    maintenance.retain(is_maintenance);
    if maintenance.is_empty() {
        let reason = Reason::Unfit(
            "only what is sold under a licence model of the kind maintenance maintains something, \
             and this line is not"
                .to_owned(),
        );
        return refuse(COLUMN, reason);
    }
    for by in &maintenance {
        let ways = gone.iter().map(|id| (id, false));
        for (id, covers) in ways.chain(named.iter().map(|id| (id, true))) {
            let order = Maintenance {
                by: by.id.0,
                covers,
            };
            put(db, *id, order, occasion)?;
        }
    }
    Ok(())
}

fn put(
    db: &mut Db,
    covered: EntitlementId,
    order: Maintenance,
    occasion: Occasion<'_>,
) -> Result<(), Halt> {
    let Some(covered) = entitlement::find(db, covered)? else {
        return Err(StoreError::Corrupt(format!("entitlement {covered}")).into());
    };
    match lifecycle::put_maintenance(db, &covered, order, occasion)? {
        Attempt::Done(_) => Ok(()),
        Attempt::Refused(reason) => refuse(
            COLUMN,
            Reason::Unfit(format!("{}: {reason}", covered.reference)),
        ),
        Attempt::Stale => Err(StoreError::Busy.into()),
    }
}

/// The entitlements that the references name.
fn covered(
    db: &mut Db,
    system: &str,
    references: Option<&str>,
) -> Result<BTreeSet<EntitlementId>, Halt> {
    let mut all = BTreeSet::new();
    for reference in order::references(references.unwrap_or_default()) {
        all.extend(named(db, system, reference)?);
    }
    Ok(all)
}

/// The entitlements that a reference names; there must be some.
fn named(db: &mut Db, system: &str, reference: &str) -> Result<Vec<EntitlementId>, Halt> {
    let found = find(db, system, reference)?;
    if found.is_empty() {
        let reason = Reason::Unfit(format!(
            "{reference:?} is neither an entitlement nor ORDER/LINE of {system}; import it first, or \
             above"
        ));
        return refuse(COLUMN, reason);
    }
    Ok(found.iter().map(|of| of.id.0).collect())
}

/// An entitlement, or what came of an order line, but for maintenance itself.
fn find(db: &mut Db, system: &str, reference: &str) -> Result<Vec<Entitlement>, StoreError> {
    if let Some(found) = entitlement::by_reference(db, system, reference)? {
        return Ok(vec![found]);
    }
    let mut found = Vec::new();
    if let Some((order, line)) = reference.rsplit_once('/')
        && let Some(order) = order::by_reference(db, system, order)?
        && let Some(line) = order::line(db, order.id, line)?
    {
        found = entitlement::of_order_line(db, line.id)?;
    }
    // What is maintenance alone is refused as such.
    if !found.iter().all(is_maintenance) {
        found.retain(|of| !is_maintenance(of));
    }
    Ok(found)
}

/// How what a line maintains differs from what an export says of it: what the ledger says, and what
/// the export. With a product line, entitlements of others are not looked at.
pub(super) fn differences(
    db: &mut Db,
    system: &str,
    line: &OrderLine,
    exported: Option<&str>,
    within: Option<ProductLineId>,
) -> Result<Vec<(String, String)>, StoreError> {
    let set = |text| -> BTreeSet<&str> { order::references(text).collect() };
    let here = set(line.maintains.as_deref().unwrap_or_default());
    let there = set(exported.unwrap_or_default());
    if here != there {
        let text = |set: BTreeSet<&str>| set.into_iter().collect::<Vec<_>>().join(";");
        return Ok(vec![(text(here), text(there))]);
    }
    if here.is_empty() {
        return Ok(Vec::new());
    }
    // The order says it, and somebody may have taken it back since.
    let mut maintained = BTreeSet::new();
    for by in entitlement::of_order_line(db, line.id)? {
        maintained.extend(store::covered(db, by.id.0)?.iter().map(|of| of.id.0));
    }
    let mut found = Vec::new();
    for reference in here {
        for of in find(db, system, reference)? {
            let is_over = of.state.0 == EntitlementState::Closed;
            if !is_over && !maintained.contains(&of.id.0) && is_within(db, of.id.0, within)? {
                let here = format!("{} is not maintained by this line", of.reference);
                found.push((here, reference.to_owned()));
            }
        }
    }
    Ok(found)
}

fn is_within(
    db: &mut Db,
    of: EntitlementId,
    within: Option<ProductLineId>,
) -> Result<bool, StoreError> {
    if within.is_none() {
        return Ok(true);
    }
    let filter = EntitlementFilter {
        id: Some(of),
        within,
        ..EntitlementFilter::default()
    };
    Ok(!listing::entitlements(db, &filter, 1)?.is_empty())
}

fn is_maintenance(of: &Entitlement) -> bool {
    of.model_kind.0 == LicenseModel::Maintenance
}
