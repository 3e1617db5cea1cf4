//! An instant as people write it.

use std::str::FromStr;
use std::time::Duration;

use fleetgrant_core::domain::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};

/// An instant, or a date: the start of that day, in a zone that the context decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// As `2026-01-31T09:30:00Z`.
    Instant(Timestamp),
    /// As `2026-01-31`.
    Date(Date),
}

/// A text that is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a date as 2026-01-31, or an instant as 2026-01-31T09:30:00Z")]
pub struct InvalidWhen;

impl When {
    /// The instant, with dates in this zone.
    #[must_use]
    pub fn at(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Instant(at) => at,
            Self::Date(date) => date
                .to_zoned_datetime(zone.clone())
                .map_or(Timestamp::from_seconds(0), |start| {
                    Timestamp::from_micros(start.timestamp().as_microsecond())
                }),
        }
    }
}

impl FromStr for When {
    type Err = InvalidWhen;

    fn from_str(text: &str) -> Result<Self, InvalidWhen> {
        let instant = text.parse::<jiff::Timestamp>().ok();
        instant
            .map(|at| Self::Instant(Timestamp::from_micros(at.as_microsecond())))
            .or_else(|| text.parse().ok().map(Self::Date))
            .ok_or(InvalidWhen)
    }
}

/// A length of time as people write it; days have 24 hours.
///
/// # Errors
/// It is none, and what one looks like.
pub fn length(text: &str) -> Result<Duration, String> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .and_then(|length| Duration::try_from(length).ok())
        .ok_or_else(|| format!("{text:?} is no length of time; write it as 90s, 1h 30m or 30d"))
}
