//! An ERP's export of its orders held against the ledger, line by line.
//!
//! The export is an orders file, as an import takes it. Nothing is changed. What the ledger has of
//! the systems that the file names, and the file has not, is found as well.

use std::collections::{BTreeSet, HashSet};
use std::io::Read;

use fleetgrant_core::domain::{EntitlementState, OrderLineId, PartyId, ProductLineId};
use jiff::tz::TimeZone;

use super::cells::Cells;
use super::orders::{Amount, OrderRow, hold_word};
use super::{ImportError, Kind, Row, RowError, lookup, maintains, rows};
use crate::store::column::Octets;
use crate::store::listing::{self, OrderFilter};
use crate::store::order::{self, Order, OrderLine};
use crate::store::{Db, StoreError, entitlement, party, sku};

/// Findings that are told one by one; the rest is only counted.
pub const MAX_FINDINGS: usize = 100_000;
/// Lines of the ledger that are read at once.
const PAGE: i64 = 1_000;

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The row cannot be read.
    Unreadable,
    /// The file has a line that the ledger has not.
    MissingHere,
    /// The ledger has a line that the file has not.
    MissingThere,
    /// The same line twice in the file.
    Repeated,
    /// Another part number.
    Sku,
    /// Another quantity.
    Quantity,
    /// Another value, or in another currency.
    Value,
    /// Another date of the order.
    OrderedAt,
    /// Another payer.
    SoldTo,
    /// Another end user.
    EndUser,
    /// What came of the line belongs to somebody else than its end user.
    Owner,
    /// One says that it waits for its payment.
    Hold,
    /// Another thing that a line of maintenance maintains.
    Maintains,
    /// Both say the same, and units that are in use are still to come back.
    PendingCredit,
}

impl Difference {
    /// Its name in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::MissingHere => "missing-here",
            Self::MissingThere => "missing-there",
            Self::Repeated => "repeated",
            Self::Sku => "sku",
            Self::Quantity => "quantity",
            Self::Value => "value",
            Self::OrderedAt => "ordered-at",
            Self::SoldTo => "sold-to",
            Self::EndUser => "end-user",
            Self::Owner => "owner",
            Self::Hold => "hold",
            Self::Maintains => "maintains",
            Self::PendingCredit => "pending-credit",
        }
    }

    /// Whether somebody must put it right; a credit that waits for returns is as it should be.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::PendingCredit)
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line of the file; none for what is not in it.
    pub file_line: Option<u64>,
    /// The system.
    pub system: String,
    /// The order's reference there.
    pub order: String,
    /// The line of the order.
    pub line: String,
    /// What differs.
    pub difference: Difference,
    /// What the ledger says.
    pub here: String,
    /// What the file says.
    pub there: String,
}

/// What came of holding a file against the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Rows of the file.
    pub rows: u64,
    /// Those that agree with the ledger in everything.
    pub agreeing: u64,
    /// What differs, in the order of the file, then what it has not.
    pub findings: Vec<Finding>,
    /// Findings beyond [`MAX_FINDINGS`].
    pub more: u64,
    /// All findings that somebody must put right.
    pub faults: u64,
}

/// Holds an orders file against the ledger; dates without a time are in the zone of the end user,
/// or else in `zone`. With a product line, only what lines of orders sell that give its products and
/// nothing else; other rows are as if the file had them not.
///
/// # Errors
/// The file cannot be read to its end, or is no orders file.
pub fn reconcile<R: Read>(
    db: &mut Db,
    source: &mut R,
    zone: &TimeZone,
    within: Option<ProductLineId>,
) -> Result<Reconciliation, ImportError> {
    let mut found = Reconciliation::default();
    let mut systems = BTreeSet::new();
    let mut seen: HashSet<OrderLineId> = HashSet::new();
    rows::each(Kind::Orders, source, &mut |header, record, file_line| {
        let before = found.told();
        let mut cells = Cells::new(header, record, file_line);
        let row = OrderRow::parse(&mut cells);
        let errors = cells.into_errors();
        match row.filter(|_| errors.is_empty()) {
            Some(row) => {
                let place = Place::of(&row, file_line);
                systems.insert(row.system.clone());
                let known = known(db, &row)?;
                if !is_within(db, &row, known.as_ref(), within)? {
                    return Ok(());
                }
                let scope = Scope { zone, within };
                let mut tell = |difference, here, there| {
                    found.add(place.finding(difference, here, there));
                };
                compare(db, scope, &row, known, &mut seen, &mut tell)?;
            }
            None => found.add(unreadable(file_line, &errors)),
        }
        found.rows += 1;
        found.agreeing += u64::from(before == found.told());
        Ok(())
    })?;
    for system in systems {
        missing_there(db, &system, within, &seen, &mut found)?;
    }
    Ok(found)
}

/// Where in the file a finding is.
struct Place {
    file_line: u64,
    system: String,
    order: String,
    line: String,
}

impl Place {
    fn of(row: &OrderRow, file_line: u64) -> Self {
        Self {
            file_line,
            system: row.system.clone(),
            order: row.reference.clone(),
            line: row.line.clone(),
        }
    }

    fn finding(&self, difference: Difference, here: String, there: String) -> Finding {
        Finding {
            file_line: Some(self.file_line),
            system: self.system.clone(),
            order: self.order.clone(),
            line: self.line.clone(),
            difference,
            here,
            there,
        }
    }
}

impl Reconciliation {
    fn told(&self) -> u64 {
        self.more + self.findings.len() as u64
    }

    fn add(&mut self, finding: Finding) {
        self.faults += u64::from(finding.difference.is_fault());
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

fn unreadable(file_line: u64, errors: &[RowError]) -> Finding {
    let reasons: Vec<_> = errors
        .iter()
        .map(|error| match error.column {
            Some(column) => format!("{column} {}", error.reason),
            None => error.reason.to_string(),
        })
        .collect();
    Finding {
        file_line: Some(file_line),
        system: String::new(),
        order: String::new(),
        line: String::new(),
        difference: Difference::Unreadable,
        here: String::new(),
        there: reasons.join("; "),
    }
}

/// What is compared, and how.
#[derive(Clone, Copy)]
struct Scope<'a> {
    /// Of dates whose party has none.
    zone: &'a TimeZone,
    /// The product line whose things alone are looked at.
    within: Option<ProductLineId>,
}

/// The order and the line that the ledger has of a row.
fn known(db: &mut Db, row: &OrderRow) -> Result<Option<(Order, OrderLine)>, StoreError> {
    let Some(order) = order::by_reference(db, &row.system, &row.reference)? else {
        return Ok(None);
    };
    Ok(order::line(db, order.id, &row.line)?.map(|line| (order, line)))
}

/// Whether a row sells products of the line and nothing else: by the ledger, if that has it.
fn is_within(
    db: &mut Db,
    row: &OrderRow,
    known: Option<&(Order, OrderLine)>,
    within: Option<ProductLineId>,
) -> Result<bool, StoreError> {
    let Some(within) = within else {
        return Ok(true);
    };
    let sku = match known {
        Some((_, line)) => Some(line.sku_id),
        None => sku::by_part_number(db, &row.sku)?.map(|sku| sku.id),
    };
    match sku {
        Some(sku) => sku::is_of_line(db, sku, within),
        None => Ok(false),
    }
}

/// Compares one row with the line that the ledger has of it.
fn compare(
    db: &mut Db,
    scope: Scope<'_>,
    row: &OrderRow,
    known: Option<(Order, OrderLine)>,
    seen: &mut HashSet<OrderLineId>,
    tell: &mut impl FnMut(Difference, String, String),
) -> Result<(), StoreError> {
    let Some((order, line)) = known else {
        // What nothing is sold of need not be here.
        if row.quantity > 0 {
            let there = format!("{} of {}", row.quantity, row.sku);
            tell(Difference::MissingHere, String::new(), there);
        }
        return Ok(());
    };
    if !seen.insert(line.id.0) {
        tell(
            Difference::Repeated,
            String::new(),
            row.quantity.to_string(),
        );
        return Ok(());
    }
    let sku = sku::part_number(db, line.sku_id)?;
    if sku != row.sku {
        tell(Difference::Sku, sku, row.sku.clone());
    }
    if line.quantity != row.quantity {
        let (here, there) = (line.quantity.to_string(), row.quantity.to_string());
        tell(Difference::Quantity, here, there);
    }
    if row.value_e4.is_some() && (line.value_e4, &line.currency) != (row.value_e4, &row.currency) {
        let (here, there) = (
            worth(line.value_e4, line.currency.as_deref()),
            worth(row.value_e4, row.currency.as_deref()),
        );
        tell(Difference::Value, here, there);
    }
    if is_order_within(db, &order, scope.within)? {
        compare_order(db, scope.zone, row, &order, tell)?;
    }
    if let Some(maintains) = &row.maintains {
        let maintains = maintains.as_deref();
        for (here, there) in
            maintains::differences(db, &row.system, &line, maintains, scope.within)?
        {
            tell(Difference::Maintains, here, there);
        }
    }
    compare_entitlements(db, &row.system, &order, &line, tell)
}

/// Whether the order itself is of the line: it sells nothing else.
fn is_order_within(
    db: &mut Db,
    order: &Order,
    within: Option<ProductLineId>,
) -> Result<bool, StoreError> {
    if within.is_none() {
        return Ok(true);
    }
    let filter = OrderFilter {
        id: Some(order.id.0),
        within,
        ..OrderFilter::default()
    };
    Ok(!listing::orders(db, &filter, 1)?.is_empty())
}

fn compare_order(
    db: &mut Db,
    zone: &TimeZone,
    row: &OrderRow,
    order: &Order,
    tell: &mut impl FnMut(Difference, String, String),
) -> Result<(), StoreError> {
    compare_parties(db, row, order, tell)?;
    let user = party::by_external_id(db, &row.system, &row.end_user)?;
    let ordered_at = row.ordered_at.at(&lookup::zone_of(user.as_ref(), zone));
    if order.ordered_at.0 != ordered_at {
        let (here, there) = (order.ordered_at.0.to_string(), ordered_at.to_string());
        tell(Difference::OrderedAt, here, there);
    }
    if let Some(hold) = row.payment_hold.filter(|hold| *hold != order.payment_hold) {
        let word = |hold| hold_word(hold).to_owned();
        tell(Difference::Hold, word(order.payment_hold), word(hold));
    }
    Ok(())
}

fn worth(value_e4: Option<i64>, currency: Option<&str>) -> String {
    value_e4.map_or_else(String::new, |value| {
        format!("{} {}", Amount(value), currency.unwrap_or_default())
    })
}

fn compare_parties(
    db: &mut Db,
    row: &OrderRow,
    order: &Order,
    tell: &mut impl FnMut(Difference, String, String),
) -> Result<(), StoreError> {
    let parties = [
        (Difference::SoldTo, order.sold_to_id, &row.sold_to),
        (Difference::EndUser, order.end_user_id, &row.end_user),
    ];
    for (difference, here, there) in parties {
        let named = party::by_external_id(db, &row.system, there)?;
        if named.map(|party| party.id) != Some(here) {
            tell(difference, name(db, &row.system, here)?, there.clone());
        }
    }
    Ok(())
}

fn compare_entitlements(
    db: &mut Db,
    system: &str,
    order: &Order,
    line: &OrderLine,
    tell: &mut impl FnMut(Difference, String, String),
) -> Result<(), StoreError> {
    for entitlement in entitlement::of_order_line(db, line.id)? {
        let is_over = entitlement.state.0 == EntitlementState::Closed;
        if let Some(owner) = entitlement.owner_id
            && owner != order.end_user_id
            && !is_over
        {
            let (here, there) = (
                name(db, system, owner)?,
                name(db, system, order.end_user_id)?,
            );
            let here = format!("{} belongs to {here}", entitlement.reference);
            tell(Difference::Owner, here, there);
        }
        if entitlement.pending_credit > 0 {
            let here = format!(
                "{} of {} units of {} are in use and credited",
                entitlement.pending_credit, entitlement.live_units, entitlement.reference
            );
            tell(Difference::PendingCredit, here, line.quantity.to_string());
        }
    }
    Ok(())
}

/// What the ledger sells by a system's orders, and the file does not.
fn missing_there(
    db: &mut Db,
    system: &str,
    within: Option<ProductLineId>,
    seen: &HashSet<OrderLineId>,
    found: &mut Reconciliation,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let lines = order::lines_of_system(db, system, after, PAGE)?;
        let Some((_, last)) = lines.last() else {
            return Ok(());
        };
        after = Some(last.id);
        for (order, line) in lines.iter().filter(|(_, line)| !seen.contains(&line.id.0)) {
            if let Some(within) = within
                && !sku::is_of_line(db, line.sku_id, within)?
            {
                continue;
            }
            let sku = sku::part_number(db, line.sku_id)?;
            found.add(Finding {
                file_line: None,
                system: system.to_owned(),
                order: order.clone(),
                line: line.line.clone(),
                difference: Difference::MissingThere,
                here: format!("{} of {sku}", line.quantity),
                there: String::new(),
            });
        }
    }
}

/// A party by its id in the system, or else by ours.
fn name(db: &mut Db, system: &str, party: Octets<PartyId>) -> Result<String, StoreError> {
    let name = lookup::party_name(db, system, Some(party))?;
    Ok(name.unwrap_or_else(|| party.0.to_string()))
}
