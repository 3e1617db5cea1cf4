//! The time, for a device that may have no clock: a floor that the true time is not below.
//!
//! Two floors run side by side. The *proven* one is what the authority signed in answer to a
//! nonce of ours, and the uptime since. The *claimed* one is whatever else says that it is
//! later: a wall clock, a grant that answered nothing, a minute for every start. A claim only
//! adds, so setting a clock back gains nothing; and a fresh proof drops it, so a clock that once
//! stood in the far future does no lasting harm.

use fleetgrant_schemas::limits::MAX_INSTANT;

use crate::time::{self, Instant};

const MINUTE_MILLIS: u64 = 60_000;
const PERSIST_EVERY_MILLIS: u64 = 15 * MINUTE_MILLIS;

/// What is persisted of them: proven, claimed.
pub(crate) type Floors = (u64, u64);

/// The floors, in milliseconds since 1970, as they were at one moment of the uptime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockFloor {
    proven: u64,
    claimed: u64,
    at: Instant,
    persisted: Instant,
    /// The floor that was persisted.
    stored: u64,
}

impl ClockFloor {
    /// After a start, from what was persisted. The device was off for an unknown time: each
    /// start counts as a minute, so that power cycles do not stop the clock.
    pub(crate) fn restore(proven: u64, claimed: u64, now: Instant) -> Self {
        let claimed = proven.max(claimed).saturating_add(MINUTE_MILLIS);
        Self {
            proven,
            claimed,
            at: now,
            persisted: now,
            stored: claimed,
        }
    }

    /// The floor, in seconds since 1970.
    #[inline(never)]
    pub(crate) fn secs(&self, now: Instant) -> u64 {
        // A later one could not be written into a request.
        self.secs_of(self.proven.max(self.claimed), now)
            .min(MAX_INSTANT)
    }

    /// The floor without what is only claimed.
    pub(crate) fn proven_secs(&self, now: Instant) -> u64 {
        self.secs_of(self.proven, now)
    }

    /// The floor when the uptime was zero, in milliseconds: whatever the uptime, as long as nothing
    /// is proven or claimed.
    #[inline(never)]
    pub(crate) fn at_zero(&self) -> u64 {
        self.proven.max(self.claimed).saturating_sub(self.at.0)
    }

    /// The same of the floor without what is only claimed.
    pub(crate) fn proven_at_zero(&self) -> u64 {
        self.proven.saturating_sub(self.at.0)
    }

    /// The floor that was persisted, in seconds since 1970.
    pub(crate) fn stored_secs(&self) -> u64 {
        time::secs(self.stored)
    }

    fn secs_of(&self, floor: u64, now: Instant) -> u64 {
        time::secs(Instant(floor).plus_millis(now.millis_since(self.at)).0)
    }

    /// An `iat` (seconds) that answers a live nonce.
    pub(crate) fn prove(&mut self, issued_at: u64, now: Instant) {
        self.advance(now);
        self.proven = self.proven.max(time::millis(issued_at));
        self.claimed = 0;
    }

    /// Something else that says that it is at least this late (seconds).
    pub(crate) fn claim(&mut self, unix_secs: u64, now: Instant) {
        self.advance(now);
        self.claimed = self.claimed.max(time::millis(unix_secs));
    }

    /// What to persist.
    pub(crate) fn persist(&mut self, now: Instant) -> Floors {
        self.advance(now);
        self.postpone_persist(now);
        (self.proven, self.claimed)
    }

    /// It could not be persisted: the next time counts from now.
    pub(crate) fn postpone_persist(&mut self, now: Instant) {
        self.persisted = now;
        self.stored = self.proven.max(self.claimed);
    }

    /// When it must be persisted next.
    pub(crate) fn persist_at(&self) -> Instant {
        self.persisted.plus_millis(PERSIST_EVERY_MILLIS)
    }

    /// When the floor reaches this second.
    pub(crate) fn reaches(&self, secs: u64) -> Instant {
        let floor = self.proven.max(self.claimed);
        self.at
            .plus_millis(time::millis(secs).saturating_sub(floor))
    }

    fn advance(&mut self, now: Instant) {
        let elapsed = now.millis_since(self.at);
        self.proven = self.proven.saturating_add(elapsed);
        self.claimed = self.claimed.saturating_add(elapsed);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: u64 = 365 * 86_400;

    #[test]
    fn it_runs_with_the_uptime_and_never_falls() {
        let mut floor = ClockFloor::restore(0, 0, Instant(0));
        floor.prove(1_000_000, Instant(5_000));
        assert_eq!(floor.secs(Instant(5_000)), 1_000_000);
        assert_eq!(floor.secs(Instant(65_999)), 1_000_060);
        floor.prove(999_000, Instant(66_000));
        assert_eq!(floor.secs(Instant(66_000)), 1_000_061, "an older iat");
        assert_eq!(
            floor.secs(Instant(0)),
            1_000_061,
            "an uptime that goes back"
        );
    }

    #[test]
    fn a_start_counts_as_a_minute_until_a_proof() {
        let mut floor = ClockFloor::restore(0, 0, Instant(0));
        floor.prove(1_000_000, Instant(0));
        for _ in 0..10 {
            let (proven, claimed) = floor.persist(Instant(0));
            floor = ClockFloor::restore(proven, claimed, Instant(0));
        }
        assert_eq!(floor.secs(Instant(0)), 1_000_600);
        floor.prove(1_000_100, Instant(0));
        assert_eq!(floor.secs(Instant(0)), 1_000_100);
    }

    #[test]
    fn what_was_not_persisted_is_all_that_a_power_cut_loses() {
        let mut floor = ClockFloor::restore(0, 0, Instant(0));
        floor.prove(1_000_000, Instant(0));
        let (proven, claimed) = floor.persist(Instant(0));
        assert_eq!(floor.persist_at(), Instant(900_000));
        // 14 minutes later the power fails: the minute of the start is all that is added.
        let after = ClockFloor::restore(proven, claimed, Instant(0));
        assert_eq!(after.secs(Instant(0)), 1_000_060);
    }

    #[test]
    fn a_clock_can_only_add_and_setting_it_back_gains_nothing() {
        let mut floor = ClockFloor::restore(0, 0, Instant(0));
        floor.prove(1_000_000, Instant(0));
        floor.claim(900_000, Instant(0));
        assert_eq!(floor.secs(Instant(0)), 1_000_000);
        floor.claim(1_000_000 + YEAR, Instant(0));
        floor.claim(1_000_000, Instant(0));
        assert_eq!(floor.secs(Instant(0)), 1_000_000 + YEAR);
        let (proven, claimed) = floor.persist(Instant(0));
        let after = ClockFloor::restore(proven, claimed, Instant(0));
        assert_eq!(after.secs(Instant(0)), 1_000_060 + YEAR);
        assert_eq!(after.proven_secs(Instant(0)), 1_000_000);
    }

    #[test]
    fn a_clock_in_the_far_future_is_healed_by_a_fresh_answer() {
        let mut floor = ClockFloor::restore(0, 0, Instant(0));
        floor.claim(1_000_000 + 70 * YEAR, Instant(0));
        floor.prove(1_000_000, Instant(1_000));
        assert_eq!(floor.secs(Instant(1_000)), 1_000_000);
    }

    #[test]
    fn it_tells_when_it_reaches_an_instant() {
        let mut floor = ClockFloor::restore(0, 0, Instant(0));
        floor.prove(1_000_000, Instant(500));
        assert_eq!(floor.reaches(1_000_010), Instant(10_500));
        assert_eq!(floor.reaches(10), Instant(500));
    }
}
