//! Limits on how often something is done.

use crate::time::Instant;

/// A token bucket: `burst` at once, one more every `refill_millis`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: u8,
    burst: u8,
    refill_millis: u32,
    refilled: Instant,
}

impl Bucket {
    pub(crate) const fn full(burst: u8, refill_millis: u32, now: Instant) -> Self {
        Self {
            tokens: burst,
            burst,
            refill_millis,
            refilled: now,
        }
    }

    /// When the next token comes, if there is none.
    pub(crate) fn next(&self) -> Instant {
        self.refilled.plus_millis(self.refill_millis.into())
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let refill = u64::from(self.refill_millis);
        let earned = now.millis_since(self.refilled) / refill;
        let free = u64::from(self.burst - self.tokens);
        if earned >= free {
            self.tokens = self.burst;
            self.refilled = now;
        } else {
            self.tokens += earned as u8;
            self.refilled = self.refilled.plus_millis(earned * refill);
        }
        let has_token = self.tokens > 0;
        self.tokens -= u8::from(has_token);
        has_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_for_each_interval() {
        let mut bucket = Bucket::full(3, 1_000, Instant(0));
        let mut passed = |at: u64, tries: usize| -> usize {
            (0..tries).filter(|_| bucket.take(Instant(at))).count()
        };
        assert_eq!(passed(0, 5), 3);
        assert_eq!(passed(999, 1), 0);
        assert_eq!(passed(1_000, 2), 1);
        assert_eq!(passed(2_500, 3), 1);
        assert_eq!(passed(3_000, 2), 1, "the half second was not lost");
        assert_eq!(passed(1_000_000, 9), 3, "never more than the burst");
    }
}
