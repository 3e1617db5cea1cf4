//! Instants as the database keeps them.

use std::fmt;

/// An instant: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the Unix epoch, as the wire has them; saturates.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        if seconds > (i64::MAX / 1_000_000) as u64 {
            Self(i64::MAX)
        } else {
            Self(seconds as i64 * 1_000_000)
        }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down; 0 for what lies before it.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        if self.0 < 0 {
            0
        } else {
            (self.0 / 1_000_000) as u64
        }
    }

    /// This instant less so many seconds; saturates.
    #[must_use]
    pub const fn minus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(Self::from_seconds(seconds).0))
    }

    /// This instant and so many seconds; saturates.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(Self::from_seconds(seconds).0))
    }

    /// Whole seconds from `earlier` to this instant, rounded down; 0 if it is not earlier.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        let micros = self.0.saturating_sub(earlier.0);
        if micros < 0 {
            0
        } else {
            (micros / 1_000_000) as u64
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.0}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}
