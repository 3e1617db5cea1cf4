//! When a set is published again, and when that is given up until the device is heard.

use crate::context::{Context, Entropy};
use crate::domain::{SetKey, Timestamp};
use crate::outcome::{Answer, Outcome};
use crate::snapshot::Snapshot;
use crate::turn::{Turn, Why};

/// Seconds from one publishing of a set to the next; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pauses {
    first: u64,
    then: Vec<u64>,
}

impl Pauses {
    /// In their order; none if there are none.
    #[must_use]
    pub fn new(seconds: &[u64]) -> Option<Self> {
        let (&first, then) = seconds.split_first()?;
        Some(Self {
            first,
            then: then.to_vec(),
        })
    }

    /// When a set that was published once, at `now`, is published again.
    #[must_use]
    pub fn first_repeat(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.first)
    }

    /// When a set that was published `times` times, last at `now`, is published again; none if it
    /// is not, until the device is heard.
    #[must_use]
    pub fn next_attempt(&self, times: u32, now: Timestamp) -> Option<Timestamp> {
        let pause = match times.checked_sub(2) {
            None => self.first,
            Some(place) => *self.then.get(usize::try_from(place).ok()?)?,
        };
        Some(now.plus_seconds(pause))
    }
}

/// As the protocol has them.
impl Default for Pauses {
    fn default() -> Self {
        Self {
            first: 60,
            then: vec![5 * 60, 30 * 60, 6 * 3_600, 86_400],
        }
    }
}

/// What is to be done for a delivery that is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// The device has signed for this set or a later one, or a later one was written.
    Settled,
    /// Publish the set.
    Publish,
    /// The set can no longer be installed, or not be signed; this takes its place.
    Reissue(Box<Outcome>),
}

/// Looks at a delivery of the set `key` that is due.
pub fn on_due<E: Entropy>(
    snapshot: Snapshot,
    key: SetKey,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Due {
    let acked = snapshot.device.acked_key();
    let latest = snapshot.latest_set().cloned();
    let Some(latest) = latest.filter(|set| set.key == key && acked < Some(key)) else {
        return Due::Settled;
    };
    // What is signed by another key than its epoch's, no device takes.
    if ctx.now < latest.install_until && latest.key.epoch == ctx.authority.epoch {
        return Due::Publish;
    }
    let mut turn = Turn::new(snapshot, ctx, entropy);
    match turn.push(latest.nonce, Why::WindowOver) {
        Ok(()) => Due::Reissue(Box::new(turn.finish(Answer::None))),
        Err(_) => Due::Settled,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn waits_longer_each_time_and_gives_up_after_the_sixth() {
        let (pauses, now) = (Pauses::default(), Timestamp::from_seconds(1_000));
        let waits: Vec<_> = (1..=6)
            .map(|times| pauses.next_attempt(times, now))
            .map(|next| next.map(|at| at.seconds_since(now)))
            .collect();
        assert_eq!(
            waits,
            [
                Some(60),
                Some(300),
                Some(1_800),
                Some(21_600),
                Some(86_400),
                None
            ]
        );
    }
}
