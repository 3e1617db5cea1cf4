//! Pauses between attempts, with full jitter, so that replicas and devices that lost a broker
//! together do not come back together.

use std::time::Duration;

/// Bounds of the pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first pause.
    pub base: Duration,
    /// The longest pause at all.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(250),
            cap: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The longest pause before the attempt after `failures` failed ones.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// A pause between nothing and the ceiling.
    #[must_use]
    pub(super) fn pause(&self, failures: u32) -> Duration {
        self.ceiling(failures)
            .mul_f64(rand::random_range(0.0..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let backoff = Backoff {
            base: Duration::from_millis(100),
            cap: Duration::from_secs(1),
        };
        let ceilings = [1, 2, 3, 4, 5, 6, u32::MAX].map(|n| backoff.ceiling(n).as_millis());
        assert_eq!(ceilings, [100, 200, 400, 800, 1000, 1000, 1000]);
    }

    #[test]
    fn a_pause_stays_below_its_ceiling() {
        let backoff = Backoff::default();
        for failures in 1..40 {
            assert!(backoff.pause(failures) <= backoff.ceiling(failures));
        }
    }
}
