//! A bad network, made on purpose: what goes through is dropped, doubled, delayed and so
//! reordered, the same way for the same seed.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::time::Instant;

/// How bad the network is. Probabilities lie between 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// What decides.
    pub seed: u64,
    /// How probably a message is lost.
    pub drop: f64,
    /// How probably it comes twice.
    pub duplicate: f64,
    /// The longest it is under way; the time is drawn for each, so messages overtake each other.
    pub longest_delay: Duration,
}

/// Messages under way through a bad network. Sans-IO: put a message in when it is sent, take it
/// out when its time has come.
#[derive(Debug)]
pub struct FaultInjector<T> {
    faults: Faults,
    random: StdRng,
    under_way: BTreeMap<(Instant, u64), T>,
    count: u64,
}

impl<T: Clone> FaultInjector<T> {
    /// An empty network.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self {
            faults,
            random: StdRng::seed_from_u64(faults.seed),
            under_way: BTreeMap::new(),
            count: 0,
        }
    }

    /// A message is sent.
    pub fn put(&mut self, message: T, now: Instant) {
        if self.random.random_bool(self.faults.drop) {
            return;
        }
        if self.random.random_bool(self.faults.duplicate) {
            self.delay(message.clone(), now);
        }
        self.delay(message, now);
    }

    /// A message that arrives by now.
    pub fn take(&mut self, now: Instant) -> Option<T> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next message arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    fn delay(&mut self, message: T, now: Instant) {
        let longest = self.faults.longest_delay.as_millis() as u64;
        let at = now.plus_millis(self.random.random_range(0..=longest));
        self.count += 1;
        self.under_way.insert((at, self.count), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Faults = Faults {
        seed: 1,
        drop: 0.3,
        duplicate: 0.2,
        longest_delay: Duration::from_secs(5),
    };

    fn through(faults: Faults) -> Vec<u32> {
        let mut network = FaultInjector::new(faults);
        for n in 0..1_000 {
            network.put(n, Instant(u64::from(n)));
        }
        let mut arrived = Vec::new();
        while let Some(at) = network.next_arrival() {
            if let Some(before) = at.0.checked_sub(1) {
                assert_eq!(network.take(Instant(before)), None);
            }
            arrived.extend(network.take(at));
        }
        arrived
    }

    #[test]
    fn messages_are_lost_doubled_and_reordered_the_same_way_for_a_seed() {
        let arrived = through(BAD);
        assert_eq!(arrived, through(BAD));
        assert_ne!(arrived, through(Faults { seed: 2, ..BAD }));
        let mut distinct = arrived.clone();
        distinct.sort_unstable();
        assert_ne!(distinct, arrived, "reordered");
        distinct.dedup();
        assert!(
            (620..780).contains(&distinct.len()),
            "{} arrived",
            distinct.len()
        );
        assert!(arrived.len() > distinct.len() + 80, "doubled");
    }

    #[test]
    fn a_good_network_changes_nothing() {
        let good = Faults {
            drop: 0.0,
            duplicate: 0.0,
            longest_delay: Duration::ZERO,
            ..BAD
        };
        assert_eq!(through(good), (0..1_000).collect::<Vec<_>>());
    }
}
