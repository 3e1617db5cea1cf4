//! How a factory line does: what a run comes to, and yields over runs.

use crate::domain::{DeviceId, RunState, StationId, Timestamp};

/// One try of a device at a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where.
    pub station: StationId,
    /// Which device.
    pub device: DeviceId,
    /// Counts the tries of a device at a station, from 1.
    pub attempt: u32,
    /// How it stands.
    pub state: RunState,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// What a run that is open comes to.
///
/// A pass is the device's signed acknowledgement within the station's time, in seconds. Until that
/// is over, nothing is decided; when it is, only an acknowledgement in time counts, however late it
/// is looked at.
#[must_use]
pub fn judge(
    opened_at: Timestamp,
    limit: u64,
    acknowledged_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<(RunState, Timestamp)> {
    let last = opened_at.plus_seconds(limit);
    match acknowledged_at {
        Some(at) if opened_at <= at && at <= last => Some((RunState::Pass, at)),
        _ if now > last => Some((RunState::Fail, last)),
        _ => None,
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Yield {
    /// Units that passed.
    pub passed: u64,
    /// All units it is about.
    pub of: u64,
}

impl Yield {
    /// As a share, if there is anything to have a share of.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a factory makes fewer than 2^52 devices"
        )]
        let share = self.passed as f64 / self.of as f64;
        (self.of > 0).then_some(share)
    }
}

/// Units whose first run at the station passed, of those whose first run there closed within the
/// interval, its end exclusive. A device that was scrapped before its first run closed has failed it.
#[must_use]
pub fn first_pass(runs: &[Run], station: StationId, from: Timestamp, to: Timestamp) -> Yield {
    let firsts = runs
        .iter()
        .filter(|run| run.station == station && run.attempt == 1)
        .filter(|run| run.closed_at.is_some_and(|at| from <= at && at < to));
    let mut of_station = Yield::default();
    for run in firsts {
        of_station.of += 1;
        of_station.passed += u64::from(run.state == RunState::Pass);
    }
    of_station
}

/// Devices that passed, of those that passed, failed or were scrapped: each by the run that closed
/// last, or as scrapped if one of its runs says so. One that is still on the line is not counted.
#[must_use]
pub fn final_yield(runs: &[Run]) -> Yield {
    let mut ends = std::collections::BTreeMap::new();
    for run in runs {
        let Some(at) = run.closed_at else { continue };
        let end = ends.entry(&run.device).or_insert((at, run.state));
        let is_scrapped = end.1 == RunState::Scrapped;
        if run.state == RunState::Scrapped || (!is_scrapped && end.0 <= at) {
            *end = (at, run.state);
        }
    }
    let passed = ends.values().filter(|(_, state)| *state == RunState::Pass);
    Yield {
        passed: passed.count() as u64,
        of: ends.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const S: StationId = StationId([1; 16]);
    const OTHER: StationId = StationId([2; 16]);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn run(station: StationId, device: &str, attempt: u32, state: RunState, closed: u64) -> Run {
        Run {
            station,
            device: DeviceId::new(device).unwrap(),
            attempt,
            state,
            closed_at: (state != RunState::Open).then_some(at(closed)),
        }
    }

    #[test]
    fn only_an_acknowledgement_in_time_passes() {
        let open = at(1_000);
        let judged = |ack: Option<u64>, now| judge(open, 60, ack.map(at), at(now));
        assert_eq!(judged(None, 1_060), None);
        assert_eq!(
            judged(Some(1_060), 5_000),
            Some((RunState::Pass, at(1_060)))
        );
        assert_eq!(
            judged(Some(1_061), 1_061),
            Some((RunState::Fail, at(1_060)))
        );
        assert_eq!(judged(None, 1_061), Some((RunState::Fail, at(1_060))));
        // One of an earlier try says nothing of this one.
        assert_eq!(judged(Some(999), 1_030), None);
    }

    #[test]
    fn a_second_try_mends_the_final_yield_and_not_the_first() {
        let runs = [
            run(S, "a", 1, RunState::Pass, 10),
            run(S, "b", 1, RunState::Fail, 20),
            run(S, "b", 2, RunState::Pass, 30),
            run(S, "c", 1, RunState::Fail, 40),
            run(S, "d", 1, RunState::Open, 0),
            run(OTHER, "a", 1, RunState::Pass, 11),
        ];
        assert_eq!(
            first_pass(&runs, S, at(0), at(100)),
            Yield { passed: 1, of: 3 }
        );
        assert_eq!(
            first_pass(&runs, S, at(20), at(40)),
            Yield { passed: 0, of: 1 }
        );
        assert_eq!(final_yield(&runs), Yield { passed: 2, of: 3 });
    }

    #[test]
    fn what_was_scrapped_stays_so() {
        let runs = [
            run(S, "a", 1, RunState::Pass, 10),
            run(S, "a", 2, RunState::Scrapped, 20),
            run(OTHER, "a", 1, RunState::Pass, 30),
        ];
        assert_eq!(final_yield(&runs), Yield { passed: 0, of: 1 });
        assert_eq!(final_yield(&[]).share(), None);
    }
}
