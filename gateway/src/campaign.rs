//! Campaigns: made, told, and carried on.
//!
//! What comes next is decided by the core on counts; a round of upkeep counts, decides and records
//! in one transaction, and then does the deed to each device whose turn came, each in a transaction
//! of its own in which the device is marked, so that nothing is done twice by whomever.

mod create;
mod round;
mod terms;

pub use create::CampaignError;
pub use round::Campaigns;
pub use terms::{InvalidTerms, PlanTerms, Selection, Terms};

use fleetgrant_core::campaign::Command;
use fleetgrant_core::domain::{CampaignId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};

use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError};

/// In the history of a campaign.
fn tell(
    db: &mut Db,
    campaign: CampaignId,
    actor: &str,
    events: &[Event],
    now: Timestamp,
) -> Result<(), StoreError> {
    let occasion = Occasion {
        at: now,
        actor,
        cause: &campaign.0,
    };
    event::append(db, Stream::Campaign(campaign), occasion, events)
}

/// What a command is in the history.
const fn told(command: Command) -> EventKind {
    match command {
        Command::Start => EventKind::CampaignStarted,
        Command::Pause => EventKind::CampaignPaused,
        Command::Resume => EventKind::CampaignResumed,
        Command::Abort => EventKind::CampaignAborted,
    }
}
