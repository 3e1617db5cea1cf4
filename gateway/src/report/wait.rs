//! How long it takes until something happens, when for some it has not happened yet.
//!
//! Those that still wait are censored: they are known to take at least as long as they have
//! waited. The median and the 95th percentile are those of the Kaplan–Meier estimate, which for
//! a sample without censoring are the ordinary ones: the smallest wait that so many did not
//! exceed.

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

/// Waits that no measure counts: the first of them, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DataErrors {
    pub(super) first: Vec<DataError>,
    pub(super) all: u64,
}

impl DataErrors {
    /// As many as anybody mends one by one.
    const TOLD: usize = 100;

    pub(super) fn add(&mut self, error: DataError) {
        self.all += 1;
        if self.first.len() < Self::TOLD {
            self.first.push(error);
        }
    }
}

/// Waits as they are gathered, however many they are. While there are few different lengths each is
/// kept as it is; beyond that they are rounded down, to as many binary digits as there is room for.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    over: u64,
    all: u64,
    /// Microseconds times units, of those that are over.
    total: u128,
    steps: Vec<Step>,
    room: usize,
    digits: u32,
}

/// Units that waited equally long and for which it is over, or is not.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Twice the microseconds, and one more while it goes on: at the same length what happened comes
    /// before what is censored.
    key: u64,
    units: u64,
}

impl Step {
    const fn micros(self) -> u64 {
        self.key >> 1
    }

    const fn is_over(self) -> bool {
        self.key & 1 == 0
    }

    const fn rounded(self, digits: u32) -> Self {
        let beyond = (u64::BITS - self.micros().leading_zeros()).saturating_sub(digits);
        let micros = self.micros() >> beyond << beyond;
        Self {
            key: micros << 1 | self.key & 1,
            ..self
        }
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self::within(1 << 19)
    }
}

impl Waits {
    /// Room for so many different lengths, of which at least half are kept.
    fn within(room: usize) -> Self {
        Self {
            over: 0,
            all: 0,
            total: 0,
            steps: Vec::new(),
            room,
            digits: u64::BITS,
        }
    }

    /// Adds one.
    pub(super) fn add(&mut self, wait: Wait) {
        let micros = u64::try_from(wait.length.as_micros()).expect("it was made of microseconds");
        self.all += wait.units;
        if wait.is_over {
            self.over += wait.units;
            self.total += u128::from(micros) * u128::from(wait.units);
        }
        if self.steps.len() >= self.room {
            self.make_room();
        }
        let step = Step {
            key: micros << 1 | u64::from(!wait.is_over),
            units: wait.units,
        };
        self.steps.push(step.rounded(self.digits));
    }

    /// What they come to.
    #[must_use]
    pub(super) fn summary(mut self) -> Summary {
        self.settle();
        let mean = self.total.checked_div(u128::from(self.over)).map(|micros| {
            Duration::from_micros(u64::try_from(micros).expect("a mean is within its values"))
        });
        Summary {
            over: self.over,
            all: self.all,
            mean,
            median: quantile(&self.steps, self.all, 0.5),
            p95: quantile(&self.steps, self.all, 0.95),
        }
    }

    /// Puts them in order, each length once.
    fn settle(&mut self) {
        self.steps.sort_unstable_by_key(|step| step.key);
        self.steps.dedup_by(|next, kept| {
            let same = next.key == kept.key;
            if same {
                kept.units += next.units;
            }
            same
        });
    }

    fn make_room(&mut self) {
        // More are more than exact enough, and most lengths have more.
        const FEW: u32 = 20;
        self.settle();
        while self.steps.len() > self.room / 2 && self.digits > 1 {
            self.digits = FEW.min(self.digits - 1);
            for step in &mut self.steps {
                *step = step.rounded(self.digits);
            }
            self.settle();
        }
    }
}

impl Summary {
    /// Of these waits.
    #[must_use]
    pub fn of(waits: impl IntoIterator<Item = Wait>) -> Self {
        let mut all = Waits::default();
        waits.into_iter().for_each(|wait| all.add(wait));
        all.summary()
    }
}

/// The smallest wait at which the share of those that still wait falls to `1 - share` or below.
fn quantile(sorted: &[Step], all: u64, share: f64) -> Option<Duration> {
    // Products of ratios that cancel are exact; rounding must not move the others past a step.
    const ROUNDING: f64 = 1e-12;
    let mut at_risk = all;
    // The estimate and the number at risk after the last censoring. Between censorings the
    // product of the ratios is one ratio.
    let (mut base, mut base_risk) = (1.0, all);
    for step in sorted {
        at_risk -= step.units;
        let waiting = base * at_risk as f64 / base_risk.max(1) as f64;
        if step.is_over() {
            if waiting <= 1.0 - share + ROUNDING {
                return Some(Duration::from_micros(step.micros()));
            }
        } else {
            base *= (at_risk + step.units) as f64 / base_risk.max(1) as f64;
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
