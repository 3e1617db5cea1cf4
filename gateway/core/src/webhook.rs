//! What becomes of a webhook and of a message to it after each attempt.
//!
//! A message that is not taken is sent again after pauses that grow, so many times; then it is
//! dead. An endpoint that takes nothing is left alone for pauses that grow too, with one attempt
//! after each, and is disabled when that has gone on for too long.

use crate::domain::{Timestamp, named};

named! {
    /// Whether a webhook is sent to.
    WebhookState("state of a webhook") {
        /// It is.
        Active = 1 "active",
        /// Somebody wants it to wait.
        Paused = 2 "paused",
        /// Its endpoint took nothing for too long, or says that it is gone.
        Disabled = 3 "disabled",
    }
}

named! {
    /// How a message to a webhook stands.
    DeliveryStep("state of a message") {
        /// It is to be sent, or sent again.
        Waiting = 1 "waiting",
        /// The endpoint has taken it.
        Delivered = 2 "delivered",
        /// It was sent as often as it may be, and not taken.
        Dead = 3 "dead",
    }
}

named! {
    /// Why a webhook was disabled.
    DisabledBecause("reason") {
        /// The endpoint answered that it is gone (410).
        Gone = 1 "gone",
        /// The endpoint took nothing for too long.
        Failing = 2 "failing",
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// The endpoint took the message.
    Taken,
    /// The endpoint says that there is none any more.
    Gone,
    /// It did not take the message, or there was no answer.
    Failed {
        /// Seconds for which it asked to be left alone.
        retry_after: Option<u64>,
    },
}

/// How an endpoint has done lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Attempts that failed since the last that did not.
    pub failures: u32,
    /// When the first of them failed.
    pub failing_since: Option<Timestamp>,
    /// Nothing is sent before.
    pub not_before: Option<Timestamp>,
}

/// How patient the gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Seconds between one attempt at a message and the next; after the last it is dead.
    pub pauses: Vec<u64>,
    /// Seconds for which an endpoint may take nothing before it is disabled.
    pub disable_after: u64,
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// It is done.
    Delivered,
    /// It is sent again then.
    Again(Timestamp),
    /// It is given up.
    Dead,
}

/// What becomes of the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// It goes on.
    Goes(Health),
    /// It is disabled; the message stays until it is resumed.
    Disabled(DisabledBecause),
}

/// Seconds for which an endpoint is left alone, at most: it may be well again long before its
/// messages would be sent again.
const LONGEST_REST: u64 = 3_600;

/// What follows an attempt, begun at `began`, at a message that was attempted `before` times.
///
/// Attempts that were under way together fail together: the endpoint's rest grows by the first.
///
/// `jitter` is random: pauses are up to a fifth longer by it, so that what failed together is not
/// sent again together.
#[must_use]
pub fn after_attempt(
    attempted: Attempted,
    before: u32,
    began: Timestamp,
    health: Health,
    patience: &Patience,
    now: Timestamp,
    jitter: u8,
) -> (Message, Endpoint) {
    let retry_after = match attempted {
        Attempted::Taken => return (Message::Delivered, Endpoint::Goes(Health::default())),
        Attempted::Gone => {
            return (
                Message::Again(now),
                Endpoint::Disabled(DisabledBecause::Gone),
            );
        }
        Attempted::Failed { retry_after } => retry_after.map_or(0, |wait| wait.min(LONGEST_REST)),
    };
    let since = health.failing_since.unwrap_or(now);
    if now.seconds_since(since) >= patience.disable_after {
        return (
            Message::Again(now),
            Endpoint::Disabled(DisabledBecause::Failing),
        );
    }
    let pause = |times: u32| {
        let place = usize::try_from(times).unwrap_or(usize::MAX);
        patience.pauses.get(place).copied()
    };
    let message = match pause(before) {
        Some(wait) => Message::Again(now.plus_seconds(jittered(wait.max(retry_after), jitter))),
        None => Message::Dead,
    };
    if health.not_before.is_some_and(|at| at > began) {
        return (message, Endpoint::Goes(health));
    }
    let rest = pause(health.failures).unwrap_or(LONGEST_REST);
    let rest = rest.min(LONGEST_REST).max(retry_after);
    let health = Health {
        failures: health.failures.saturating_add(1),
        failing_since: Some(since),
        not_before: Some(now.plus_seconds(jittered(rest, jitter))),
    };
    (message, Endpoint::Goes(health))
}

/// Up to a fifth longer.
const fn jittered(seconds: u64, jitter: u8) -> u64 {
    seconds.saturating_add(seconds.saturating_mul(jitter as u64) / (5 * u8::MAX as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const FAILED: Attempted = Attempted::Failed { retry_after: None };

    fn patience() -> Patience {
        Patience {
            pauses: vec![5, 300, 36_000],
            disable_after: 86_400,
        }
    }

    fn failing(failures: u32, seconds: u64) -> Health {
        Health {
            failures,
            failing_since: Some(NOW.minus_seconds(seconds)),
            not_before: None,
        }
    }

    #[test]
    fn what_is_taken_is_done_and_the_endpoint_is_well() {
        let after = after_attempt(
            Attempted::Taken,
            2,
            NOW,
            failing(7, 10),
            &patience(),
            NOW,
            9,
        );
        assert_eq!(
            after,
            (Message::Delivered, Endpoint::Goes(Health::default()))
        );
    }

    #[test]
    fn pauses_grow_and_end() {
        let next =
            |before| after_attempt(FAILED, before, NOW, Health::default(), &patience(), NOW, 0).0;
        assert_eq!(next(0), Message::Again(NOW.plus_seconds(5)));
        assert_eq!(next(1), Message::Again(NOW.plus_seconds(300)));
        assert_eq!(next(2), Message::Again(NOW.plus_seconds(36_000)));
        assert_eq!(next(3), Message::Dead);
    }

    #[test]
    fn jitter_makes_a_pause_longer_by_a_fifth_at_most() {
        let again =
            |jitter| after_attempt(FAILED, 1, NOW, failing(1, 1), &patience(), NOW, jitter).0;
        assert_eq!(again(u8::MAX), Message::Again(NOW.plus_seconds(360)));
        assert_eq!(again(u8::MAX / 2), Message::Again(NOW.plus_seconds(329)));
    }

    #[test]
    fn an_endpoint_is_left_alone_for_an_hour_at_most() {
        let rest = |failures| {
            let after = after_attempt(FAILED, 0, NOW, failing(failures, 9), &patience(), NOW, 0);
            match after.1 {
                Endpoint::Goes(health) => health.not_before.map(|at| at.seconds_since(NOW)),
                Endpoint::Disabled(_) => None,
            }
        };
        assert_eq!(
            [0, 1, 2, 3, 100].map(rest),
            [5, 300, 3_600, 3_600, 3_600].map(Some)
        );
    }

    #[test]
    fn what_failed_together_counts_once() {
        let health = Health {
            not_before: Some(NOW.plus_seconds(5)),
            ..failing(1, 0)
        };
        let (message, endpoint) = after_attempt(FAILED, 0, NOW, health, &patience(), NOW, 0);
        assert_eq!(message, Message::Again(NOW.plus_seconds(5)));
        assert_eq!(endpoint, Endpoint::Goes(health));
    }

    #[test]
    fn what_an_endpoint_asks_for_is_heeded_within_reason() {
        let asked = |seconds| {
            let failed = Attempted::Failed {
                retry_after: Some(seconds),
            };
            let (message, endpoint) =
                after_attempt(failed, 0, NOW, Health::default(), &patience(), NOW, 0);
            let Endpoint::Goes(health) = endpoint else {
                unreachable!("it fails for the first time")
            };
            (message, health.not_before)
        };
        let until = |seconds| NOW.plus_seconds(seconds);
        assert_eq!(asked(60), (Message::Again(until(60)), Some(until(60))));
        assert_eq!(asked(1), (Message::Again(until(5)), Some(until(5))));
        let hour = until(3_600);
        assert_eq!(asked(u64::MAX), (Message::Again(hour), Some(hour)));
    }

    #[test]
    fn who_is_gone_or_fails_for_too_long_is_disabled_and_the_message_stays() {
        let gone = after_attempt(
            Attempted::Gone,
            3,
            NOW,
            Health::default(),
            &patience(),
            NOW,
            0,
        );
        let disabled = |because| (Message::Again(NOW), Endpoint::Disabled(because));
        assert_eq!(gone, disabled(DisabledBecause::Gone));
        let day = after_attempt(FAILED, 3, NOW, failing(40, 86_400), &patience(), NOW, 0);
        assert_eq!(day, disabled(DisabledBecause::Failing));
        let less = after_attempt(FAILED, 0, NOW, failing(40, 86_399), &patience(), NOW, 0);
        assert!(matches!(less.1, Endpoint::Goes(_)));
    }
}
