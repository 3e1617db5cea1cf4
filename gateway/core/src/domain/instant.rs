//! Instants as the database keeps them.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::DateTime;

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

/// As RFC 3339 has it, to the second. What lies beyond the year 9999 is shown as its last second,
/// by which certificates say that they do not expire (RFC 5280 4.1.2.5).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not jiff's own instant, which ends a day earlier to leave room for every time zone.
        let since_1970 = SignedDuration::from_micros(self.0);
        let instant = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).saturating_add(since_1970);
        write!(f, "{instant:.0}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_to_the_second() {
        for (micros, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_796_126_400_999_999, "2026-12-01T12:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (253_402_300_799_000_000, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), shown);
        }
    }
}
