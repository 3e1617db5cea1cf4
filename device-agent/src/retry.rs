//! When to try again: exponential backoff with full jitter, so that a fleet that lost its broker
//! does not come back in step.

use crate::time::Instant;

/// The first window, in milliseconds: the gateway takes one request per 10 s and device.
const FIRST_WINDOW_MILLIS: u64 = 10_000;
/// No window is longer than an hour.
const MAX_WINDOW_MILLIS: u64 = 3_600_000;
/// An answer takes some time, however lucky the draw.
const MIN_WAIT_MILLIS: u64 = 1_000;

/// How often something was tried in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    tries: u8,
}

impl Backoff {
    pub(crate) const NEW: Self = Self { tries: 0 };

    /// When to try again if nothing comes, uniformly drawn from a window that doubles each time.
    pub(crate) fn next(&mut self, now: Instant, random: u32) -> Instant {
        let window = (FIRST_WINDOW_MILLIS << self.tries.min(16)).min(MAX_WINDOW_MILLIS);
        self.tries = self.tries.saturating_add(1);
        now.plus_millis(MIN_WAIT_MILLIS + scale(window, random))
    }

    /// At once the first time, then as [`Backoff::next`].
    pub(crate) fn next_but_first_at_once(&mut self, now: Instant, random: u32) -> Instant {
        if self.tries == 0 {
            self.tries = 1;
            return now;
        }
        self.next(now, random)
    }
}

/// `secs` after now and up to a tenth more.
pub(crate) fn after_secs(now: Instant, secs: u32, random: u32) -> Instant {
    let secs = u64::from(secs);
    now.plus_millis(secs * 1_000 + scale(secs * 100, random))
}

/// `secs` after now, give or take a tenth.
pub(crate) fn around_secs(now: Instant, secs: u32, random: u32) -> Instant {
    let secs = u64::from(secs);
    now.plus_millis(secs * 900 + scale(secs * 200, random))
}

/// A fraction `random / 2^32` of `range`.
fn scale(range: u64, random: u32) -> u64 {
    let random = u64::from(random);
    (range >> 32) * random + (((range & 0xffff_ffff) * random) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double_up_to_an_hour_and_the_draw_covers_all_of_one() {
        let mut least = Backoff::NEW;
        let mut most = Backoff::NEW;
        let mut windows = [0; 12];
        for window in &mut windows {
            assert_eq!(least.next(Instant(0), 0), Instant(1_000));
            *window = most.next(Instant(0), u32::MAX).0 + 1 - 1_000;
        }
        assert_eq!(windows[..4], [10_000, 20_000, 40_000, 80_000]);
        assert_eq!(windows[8..], [2_560_000, 3_600_000, 3_600_000, 3_600_000]);
    }

    #[test]
    fn a_first_answer_is_followed_at_once_and_no_loop_is_tight() {
        let mut backoff = Backoff::NEW;
        assert_eq!(backoff.next_but_first_at_once(Instant(5), 0), Instant(5));
        assert!(backoff.next_but_first_at_once(Instant(5), 0) > Instant(5));
    }

    #[test]
    fn a_renewal_is_spread_by_a_tenth_either_way() {
        assert_eq!(around_secs(Instant(0), 1_000, 0), Instant(900_000));
        assert_eq!(around_secs(Instant(0), 1_000, u32::MAX), Instant(1_099_999));
        assert_eq!(after_secs(Instant(0), 1_000, u32::MAX), Instant(1_099_999));
        assert!(around_secs(Instant(0), u32::MAX, 1).0 > 0);
    }
}
