//! Uptime: the only clock the agent needs.

use fleetgrant_schemas::limits::MAX_INSTANT;

/// Milliseconds since the device started. It must never go back while the device runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// Later than any.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// This many milliseconds later.
    #[must_use]
    #[inline(never)]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This many seconds later.
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        self.plus_millis(millis(secs))
    }

    /// Milliseconds since `earlier`, or 0 if it is later.
    #[must_use]
    #[inline(never)]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds of so many seconds, of which there are no more than any message tells.
#[inline(never)]
pub(crate) const fn millis(secs: u64) -> u64 {
    const MOST: u64 = MAX_INSTANT + u32::MAX as u64;
    1_000 * if secs < MOST { secs } else { MOST }
}

/// Whole seconds in so many milliseconds. Long division by 16 bits at a time: that of 64 bits by
/// 64 would be linked for nothing else.
#[inline(never)]
pub(crate) const fn secs(millis: u64) -> u64 {
    let (mut quotient, mut rest, mut shift) = (0, 0_u32, 64);
    while shift > 0 {
        shift -= 16;
        rest = rest << 16 | (millis >> shift) as u32 & 0xffff;
        quotient = quotient << 16 | (rest / 1_000) as u64;
        rest %= 1_000;
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_thousandths_of_milliseconds() {
        for shift in 0..64 {
            for millis in [
                1 << shift,
                (1 << shift) - 1,
                u64::MAX >> shift,
                999 << shift,
            ] {
                assert_eq!(secs(millis), millis / 1_000, "{millis}");
            }
        }
        assert_eq!(millis(7), 7_000);
        assert_eq!(millis(u64::MAX) / 1_000, MAX_INSTANT + u64::from(u32::MAX));
    }
}
