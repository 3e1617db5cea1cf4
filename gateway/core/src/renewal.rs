//! Until when an entitlement runs once it is renewed.

use jiff::tz::TimeZone;

use crate::domain::Timestamp;
use crate::entitlement::{Start, Term};
use crate::term;

/// How long an entitlement runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// For so long more, by the calendar of its owner's time zone.
    For {
        /// From here.
        base: Base,
        /// Months; a year is 12.
        months: u16,
        /// Days.
        days: u16,
    },
    /// Until an instant, so that it ends together with others.
    Until(Timestamp),
    /// The same, be that earlier than it would have ended.
    Moved(Timestamp),
}

/// What a renewal starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The end so far, passed or not: no day is lost, and none is given.
    End,
    /// The day of the renewal, if the end has passed; or else the end.
    Now,
}

/// Why an entitlement cannot be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewalError {
    /// It runs for ever.
    #[error("it has no end: there is nothing to renew")]
    NeverEnds,
    /// Its term has not begun.
    #[error("its term has not begun: there is no end yet to renew from")]
    NotStarted,
    /// Each of its activations has an end of its own.
    #[error("its term runs for each activation apart: sell another entitlement")]
    EachItsOwn,
    /// It would end no later than it does.
    #[error("it runs until {0} already: a renewal must end later")]
    NotLater(Timestamp),
    /// It would end before it starts.
    #[error("it starts at {0}, and cannot end before that")]
    BeforeStart(Timestamp),
    /// It would end before now.
    #[error("it would end at {0}, which has passed: renew it from now on, or for longer")]
    Passed(Timestamp),
}

/// When what starts and runs like this ends; none if it never does, or its start is not known.
#[must_use]
pub fn end(start: Start, of: Term, zone: &TimeZone) -> Option<Timestamp> {
    match (start, of) {
        (_, Term::Until(end)) => Some(end),
        (Start::At(start), of) => term::end(of, start, zone),
        _ => None,
    }
}

/// When an entitlement that starts and runs like this ends once it is renewed at `now`, and when it
/// would have ended.
///
/// # Errors
/// [`RenewalError`].
pub fn renewed(
    start: Start,
    term: Term,
    zone: &TimeZone,
    extension: Extension,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), RenewalError> {
    let starts_at = match start {
        Start::At(start) => Some(start),
        _ => None,
    };
    let start = match (start, term) {
        (_, Term::Perpetual) => return Err(RenewalError::NeverEnds),
        (Start::EachActivation { .. }, Term::For { .. }) => return Err(RenewalError::EachItsOwn),
        (Start::At(start), _) => start,
        // It ends at a date, whenever it starts.
        (_, Term::Until(end)) => end,
        (Start::FirstActivation { .. } | Start::Awaited, Term::For { .. }) => {
            return Err(RenewalError::NotStarted);
        }
    };
    let before = term::end(term, start, zone).ok_or(RenewalError::NeverEnds)?;
    let after = match extension {
        Extension::Until(end) | Extension::Moved(end) => end,
        Extension::For { base, months, days } => {
            let from = match base {
                Base::End => before,
                Base::Now => before.max(now),
            };
            term::after(from, months, days, zone)
        }
    };
    let may_be_earlier = matches!(extension, Extension::Moved(_));
    if after == before || (after < before && !may_be_earlier) {
        return Err(RenewalError::NotLater(before));
    }
    if let Some(start) = starts_at.filter(|start| after <= *start) {
        return Err(RenewalError::BeforeStart(start));
    }
    if after <= now {
        return Err(RenewalError::Passed(after));
    }
    Ok((before, after))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_micros(instant.as_microsecond())
    }

    fn zone() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[test]
    fn an_end_is_moved_to_an_earlier_one_only_where_that_is_meant() {
        let (now, early, end) = (
            at("2026-03-01T00:00:00Z"),
            at("2026-06-01T00:00:00Z"),
            at("2026-12-01T00:00:00Z"),
        );
        let start = Start::At(at("2026-04-01T00:00:00Z"));
        let to = |extension| renewed(start, Term::Until(end), &zone(), extension, now);
        assert_eq!(
            to(Extension::Until(early)),
            Err(RenewalError::NotLater(end))
        );
        assert_eq!(to(Extension::Moved(early)), Ok((end, early)));
        assert_eq!(to(Extension::Moved(end)), Err(RenewalError::NotLater(end)));
        let before = at("2026-03-31T00:00:00Z");
        assert!(matches!(
            to(Extension::Moved(before)),
            Err(RenewalError::BeforeStart(_))
        ));
        let term = renewed(
            Start::At(now),
            YEAR,
            &zone(),
            Extension::Moved(now),
            at("2027-01-01T00:00:00Z"),
        );
        assert!(matches!(term, Err(RenewalError::BeforeStart(_))));
    }

    const YEAR: Term = Term::For {
        months: 12,
        days: 0,
    };

    fn year_from(base: Base) -> Extension {
        Extension::For {
            base,
            months: 12,
            days: 0,
        }
    }

    #[test]
    fn a_late_renewal_goes_on_from_the_end_or_starts_anew() {
        // From 29 February, so that it ends when 28 February 2025 begins in Berlin.
        let start = Start::At(at("2024-02-28T23:00:00Z"));
        let now = at("2025-03-30T10:00:00Z");
        let renew = |base| renewed(start, YEAR, &zone(), year_from(base), now).unwrap();
        let end = at("2025-02-27T23:00:00Z");
        assert_eq!(renew(Base::End), (end, at("2026-02-27T23:00:00Z")));
        // Summer time begins a day earlier in the year it ends: midnight is an hour earlier.
        assert_eq!(renew(Base::Now), (end, at("2026-03-29T22:00:00Z")));
    }

    #[test]
    fn an_early_renewal_loses_no_day() {
        let start = Start::At(at("2026-01-01T00:00:00Z"));
        let now = at("2026-06-01T00:00:00Z");
        let utc = TimeZone::UTC;
        for base in [Base::End, Base::Now] {
            let (_, after) = renewed(start, YEAR, &utc, year_from(base), now).unwrap();
            assert_eq!(after, at("2028-01-01T00:00:00Z"));
        }
    }

    #[test]
    fn what_cannot_be_renewed_says_why() {
        let (utc, now) = (TimeZone::UTC, at("2026-06-01T00:00:00Z"));
        let ends = Term::Until(at("2026-07-01T00:00:00Z"));
        let begun = Start::At(at("2020-01-01T00:00:00Z"));
        let each = Start::EachActivation { latest: None };
        let first = Start::FirstActivation { latest: None };
        let year = year_from(Base::End);
        let until = |text| Extension::Until(at(text));
        let cases = [
            (begun, Term::Perpetual, year, RenewalError::NeverEnds),
            (each, YEAR, year, RenewalError::EachItsOwn),
            (first, YEAR, year, RenewalError::NotStarted),
            (Start::Awaited, YEAR, year, RenewalError::NotStarted),
            (
                begun,
                ends,
                until("2026-07-01T00:00:00Z"),
                RenewalError::NotLater(at("2026-07-01T00:00:00Z")),
            ),
            (
                begun,
                YEAR,
                year,
                RenewalError::Passed(at("2022-01-01T00:00:00Z")),
            ),
        ];
        for (start, term, extension, error) in cases {
            assert_eq!(renewed(start, term, &utc, extension, now), Err(error));
        }
        // It ends at a date, whenever it starts.
        let co_termed = renewed(first, ends, &utc, until("2026-12-31T00:00:00Z"), now);
        assert_eq!(co_termed.unwrap().1, at("2026-12-31T00:00:00Z"));
    }
}
