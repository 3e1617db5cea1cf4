//! How long a right runs, as files and tables write it.

use fleetgrant_core::domain::LicenseModel;
use jiff::Span;

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

/// The months and days of a term; none of what is longer than 100 years, or no term.
pub(crate) fn months_and_days(text: &str) -> Option<(u16, u16)> {
    let span: Span = text.parse().ok()?;
    let clock = span.get_hours() != 0
        || span.get_minutes() != 0
        || span.get_seconds() != 0
        || span.get_milliseconds() != 0
        || span.get_microseconds() != 0
        || span.get_nanoseconds() != 0;
    let months = i32::from(span.get_years()) * 12 + span.get_months();
    let days = span.get_weeks() * 7 + span.get_days();
    let fits = !clock && (0..=1_200).contains(&months) && (0..=36_500).contains(&days);
    if !fits || (months, days) == (0, 0) {
        return None;
    }
    Some((u16::try_from(months).ok()?, u16::try_from(days).ok()?))
}

/// Whether a model and an end fit: what is bought for ever has none, what is rented has one.
pub(super) fn check(model: LicenseModel, is_limited: bool) -> Result<(), Reason> {
    match (model, is_limited) {
        (LicenseModel::Perpetual, true) => Err(Reason::Unfit(
            "a perpetual right has no term and no end".to_owned(),
        )),
        (LicenseModel::Subscription, false) => Err(Reason::Unfit(
            "a subscription needs a term, or an end".to_owned(),
        )),
        _ => Ok(()),
    }
}
