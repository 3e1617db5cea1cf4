//! How long it takes until something happens, when for some it has not happened yet.
//!
//! Those that still wait are censored: they are known to take at least as long as they have
//! waited. The median and the 95th percentile are those of the Kaplan–Meier estimate, which for
//! a sample without censoring are the ordinary ones: the smallest wait that so many did not
//! exceed.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use fleetgrant_core::domain::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::written;

/// How long so many units waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    from: Timestamp,
    length: Duration,
    units: u64,
    is_over: bool,
}

/// It ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{to} is before {from}")]
pub struct Negative {
    /// When the wait began.
    pub from: Timestamp,
    /// When it ended, or when it was looked at.
    pub to: Timestamp,
}

/// A wait that no measure counts, since its dates contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataError {
    /// What waited, for people.
    pub subject: String,
    /// The device, if the wait ended on one.
    pub device: Option<String>,
    /// Units.
    pub units: u64,
    /// When the wait began.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// When it ended, or when it was looked at.
    #[serde(with = "written::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

/// What a measure of waits comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// Units whose wait is over: n.
    #[serde(rename = "n")]
    pub over: u64,
    /// Units that were counted: N.
    #[serde(rename = "of")]
    pub all: u64,
    /// The mean over those n, none of them censored.
    #[serde(rename = "mean_seconds", with = "written::seconds")]
    #[schema(value_type = Option<f64>)]
    pub mean: Option<Duration>,
    /// The wait that half of the N do not exceed; none, if that is not known yet.
    #[serde(rename = "median_seconds", with = "written::seconds")]
    #[schema(value_type = Option<f64>)]
    pub median: Option<Duration>,
    /// The wait that 95 of 100 do not exceed; none, if that is not known yet.
    #[serde(rename = "p95_seconds", with = "written::seconds")]
    #[schema(value_type = Option<f64>)]
    pub p95: Option<Duration>,
}

impl Wait {
    /// A wait that is over.
    pub fn over(from: Timestamp, to: Timestamp, units: u64) -> Result<Self, Negative> {
        Self::new(from, to, units, true)
    }

    /// A wait that goes on.
    pub fn ongoing(from: Timestamp, now: Timestamp, units: u64) -> Result<Self, Negative> {
        Self::new(from, now, units, false)
    }

    /// When it began.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    fn new(from: Timestamp, to: Timestamp, units: u64, is_over: bool) -> Result<Self, Negative> {
        let micros = to.micros().saturating_sub(from.micros());
        let micros = u64::try_from(micros).map_err(|_| Negative { from, to })?;
        Ok(Self {
            from,
            length: Duration::from_micros(micros),
            units,
            is_over,
        })
    }
}

impl Summary {
    /// Of these waits.
    #[must_use]
    pub fn of(mut waits: Vec<Wait>) -> Self {
        // At the same length what happened comes before what is censored.
        waits.sort_unstable_by(|a, b| match a.length.cmp(&b.length) {
            Ordering::Equal => b.is_over.cmp(&a.is_over),
            other => other,
        });
        let all = waits.iter().map(|wait| wait.units).sum();
        let over = waits.iter().filter(|wait| wait.is_over);
        let n = over.clone().map(|wait| wait.units).sum();
        let total: u128 = over
            .map(|wait| wait.length.as_micros() * u128::from(wait.units))
            .sum();
        let mean = total.checked_div(u128::from(n)).map(|micros| {
            Duration::from_micros(u64::try_from(micros).expect("a mean is within its values"))
        });
        Self {
            over: n,
            all,
            mean,
            median: quantile(&waits, all, 0.5),
            p95: quantile(&waits, all, 0.95),
        }
    }
}

/// The smallest wait at which the share of those that still wait falls to `1 - share` or below.
fn quantile(sorted: &[Wait], all: u64, share: f64) -> Option<Duration> {
    // Products of ratios that cancel are exact; rounding must not move the others past a step.
    const ROUNDING: f64 = 1e-12;
    let mut at_risk = all;
    // The estimate and the number at risk after the last censoring. Between censorings the
    // product of the ratios is one ratio.
    let (mut base, mut base_risk) = (1.0, all);
    for wait in sorted {
        at_risk -= wait.units;
        let waiting = base * at_risk as f64 / base_risk.max(1) as f64;
        if wait.is_over {
            if waiting <= 1.0 - share + ROUNDING {
                return Some(wait.length);
            }
        } else {
            base *= (at_risk + wait.units) as f64 / base_risk.max(1) as f64;
            base_risk = at_risk;
        }
    }
    None
}

impl Summary {
    /// The summary as (item, value), for people; `counted` says what n and N are of.
    pub(super) fn lines(&self, counted: &str) -> impl Iterator<Item = (String, String)> + use<> {
        let of = (
            format!("{counted} activated"),
            format!("{} of {}", self.over, self.all),
        );
        let lengths = [
            ("mean of those", self.mean),
            ("median", self.median),
            ("p95", self.p95),
        ];
        let lengths = lengths.map(|(item, length)| (item.to_owned(), Spoken(length).to_string()));
        [of].into_iter().chain(lengths)
    }
}

/// A length of time for people, to three digits or so.
#[derive(Clone, Copy, Debug)]
pub struct Spoken(pub Option<Duration>);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(length) = self.0 else {
            return f.pad("not known");
        };
        let seconds = length.as_secs_f64();
        let text = if seconds < 1.0 {
            format!("{:.0} ms", seconds * 1e3)
        } else if seconds < 60.0 {
            format!("{seconds:.1} s")
        } else if seconds < 3_600.0 {
            format!("{:.1} min", seconds / 60.0)
        } else if seconds < 86_400.0 {
            format!("{:.1} h", seconds / 3_600.0)
        } else {
            format!("{:.1} d", seconds / 86_400.0)
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests;
