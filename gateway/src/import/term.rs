//! How long a right runs, as files and tables write it.

use fleetgrant_core::license::{Model, TermRule, months_and_days};

use super::Reason;
use super::cells::Cells;

/// Reads a term: years, months, weeks and days as ISO 8601 writes them; none for ever.
pub(super) fn parse(cells: &mut Cells<'_>, column: &'static str) -> Option<String> {
    let text = cells.optional(column, 32)?;
    if months_and_days(&text).is_some() {
        Some(text)
    } else {
        cells.fault(
            column,
            Reason::Invalid {
                value: text,
                expected: "a term of at most 100 years as ISO 8601 writes it, as P1Y, P18M or P90D"
                    .to_owned(),
            },
        );
        None
    }
}

/// Whether a model and an end fit: what is bought for ever has none, what is rented has one.
pub(super) fn check(code: &str, model: &Model, is_limited: bool) -> Result<(), Reason> {
    let rule = model.sale.term;
    match (rule, is_limited) {
        (TermRule::None, true) => Err(Reason::Unfit(format!(
            "what is {code} has no term and no end"
        ))),
        (_, false) if model.always_ends() && rule.usual().is_none() => Err(Reason::Unfit(format!(
            "what is {code} needs a term, or an end"
        ))),
        _ => Ok(()),
    }
}
