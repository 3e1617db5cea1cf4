//! Campaigns: one deed for many devices, in waves.
//!
//! A campaign draws its devices wave by wave, never faster than its rate. What came of them starts
//! the next wave, pauses the campaign, or stops it. [`tick`] decides that, from counts and the
//! time, and from nothing else; whoever calls it carries out what it returns and counts anew.

mod command;
mod plan;
mod wave;

pub use command::{Command, NotNow, command};
pub use plan::{
    InvalidPercent, InvalidPlan, Late, OnFailure, OnSuccess, Percent, Plan, Rate, Size,
};
pub use wave::{Failing, Tally, Wave};

use crate::domain::{Timestamp, named};

named! {
    /// Where a campaign stands.
    CampaignState("campaign state") {
        /// The devices it is for are being looked up.
        Preparing = 1 "preparing",
        /// It waits to be started.
        Ready = 2 "ready",
        /// It goes on by itself.
        Running = 3 "running",
        /// It waits for somebody to resume or abort it.
        Paused = 4 "paused",
        /// Every device is settled.
        Finished = 5 "finished",
        /// Too much failed, and the plan says to stop.
        Stopped = 6 "stopped",
        /// Somebody ended it.
        Aborted = 7 "aborted",
    }
}

named! {
    /// Where a wave stands.
    WaveState("wave state") {
        /// It has not begun.
        Planned = 1 "planned",
        /// Its devices are being served.
        Running = 2 "running",
        /// Enough of it succeeded: the next may begin, though devices of it may still be open.
        Passed = 3 "passed",
        /// Too much of it failed, or too little succeeded.
        Failed = 4 "failed",
    }
}

named! {
    /// Why a campaign paused or stopped.
    Because("cause") {
        /// An operator paused it.
        Operator = 1 "operator",
        /// A wave passed, and the plan wants somebody to look before the next.
        WavePassed = 2 "wave-passed",
        /// As many devices of a wave failed as the plan lets fail.
        TooManyFailed = 3 "too-many-failed",
        /// All devices of a wave are settled, and too few succeeded.
        TooFewSucceeded = 4 "too-few-succeeded",
    }
}

named! {
    /// How a device of a campaign stands.
    DeviceStep("step of a device") {
        /// Its turn has not come.
        Waiting = 1 "waiting",
        /// Its turn has come; the deed is done at once.
        Due = 2 "due",
        /// The deed is done, and the device has not signed for it.
        Sent = 3 "sent",
        /// It has not signed for so long that it counts as failed. It may yet.
        Silent = 4 "silent",
        /// It signed for it.
        Succeeded = 5 "succeeded",
        /// It was denied, or does not have it in force.
        Failed = 6 "failed",
        /// There was nothing to do.
        Skipped = 7 "skipped",
    }
}

/// A campaign, as far as it decides what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Where it stands.
    pub state: CampaignState,
    /// Why it paused or stopped.
    pub because: Option<Because>,
    /// What it goes by.
    pub plan: Plan,
    /// Its waves in order; where the plan admits late joiners, the last one is theirs.
    pub waves: Vec<Wave>,
}

/// What is counted of a campaign besides its waves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Late joiners whose turn has not come.
    pub late_waiting: u64,
    /// Devices whose turn came within the time of the rate.
    pub drawn_lately: u64,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A wave begins.
    Begin(usize),
    /// A wave has passed.
    Pass(usize),
    /// A wave has failed.
    Fail(usize, Because),
    /// The next devices of a wave get their turn.
    Draw {
        /// Which wave.
        wave: usize,
        /// How many of its devices.
        devices: u64,
    },
    /// The campaign waits for somebody.
    Pause(Because),
    /// The campaign ends for good.
    Stop(Because),
    /// Every device is settled.
    Finish,
}

/// What is due now. Applying what it returns, and calling it again with the same counts, returns
/// nothing.
///
/// However many waves fail at once, the campaign pauses or stops once, and in a tick in which one
/// failed no wave begins and no device gets its turn.
#[must_use]
pub fn tick(campaign: &Campaign, progress: Progress, now: Timestamp) -> Vec<Act> {
    let mut turn = Turn {
        campaign: campaign.clone(),
        acts: Vec::new(),
    };
    if turn.campaign.state != CampaignState::Running {
        return turn.acts;
    }
    turn.campaign.grow_late(progress.late_waiting);
    turn.fail_waves();
    if turn.is_running() {
        turn.pass_and_begin(now);
    }
    if turn.is_running() {
        turn.draw(progress);
    }
    if turn.is_running() && turn.campaign.is_settled(now) {
        turn.act(Act::Finish);
    }
    turn.acts
}

impl Campaign {
    /// Does what an act says of the campaign itself and its waves; devices are drawn elsewhere.
    pub fn apply(&mut self, act: Act) {
        let mut wave = |number: usize, state| {
            if let Some(wave) = self.waves.get_mut(number) {
                wave.state = state;
            }
        };
        match act {
            Act::Begin(number) => wave(number, WaveState::Running),
            Act::Pass(number) => wave(number, WaveState::Passed),
            Act::Fail(number, _) => wave(number, WaveState::Failed),
            Act::Draw { .. } => {}
            Act::Pause(because) => {
                (self.state, self.because) = (CampaignState::Paused, Some(because));
            }
            Act::Stop(because) => {
                (self.state, self.because) = (CampaignState::Stopped, Some(because));
            }
            Act::Finish => (self.state, self.because) = (CampaignState::Finished, None),
        }
    }

    /// The late joiners' wave is as large as they are many.
    fn grow_late(&mut self, waiting: u64) {
        if let Some(late) = self.waves.last_mut().filter(|wave| wave.is_late) {
            late.size = late.tally.drawn + waiting;
        }
    }

    /// What a threshold of a wave is a share of. A late joiners' wave grows, so that its first
    /// failure would be all of it: it is held against the wave before it where that is larger.
    fn base(&self, number: usize) -> u64 {
        let own = self.waves[number].base();
        match number.checked_sub(1) {
            Some(before) if self.waves[number].is_late => own.max(self.waves[before].base()),
            _ => own,
        }
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        let late_is_over = match self.plan.late {
            Late::Never => true,
            Late::Until(until) => now >= until,
        };
        late_is_over && self.waves.iter().all(Wave::is_settled)
    }
}

/// One tick under way.
struct Turn {
    campaign: Campaign,
    acts: Vec<Act>,
}

impl Turn {
    fn act(&mut self, act: Act) {
        self.campaign.apply(act);
        self.acts.push(act);
    }

    fn is_running(&self) -> bool {
        self.campaign.state == CampaignState::Running
    }

    /// Fails every wave that has to, and then pauses or stops once.
    fn fail_waves(&mut self) {
        let mut first = None;
        for number in 0..self.campaign.waves.len() {
            let failing = self.failing(number);
            if let Some(because) = failing {
                self.act(Act::Fail(number, because));
                first = first.or(Some(because));
            }
        }
        if let Some(because) = first {
            self.act(match self.campaign.plan.on_failure {
                OnFailure::Pause => Act::Pause(because),
                OnFailure::Stop => Act::Stop(because),
            });
        }
    }

    fn failing(&self, number: usize) -> Option<Because> {
        let (plan, wave) = (&self.campaign.plan, &self.campaign.waves[number]);
        let base = self.campaign.base(number);
        match wave.state {
            WaveState::Running | WaveState::Passed if wave.fails(plan.failure, base) => {
                Some(Because::TooManyFailed)
            }
            // Late joiners may come as long as the campaign runs: their wave is never short.
            WaveState::Running
                if wave.is_settled() && !wave.is_late && !wave.succeeds(plan.success, base) =>
            {
                Some(Because::TooFewSucceeded)
            }
            _ => None,
        }
    }

    fn pass_and_begin(&mut self, now: Timestamp) {
        for number in 0..self.campaign.waves.len() {
            let wave = &self.campaign.waves[number];
            let passes = match wave.state {
                WaveState::Passed => continue,
                WaveState::Failed => return,
                WaveState::Planned => {
                    self.act(Act::Begin(number));
                    self.passes(number, now)
                }
                WaveState::Running => self.passes(number, now),
            };
            if !passes {
                return;
            }
            self.act(Act::Pass(number));
            let more = number + 1 < self.campaign.waves.len();
            if more && self.campaign.plan.on_success == OnSuccess::Pause {
                return self.act(Act::Pause(Because::WavePassed));
            }
        }
    }

    fn passes(&self, number: usize, now: Timestamp) -> bool {
        let wave = &self.campaign.waves[number];
        if wave.is_late {
            return wave.is_settled() && self.campaign.is_settled(now);
        }
        wave.succeeds(self.campaign.plan.success, self.campaign.base(number))
    }

    /// Gives devices their turn, those of earlier waves first, within the rate.
    fn draw(&mut self, progress: Progress) {
        let rate = u64::from(self.campaign.plan.rate.devices.get());
        let mut left = rate.saturating_sub(progress.drawn_lately);
        for number in 0..self.campaign.waves.len() {
            let wave = &self.campaign.waves[number];
            if wave.state == WaveState::Planned || left == 0 {
                break;
            }
            let devices = wave.undrawn().min(left);
            if devices > 0 {
                left -= devices;
                self.act(Act::Draw {
                    wave: number,
                    devices,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
