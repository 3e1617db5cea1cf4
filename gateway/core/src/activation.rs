//! One activation: units of an entitlement on a device.

use crate::device::Device;
use crate::domain::{
    ActivationId, ActivationKind, ActivationState, CodeId, EntitlementId, Origin, RemovalReason,
    SetKey, StorageClass, Timestamp,
};

/// Units of one entitlement on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Its id, on the wire too.
    pub id: ActivationId,
    /// Whose units it takes.
    pub entitlement: EntitlementId,
    /// How many; at least 1.
    pub units: u32,
    /// What kind of right.
    pub kind: ActivationKind,
    /// How it came about.
    pub origin: Origin,
    /// The activation whose units these were before.
    pub predecessor: Option<ActivationId>,
    /// The code that gave it.
    pub code: Option<CodeId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it may run; set when it is first published.
    pub run: Option<Run>,
    /// When the device's word that it is in was first recorded; or, if it came in a file, when it
    /// was given.
    pub activated_at: Option<Timestamp>,
    /// What was used in total.
    pub usage: u64,
    /// The board that had it was replaced, and no set for the new one had it yet: nothing that the
    /// new board signs proves that it is gone.
    pub stranded: bool,
    /// Where it stands.
    pub standing: Standing,
}

/// When an activation may run on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// From here on; none: at once.
    pub start: Option<Timestamp>,
    /// Until here, exclusive; none: for ever.
    pub end: Option<Timestamp>,
    /// Seconds that it goes on after the end.
    pub grace: u32,
    /// The latest moment any committed set lets it run: end, grace and slack; none: for ever.
    pub run_out: Option<Timestamp>,
}

impl Run {
    /// Whether its end and its grace have passed.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let last = self.end.map(|end| end.plus_seconds(u64::from(self.grace)));
        last.is_some_and(|last| last <= now)
    }
}

/// Where an activation stands, with what only that state has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Assigned, in no committed set yet.
    Reserved,
    /// In a committed set.
    Published,
    /// The device's signed word that it is in.
    Activated,
    /// Feature off, unit kept.
    Suspended,
    /// Taken out of the set, not yet proven.
    Removing(Removal),
    /// Removal never proven.
    Orphaned(Removal),
    /// Undone before it was published.
    Cancelled,
    /// Proven gone.
    Removed(RemovalReason),
    /// The time it could run has passed.
    Lapsed,
    /// Given up by an operator; never reused. The device may have it as long as its absence is not
    /// proven.
    WrittenOff(Removal),
}

/// A removal that waits for proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Why.
    pub reason: RemovalReason,
    /// The first set without it: holding this or a later one is the proof.
    pub removed_in: SetKey,
    /// When that set was committed.
    pub since: Timestamp,
}

/// Columns that make no standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStanding {
    /// An activation being removed must say why, in which set and since when.
    #[error("an activation that is {0} needs a reason, a set and an instant of removal")]
    RemovalIncomplete(ActivationState),
    /// A removed activation must say why.
    #[error("a removed activation needs a reason")]
    ReasonMissing,
}

impl Standing {
    /// From the columns of a table.
    pub fn from_parts(
        state: ActivationState,
        reason: Option<RemovalReason>,
        removed_in: Option<SetKey>,
        since: Option<Timestamp>,
    ) -> Result<Self, InvalidStanding> {
        let removal = || match (reason, removed_in, since) {
            (Some(reason), Some(removed_in), Some(since)) => Ok(Removal {
                reason,
                removed_in,
                since,
            }),
            _ => Err(InvalidStanding::RemovalIncomplete(state)),
        };
        Ok(match state {
            ActivationState::Reserved => Self::Reserved,
            ActivationState::Published => Self::Published,
            ActivationState::Activated => Self::Activated,
            ActivationState::Suspended => Self::Suspended,
            ActivationState::Removing => Self::Removing(removal()?),
            ActivationState::Orphaned => Self::Orphaned(removal()?),
            ActivationState::Cancelled => Self::Cancelled,
            ActivationState::Removed => {
                Self::Removed(reason.ok_or(InvalidStanding::ReasonMissing)?)
            }
            ActivationState::Lapsed => Self::Lapsed,
            ActivationState::WrittenOff => Self::WrittenOff(removal()?),
        })
    }

    /// The state alone.
    #[must_use]
    pub const fn state(self) -> ActivationState {
        match self {
            Self::Reserved => ActivationState::Reserved,
            Self::Published => ActivationState::Published,
            Self::Activated => ActivationState::Activated,
            Self::Suspended => ActivationState::Suspended,
            Self::Removing(_) => ActivationState::Removing,
            Self::Orphaned(_) => ActivationState::Orphaned,
            Self::Cancelled => ActivationState::Cancelled,
            Self::Removed(_) => ActivationState::Removed,
            Self::Lapsed => ActivationState::Lapsed,
            Self::WrittenOff(_) => ActivationState::WrittenOff,
        }
    }

    /// The removal under way.
    #[must_use]
    pub const fn removal(self) -> Option<Removal> {
        match self {
            Self::Removing(removal) | Self::Orphaned(removal) | Self::WrittenOff(removal) => {
                Some(removal)
            }
            _ => None,
        }
    }

    /// Why it is being, or was, removed.
    #[must_use]
    pub const fn removal_reason(self) -> Option<RemovalReason> {
        match self {
            Self::Removing(removal) | Self::Orphaned(removal) | Self::WrittenOff(removal) => {
                Some(removal.reason)
            }
            Self::Removed(reason) => Some(reason),
            _ => None,
        }
    }
}

impl Activation {
    /// Whether it is out there, or may be, as far as its own entitlement or a quota is concerned.
    #[must_use]
    pub const fn holds_units(&self) -> bool {
        self.standing.state().holds_units()
    }

    /// Whether its units count against its entitlement; those of a temporary licence count against
    /// the tier's quota.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.holds_units() && self.kind == ActivationKind::Normal
    }

    /// Whether the device can install it again without asking, whatever it gave back: a factory
    /// grant needs no nonce, and storage that can be set back forgets that it was there.
    #[must_use]
    pub fn is_built_into(&self, device: &Device) -> bool {
        self.origin == Origin::Factory
            && device.watch.factory_grant
            && device.storage == StorageClass::Unprotected
    }

    /// Whether the device is meant to have it.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.standing.state().is_wanted()
    }
}

impl Activation {
    /// No temporary licence that was given when this was made runs longer, whatever policy says.
    #[must_use]
    pub fn temporary_at_the_latest(&self) -> Timestamp {
        let longest = u64::from(crate::tier::draft::MAX_TEMPORARY_DAYS) * 86_400;
        self.created_at.plus_seconds(longest)
    }

    /// The latest moment any committed set lets it run; none if it was never published, or runs
    /// for ever.
    #[must_use]
    pub fn run_out(&self) -> Option<Timestamp> {
        self.run.and_then(|run| run.run_out)
    }
}
