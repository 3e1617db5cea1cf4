//! Limits on how often something is done.

use crate::time::Instant;

const HOUR_MILLIS: u64 = 3_600_000;

/// A token bucket: `burst` at once, one more every `refill` milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    burst: u8,
    tokens: u8,
    refill: u32,
    refilled: Instant,
}

impl Bucket {
    pub(crate) const fn full(burst: u8, refill: u32, now: Instant) -> Self {
        Self {
            burst,
            tokens: burst,
            refill,
            refilled: now,
        }
    }

    /// When the next token comes, if there is none.
    pub(crate) fn next(&self) -> Instant {
        self.refilled.plus_millis(self.refill.into())
    }

    /// Takes a token if there is one.
    #[inline(never)]
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        while self.tokens < self.burst && self.next() <= now {
            self.tokens += 1;
            self.refilled = self.next();
        }
        if self.tokens == self.burst {
            self.refilled = now;
        }
        let has_token = self.tokens > 0;
        self.tokens -= u8::from(has_token);
        has_token
    }
}

/// Something that is done once an hour at most, whoever asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gate {
    opens: Instant,
}

impl Gate {
    /// Passes if it is open, and closes it.
    #[inline(never)]
    pub(crate) fn pass(&mut self, now: Instant) -> bool {
        let is_open = now >= self.opens;
        if is_open {
            self.opens = now.plus_millis(HOUR_MILLIS);
        }
        is_open
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
