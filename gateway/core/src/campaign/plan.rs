//! What a campaign goes by: the sizes of its waves, its thresholds and its rate.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::Wave;
use crate::domain::{Timestamp, named};

/// Waves of a campaign at most, that of late joiners left out.
const MAX_WAVES: usize = 64;
/// The longest time a rate is over: a week, in seconds.
const LONGEST_RATE: u32 = 7 * 86_400;
/// The longest that an acknowledgement is waited for: a year, in seconds.
const LONGEST_PATIENCE: u32 = 366 * 86_400;

/// What a campaign goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The sizes of its waves; what is left over is in one more.
    pub sizes: Vec<Size>,
    /// The share of a wave that must succeed before the next begins.
    pub success: Percent,
    /// What happens when a wave has passed.
    pub on_success: OnSuccess,
    /// The share of a wave at which its failures are too many.
    pub failure: Percent,
    /// What happens then, or when too few succeeded.
    pub on_failure: OnFailure,
    /// How fast devices get their turn.
    pub rate: Rate,
    /// Seconds that a device has to sign for what it was sent, before it counts as failed.
    pub patience: NonZeroU32,
    /// What becomes of devices that fit later.
    pub late: Late,
}

/// The size of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many devices.
    Devices(NonZeroU32),
    /// A share of all devices; at least one.
    Share(Percent),
}

/// 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

named! {
    /// What happens when a wave has passed.
    OnSuccess("act on success") {
        /// The next wave begins.
        Next = 1 "next",
        /// The campaign waits for somebody to resume it.
        Pause = 2 "pause",
    }
}

named! {
    /// What happens when a wave has failed.
    OnFailure("act on failure") {
        /// The campaign waits for somebody to resume or abort it.
        Pause = 1 "pause",
        /// The campaign ends.
        Stop = 2 "stop",
    }
}

/// How fast devices get their turn: in any stretch of time so long, no more than so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many devices.
    pub devices: NonZeroU32,
    /// In how many seconds.
    pub per: NonZeroU32,
}

/// What becomes of devices that fit the selection after the campaign was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// They are not part of it.
    Never,
    /// They join in a last wave, until this instant; the campaign runs as long.
    Until(Timestamp),
}

/// A number that is no percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no percentage: write 1% to 100%")]
pub struct InvalidPercent(String);

/// A plan that cannot be gone by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlan {
    /// Too many waves.
    #[error("{0} waves are too many: {MAX_WAVES} at most")]
    TooManyWaves(usize),
    /// The shares are more than all.
    #[error("the waves are {0} % of the devices: leave some out, the rest is a wave of its own")]
    MoreThanAll(u32),
    /// A rate over too long a time.
    #[error("a rate is over {LONGEST_RATE} s at most, not {0} s")]
    SlowRate(u32),
    /// It would wait too long.
    #[error("a device has {LONGEST_PATIENCE} s to sign at most, not {0} s")]
    LongPatience(u32),
    /// No size of a wave.
    #[error("{0:?} is no size of a wave: write a number of devices, as 10, or a share, as 5%")]
    NoSize(String),
    /// No rate.
    #[error("{0:?} is no rate: write devices and a time, as 100/min, 500/h or 20000/d")]
    NoRate(String),
}

impl Plan {
    /// That it can be gone by.
    ///
    /// # Errors
    /// See [`InvalidPlan`].
    pub fn check(&self) -> Result<(), InvalidPlan> {
        if self.sizes.len() > MAX_WAVES {
            return Err(InvalidPlan::TooManyWaves(self.sizes.len()));
        }
        let shares = self.sizes.iter().map(|size| match size {
            Size::Share(share) => u32::from(share.0),
            Size::Devices(_) => 0,
        });
        let shares = shares.sum();
        if shares > 100 {
            return Err(InvalidPlan::MoreThanAll(shares));
        }
        if self.rate.per.get() > LONGEST_RATE {
            return Err(InvalidPlan::SlowRate(self.rate.per.get()));
        }
        if self.patience.get() > LONGEST_PATIENCE {
            return Err(InvalidPlan::LongPatience(self.patience.get()));
        }
        Ok(())
    }

    /// Its waves, for so many devices. Waves that nobody is left for are left out.
    #[must_use]
    pub fn divide(&self, devices: u64) -> Vec<Wave> {
        let mut left = devices;
        let mut waves = Vec::new();
        for size in &self.sizes {
            let size = size.of(devices).min(left);
            if size > 0 {
                left -= size;
                waves.push(Wave::planned(size, false));
            }
        }
        if left > 0 {
            waves.push(Wave::planned(left, false));
        }
        if self.late != Late::Never {
            waves.push(Wave::planned(0, true));
        }
        waves
    }
}

impl Size {
    fn of(self, devices: u64) -> u64 {
        match self {
            Self::Devices(size) => size.get().into(),
            Self::Share(share) => (devices * u64::from(share.0)).div_ceil(100),
        }
    }
}

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(100);

    /// # Errors
    /// If it is not 1 to 100.
    pub fn new(percent: u8) -> Result<Self, InvalidPercent> {
        match percent {
            1..=100 => Ok(Self(percent)),
            _ => Err(InvalidPercent(percent.to_string())),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether `part` is that much of `whole`, or more; of nothing, any part is.
    pub(super) fn is_reached(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 100 >= u128::from(whole) * u128::from(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl FromStr for Percent {
    type Err = InvalidPercent;

    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let invalid = || InvalidPercent(text.to_owned());
        digits
            .parse()
            .map_err(|_| invalid())
            .and_then(|percent| Self::new(percent).map_err(|_| invalid()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices(devices) => devices.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

impl FromStr for Size {
    type Err = InvalidPlan;

    fn from_str(text: &str) -> Result<Self, InvalidPlan> {
        let size = match text.strip_suffix('%') {
            Some(_) => text.parse().ok().map(Self::Share),
            None => text.parse().ok().map(Self::Devices),
        };
        size.ok_or_else(|| InvalidPlan::NoSize(text.to_owned()))
    }
}

/// The times a rate is written with, in seconds; the longest last.
const TIMES: [(&str, u32); 4] = [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (devices, per) = (self.devices, self.per.get());
        match TIMES.into_iter().find(|(_, seconds)| *seconds == per) {
            Some((name, _)) => write!(f, "{devices}/{name}"),
            None => write!(f, "{devices}/{per}s"),
        }
    }
}

impl FromStr for Rate {
    type Err = InvalidPlan;

    fn from_str(text: &str) -> Result<Self, InvalidPlan> {
        let read = || {
            let (devices, time) = text.split_once('/')?;
            let name = time.trim_start_matches(|c: char| c.is_ascii_digit());
            let times = &time[..time.len() - name.len()];
            let times = match times {
                "" => 1,
                times => times.parse::<u32>().ok()?,
            };
            let (_, seconds) = TIMES.into_iter().find(|(known, _)| *known == name)?;
            Some(Self {
                devices: devices.parse().ok()?,
                per: NonZeroU32::new(times.checked_mul(seconds)?)?,
            })
        };
        read().ok_or_else(|| InvalidPlan::NoRate(text.to_owned()))
    }
}
