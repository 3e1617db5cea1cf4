//! The one place that reads the wall clock, and sees it jump.
//!
//! What the gateway signs bears instants that devices enforce for years, so it signs nothing while
//! its own clock has jumped. A jump is a wall clock that no longer fits the monotonic clock started
//! with it: a step by an operator or by NTP, or a virtual machine that was paused.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fleetgrant_core::domain::Timestamp;

/// How far the wall clock may be from where the monotonic clock expects it, at the start.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Parts per million of the uptime added to [`TOLERANCE`]: more than a crystal drifts (100 ppm).
const DRIFT_PPM: u128 = 200;

/// The clock of the gateway. Clones share it.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn ReadClocks>,
    start: Reading,
}

/// What both clocks of a machine say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock: time since some moment that never changes.
    pub uptime: Duration,
}

/// The wall clock does not fit the monotonic clock any more; nothing is signed until it does, or
/// until the gateway was started again with the clock set right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock says {wall} where {expected} was expected: nothing is signed until it is right \
     again; set it, or restart the gateway once it is right"
)]
pub struct ClockJumped {
    /// What the wall clock says.
    pub wall: Timestamp,
    /// What it should say by the monotonic clock.
    pub expected: Timestamp,
}

impl Clock {
    /// The clocks of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self::from_source(Arc::new(SystemClocks {
            started: Instant::now(),
        }))
    }

    /// A clock whose hands a test moves.
    #[must_use]
    pub fn manual(wall: Timestamp) -> (Self, ManualClock) {
        let hands = ManualClock(Arc::new(Mutex::new(Reading {
            wall,
            uptime: Duration::ZERO,
        })));
        (Self::from_source(Arc::new(hands.clone())), hands)
    }

    fn from_source(source: Arc<dyn ReadClocks>) -> Self {
        let start = source.read();
        Self { source, start }
    }

    /// The wall clock, jumped or not: for logs and measures.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.source.read().wall
    }

    /// The instant to decide and sign by.
    ///
    /// # Errors
    /// [`ClockJumped`], counted as `fleetgrant_clock_jumped_total`.
    pub fn trusted_now(&self) -> Result<Timestamp, ClockJumped> {
        check(self.start, self.source.read()).inspect_err(|_| {
            metrics::counter!("fleetgrant_clock_jumped_total").increment(1);
        })
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// Whether the wall clock has moved as the monotonic clock has since `start`.
fn check(start: Reading, now: Reading) -> Result<Timestamp, ClockJumped> {
    let uptime = now.uptime.saturating_sub(start.uptime).as_micros();
    let allowed = TOLERANCE.as_micros() + uptime * DRIFT_PPM / 1_000_000;
    let expected = i128::from(start.wall.micros()) + uptime as i128;
    let off = (i128::from(now.wall.micros()) - expected).unsigned_abs();
    if off <= allowed {
        Ok(now.wall)
    } else {
        Err(ClockJumped {
            wall: now.wall,
            expected: Timestamp::from_micros(i64::try_from(expected).unwrap_or(i64::MAX)),
        })
    }
}

trait ReadClocks: Send + Sync {
    fn read(&self) -> Reading;
}

struct SystemClocks {
    started: Instant,
}

impl ReadClocks for SystemClocks {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads it")]
    fn read(&self) -> Reading {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Reading {
            wall: Timestamp::from_micros(
                i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX),
            ),
            uptime: self.started.elapsed(),
        }
    }
}

/// The hands of a clock made by [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Reading>>);

impl ManualClock {
    /// Time passes: both clocks move.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.uptime += by;
        reading.wall = moved(reading.wall, by.as_micros() as i64);
    }

    /// The wall clock alone is set, by so many seconds forward or back.
    pub fn jump(&self, seconds: i64) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.wall = moved(reading.wall, seconds.saturating_mul(1_000_000));
    }
}

impl ReadClocks for ManualClock {
    fn read(&self) -> Reading {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn moved(instant: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(instant.micros().saturating_add(micros))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn time_that_passes_is_trusted() {
        let (clock, hands) = Clock::manual(NOON);
        hands.advance(Duration::from_secs(365 * 86_400));
        assert_eq!(
            clock.trusted_now().unwrap(),
            NOON.plus_seconds(365 * 86_400)
        );
    }

    #[test]
    fn a_jump_either_way_is_refused_until_it_is_undone() {
        for seconds in [-61, 61, -86_400, 86_400] {
            let (clock, hands) = Clock::manual(NOON);
            hands.advance(Duration::from_secs(10));
            hands.jump(seconds);
            let jumped = clock.trusted_now().unwrap_err();
            assert_eq!(
                jumped.expected,
                NOON.plus_seconds(10),
                "jump of {seconds} s"
            );
            assert_eq!(clock.now(), jumped.wall);
            hands.jump(-seconds);
            assert!(clock.trusted_now().is_ok(), "undone jump of {seconds} s");
        }
    }

    #[test]
    fn a_correction_by_seconds_is_no_jump() {
        let (clock, hands) = Clock::manual(NOON);
        hands.jump(-59);
        assert_eq!(clock.trusted_now().unwrap(), moved(NOON, -59_000_000));
    }

    #[test]
    fn many_small_steps_add_up_to_a_jump() {
        let (clock, hands) = Clock::manual(NOON);
        let refused = (0..10).any(|_| {
            hands.jump(30);
            hands.advance(Duration::from_secs(1));
            clock.trusted_now().is_err()
        });
        assert!(refused);
    }

    #[test]
    fn drift_of_a_crystal_over_a_year_is_no_jump() {
        let (clock, hands) = Clock::manual(NOON);
        hands.advance(Duration::from_secs(365 * 86_400));
        hands.jump(365 * 86_400 / 10_000);
        assert!(clock.trusted_now().is_ok());
    }
}
