//! When an activation starts and ends: calendar arithmetic in the owner's time zone.

use std::num::NonZeroU16;

use fleetgrant_schemas::limits;
use jiff::{Span, tz::TimeZone};

use crate::activation::Run;
use crate::domain::Timestamp;
use crate::entitlement::{Entitlement, Start, Term};

/// The start is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotStarted;

/// When an activation of this entitlement may run, if it is published `now`; `before` is when it
/// was said to run so far. It goes on after its end for the longer of its model's grace and
/// `grace`, seconds both.
///
/// An end that moved is followed, but what was once allowed stays allowed as far as the units
/// are concerned: the run-out never comes nearer.
pub(crate) fn run(
    entitlement: &Entitlement,
    before: Option<&Run>,
    now: Timestamp,
    slack: u64,
    grace: u32,
) -> Result<Run, NotStarted> {
    let start = start(entitlement.start, before, now)?;
    let end = end(entitlement.term, start, &entitlement.zone);
    let grace = entitlement.rules.grace.max(grace);
    let (end, grace) = match entitlement.revoked_from {
        Some(from) if from <= start => return Err(NotStarted),
        Some(from) => until(from, end, grace),
        None => (end, grace),
    };
    let run_out = end
        .filter(|_| !entitlement.outlives())
        .map(|end| end.plus_seconds(u64::from(grace)).plus_seconds(slack));
    Ok(Run {
        start: Some(start),
        end,
        grace,
        run_out: match before {
            None => run_out,
            Some(before) => before
                .run_out
                .and_then(|before| run_out.map(|run_out| run_out.max(before))),
        },
    })
}

/// An end and a grace of seconds after it that both end at `last`, if they do not end before.
fn until(last: Timestamp, end: Option<Timestamp>, grace: u32) -> (Option<Timestamp>, u32) {
    match end {
        Some(end) if end <= last => {
            let left = u32::try_from(last.seconds_since(end)).unwrap_or(u32::MAX);
            (Some(end), grace.min(left))
        }
        _ => (Some(last), 0),
    }
}

/// When a temporary licence runs: from when it was given, for whole days, without grace. It does
/// not wait for the device, or what runs could be longer ago than what its quota counts.
pub(crate) fn temporary(days: NonZeroU16, given_at: Timestamp, slack: u64) -> Run {
    let end = given_at.plus_seconds(u64::from(days.get()) * 86_400);
    Run {
        start: Some(given_at),
        end: Some(end),
        grace: 0,
        run_out: Some(end.plus_seconds(slack)),
    }
}

/// Whether this entitlement's term is over at `now`, whatever its grace.
pub(crate) fn is_over(entitlement: &Entitlement, now: Timestamp) -> bool {
    run(entitlement, None, now, 0, 0).is_ok_and(|run| run.end.is_some_and(|end| end <= now))
}

impl Entitlement {
    /// Whether its time begins to run when a unit is published.
    pub(crate) const fn starts_when_activated(&self) -> bool {
        matches!(self.term, Term::For { .. })
            && matches!(
                self.start,
                Start::FirstActivation { .. } | Start::EachActivation { .. }
            )
    }

    /// From then on nothing more of it can be published: the end, grace included, that its latest
    /// possible start gives. None where it has no end, or none that is known yet.
    #[must_use]
    pub fn publishable_until(&self) -> Option<Timestamp> {
        let start = match self.start {
            Start::At(start) => Some(start),
            Start::FirstActivation { latest } | Start::EachActivation { latest } => latest,
            Start::Awaited => return self.revoked_from,
        };
        let end = match self.term {
            Term::Perpetual => None,
            Term::Until(end) => Some(end),
            Term::For { .. } => start.and_then(|start| end(self.term, start, &self.zone)),
        };
        let end = end.map(|end| end.plus_seconds(u64::from(self.rules.grace)));
        match (end, self.revoked_from) {
            (Some(end), Some(from)) => Some(end.min(from)),
            (end, from) => end.or(from),
        }
    }
}

fn start(start: Start, before: Option<&Run>, now: Timestamp) -> Result<Timestamp, NotStarted> {
    let at_latest = |latest: Option<Timestamp>| latest.map_or(now, |latest| latest.min(now));
    match start {
        Start::At(start) => Ok(start),
        Start::FirstActivation { latest } => Ok(at_latest(latest)),
        Start::EachActivation { latest } => Ok(before
            .and_then(|run| run.start)
            .unwrap_or(at_latest(latest))),
        Start::Awaited => before.and_then(|run| run.start).ok_or(NotStarted),
    }
}

pub(crate) fn end(term: Term, start: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    match term {
        Term::Perpetual => None,
        Term::Until(end) => Some(end),
        Term::For { months, days } => Some(after(start, months, days, zone)),
    }
}

/// The start of the day that many months and then days after the day of `start`; the day itself
/// counts, so a year from 3 March ends when 3 March begins. From 29 February it ends when
/// 28 February begins. What no calendar holds is the last instant the wire can say.
pub(crate) fn after(start: Timestamp, months: u16, days: u16, zone: &TimeZone) -> Timestamp {
    let last = Timestamp::from_seconds(limits::MAX_INSTANT - 1);
    let span = Span::new().months(months).days(days);
    jiff::Timestamp::from_microsecond(start.micros())
        .and_then(|start| {
            start
                .to_zoned_datetime(zone.clone())
                .date()
                .checked_add(span)
        })
        .and_then(|day| day.to_zoned_datetime(zone.clone()))
        .map_or(last, |end| {
            Timestamp::from_micros(end.timestamp().as_microsecond()).min(last)
        })
}

#[cfg(test)]
mod tests;
