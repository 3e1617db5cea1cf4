//! What a product is an addition to.

use super::cells::Cells;
use super::diff::{Changes, Diff};
use super::products::CHANGED;
use super::rows::Run;
use super::{Effect, Halt, Reason, lookup, refuse};
use crate::store::Db;
use crate::store::product::{self, Product};

const COLUMN: &str = "requires";
/// Products that one is an addition to, at most.
const MOST: usize = 16;

/// Codes of products, separated by semicolons; `none` for none, and empty says nothing.
pub(super) fn parse(cells: &mut Cells<'_>) -> Option<Vec<String>> {
    let text = cells.optional(COLUMN, MOST * 65)?;
    if text == "none" {
        return Some(Vec::new());
    }
    let mut codes: Vec<_> = text.split(';').map(|code| code.trim().to_owned()).collect();
    codes.sort();
    codes.dedup();
    if codes.len() > MOST || codes.iter().any(String::is_empty) {
        let reason = Reason::Invalid {
            value: text,
            expected: format!("1 to {MOST} codes of products, separated by semicolons"),
        };
        cells.fault(COLUMN, reason);
        return None;
    }
    Some(codes)
}

/// Makes a product an addition to others. A line of additions, or of products that replace each
/// other, never leads back to where it began.
pub(super) fn put(
    db: &mut Db,
    run: &Run<'_>,
    product: &Product,
    codes: &[String],
    of_product: Effect,
    changes: &mut Changes,
) -> Result<Effect, Halt> {
    let mut required = Vec::new();
    for code in codes {
        let other = required_product(db, code)?;
        if other.id == product.id || product::requires(db, other.id, product.id)? {
            let reason = Reason::Unfit(format!(
                "goes in a circle: {code} is an addition to {} already",
                product.code
            ));
            return refuse(COLUMN, reason);
        }
        if product::replaces(db, product, other.id)? || product::replaces(db, &other, product.id)? {
            let reason = Reason::Unfit(format!(
                "one of {} and {code} takes the place of the other, so neither is an addition to it",
                product.code
            ));
            return refuse(COLUMN, reason);
        }
        required.push(other.id);
    }
    required.sort();
    let known = product::requirements_of(db, product.id.0)?;
    if known == required {
        return Ok(Effect::Unchanged);
    }
    // What is new says what it says; what is known is changed by leave only.
    if of_product != Effect::Created {
        let mut diff = Diff::default();
        let mut names = Vec::new();
        for id in &known {
            names.extend(product::find(db, id.0)?.map(|product| product.code));
        }
        names.sort();
        diff.field(COLUMN, &named(&names), &named(codes));
        if let Some(found) = diff.settle(run.amend(), CHANGED)? {
            changes.add(found);
        }
    }
    product::set_requirements(db, product.id, &required)?;
    Ok(Effect::Amended)
}

fn named(codes: &[String]) -> String {
    match codes {
        [] => "none".to_owned(),
        codes => codes.join(";"),
    }
}

fn required_product(db: &mut Db, code: &str) -> Result<Product, Halt> {
    match lookup::product(db, code) {
        Err(Halt::Refused { reason, .. }) => refuse(COLUMN, reason),
        found => found,
    }
}
