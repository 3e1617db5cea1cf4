//! A rolling window by the calendar.

use std::fmt;
use std::str::FromStr;

use jiff::{Span, tz::TimeZone};

use crate::domain::Timestamp;

/// How long something counts: years, months, weeks and days, from a day to ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    months: u16,
    days: u16,
}

/// A text is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no window: an ISO 8601 duration in days, weeks, months or years, from P1D to P10Y"
)]
pub struct InvalidWindow(String);

impl Window {
    /// The longest, in days.
    const MAX_DAYS: u32 = 3_660;

    /// A window of months and days; none if it is empty or longer than ten years.
    #[must_use]
    pub const fn new(months: u16, days: u16) -> Option<Self> {
        // No month is longer than 31 days, and ten years have no more than 3,653.
        let longest = months as u32 * 61 / 2 + days as u32;
        if longest == 0 || longest > Self::MAX_DAYS {
            None
        } else {
            Some(Self { months, days })
        }
    }

    /// From here on, in this zone, what happened at `at` does not count any more.
    #[must_use]
    pub fn end_of(self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        let span = Span::new()
            .months(i64::from(self.months))
            .days(i64::from(self.days));
        jiff::Timestamp::from_microsecond(at.micros())
            .ok()
            .and_then(|at| at.to_zoned_datetime(zone.clone()).checked_add(span).ok())
            .map_or(Timestamp::from_micros(i64::MAX), |end| {
                Timestamp::from_micros(end.timestamp().as_microsecond())
            })
    }

    /// Nothing that happened before this many seconds ago counts.
    #[must_use]
    pub const fn longest(self) -> u64 {
        (self.months as u64 * 31 + self.days as u64 + 1) * 86_400
    }

    /// Whether it is at least so many days long, whatever the months.
    #[must_use]
    pub const fn covers_days(self, days: u16) -> bool {
        self.months as u32 * 28 + self.days as u32 >= days as u32
    }
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidWindow(text.chars().take(40).collect());
        let span: Span = text.parse().map_err(|_| invalid())?;
        let dated = Span::new()
            .years(span.get_years())
            .months(span.get_months())
            .weeks(span.get_weeks())
            .days(span.get_days());
        if span.fieldwise() != dated.fieldwise() {
            return Err(invalid());
        }
        let months = i32::from(span.get_years()) * 12 + span.get_months();
        let days = span.get_weeks() * 7 + span.get_days();
        let parts = u16::try_from(months).ok().zip(u16::try_from(days).ok());
        parts
            .and_then(|(months, days)| Self::new(months, days))
            .ok_or_else(invalid)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (years, months) = (self.months / 12, self.months % 12);
        f.write_str("P")?;
        for (count, unit) in [(years, 'Y'), (months, 'M'), (self.days, 'D')] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}
