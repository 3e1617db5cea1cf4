//! A wave, and what came of its devices.

use super::{Percent, WaveState};
use crate::domain::named;

named! {
    /// Why a device of a campaign counts as failed.
    Failing("cause of a failure") {
        /// A rule denied it.
        Denied = 1 "denied",
        /// The device is dead, retired or comes back from the dead.
        OutOfService = 2 "out-of-service",
        /// The device was never admitted, so nothing could be sent.
        NotAdmitted = 3 "not-admitted",
        /// The device refused what it was sent, or gave it back.
        NotInForce = 4 "not-in-force",
        /// It was undone before the device had it.
        Undone = 5 "undone",
        /// The device did not sign for so long as the plan waits.
        NoAnswer = 6 "no-answer",
        /// It could not be done, and the log says why.
        Fault = 7 "fault",
        /// What it has cannot be upgraded one device at a time: its units are not counted, or all of
        /// it is just being upgraded.
        NotUpgradable = 8 "not-upgradable",
    }
}

/// Some of the devices of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Where it stands.
    pub state: WaveState,
    /// Whether it is that of late joiners.
    pub is_late: bool,
    /// How many devices it has.
    pub size: u64,
    /// What came of them.
    pub tally: Tally,
    /// Failures that an operator has looked at: only those beyond count.
    pub excused: u64,
}

/// What came of the devices of a wave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Had their turn.
    pub drawn: u64,
    /// Of those, signed for it.
    pub succeeded: u64,
    /// Of those, failed.
    pub failed: u64,
    /// Of those, had nothing to be done.
    pub skipped: u64,
}

impl Tally {
    /// Had their turn, and are not settled.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.drawn
            .saturating_sub(self.succeeded)
            .saturating_sub(self.failed)
            .saturating_sub(self.skipped)
    }
}

impl Wave {
    /// A wave that has not begun.
    #[must_use]
    pub const fn planned(size: u64, is_late: bool) -> Self {
        Self {
            state: WaveState::Planned,
            is_late,
            size,
            tally: Tally {
                drawn: 0,
                succeeded: 0,
                failed: 0,
                skipped: 0,
            },
            excused: 0,
        }
    }

    /// Devices whose turn has not come.
    #[must_use]
    pub const fn undrawn(&self) -> u64 {
        self.size.saturating_sub(self.tally.drawn)
    }

    /// Whether nothing is to be expected of it any more.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.undrawn() == 0 && self.tally.open() == 0
    }

    /// What its thresholds are a share of: devices with nothing to be done prove nothing.
    pub(super) const fn base(&self) -> u64 {
        self.size.saturating_sub(self.tally.skipped)
    }

    pub(super) fn succeeds(&self, threshold: Percent, base: u64) -> bool {
        threshold.is_reached(self.tally.succeeded, base)
    }

    pub(super) fn fails(&self, threshold: Percent, base: u64) -> bool {
        let failed = self.tally.failed.saturating_sub(self.excused);
        failed > 0 && threshold.is_reached(failed, base)
    }
}
