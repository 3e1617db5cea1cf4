//! What people tell a campaign.

use super::{Because, Campaign, CampaignState, WaveState};
use crate::domain::named;

named! {
    /// What people tell a campaign.
    Command("command") {
        /// Its first wave begins.
        Start = 1 "start",
        /// No device gets its turn until it is resumed. What is out is out.
        Pause = 2 "pause",
        /// It goes on, though waves have failed: their failures so far are excused.
        Resume = 3 "resume",
        /// It ends for good. What is out is out.
        Abort = 4 "abort",
    }
}

/// A command that does not fit how a campaign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the campaign is {state}: it cannot {command}{}", hint(*.state))]
pub struct NotNow {
    /// Where it stands.
    pub state: CampaignState,
    /// What it was told.
    pub command: Command,
}

fn hint(state: CampaignState) -> &'static str {
    match state {
        CampaignState::Preparing => " until its devices are looked up",
        CampaignState::Ready => " before it is started",
        CampaignState::Running => ", it runs already",
        CampaignState::Paused => ", resume or abort it",
        CampaignState::Finished | CampaignState::Stopped | CampaignState::Aborted => {
            " any more; make a new one for what is left"
        }
    }
}

/// Tells a campaign.
///
/// # Errors
/// If that is nothing to tell it as it stands; it is unchanged then.
pub fn command(campaign: &mut Campaign, command: Command) -> Result<(), NotNow> {
    use CampaignState::{Aborted, Paused, Preparing, Ready, Running};
    let state = campaign.state;
    (campaign.state, campaign.because) = match (state, command) {
        (Ready, Command::Start) | (Paused, Command::Resume) => (Running, None),
        (Running, Command::Pause) => (Paused, Some(Because::Operator)),
        (Preparing | Ready | Running | Paused, Command::Abort) => (Aborted, None),
        _ => return Err(NotNow { state, command }),
    };
    if command == Command::Resume {
        campaign.excuse();
    }
    Ok(())
}

impl Campaign {
    /// What failed so far is looked at: only what fails from now on counts. A wave of which nothing
    /// more is to be expected has passed, or it would fail again at once.
    fn excuse(&mut self) {
        for wave in &mut self.waves {
            if wave.state == WaveState::Failed {
                wave.excused = wave.tally.failed;
                wave.state = if wave.is_settled() {
                    WaveState::Passed
                } else {
                    WaveState::Running
                };
            }
        }
    }
}
