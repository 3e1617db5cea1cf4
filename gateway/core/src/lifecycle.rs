//! What an operator does to an entitlement: where it stands afterwards, or why it may not be done.
//!
//! An act changes the entitlement alone. What is on devices follows with the next set of each:
//! suspended features are left out and keep their units, revoked ones are *removing* until that is
//! proven.

use crate::domain::{EntitlementState, HoldReason, Holds, Timestamp};

/// An act on an entitlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntitlementAct {
    /// What was a draft can be used.
    Activate,
    /// Features off, units kept.
    Suspend,
    /// Features on again.
    Resume,
    /// No new activations; what runs goes on.
    Hold(HoldReason),
    /// One reason to hold it is gone.
    Release(HoldReason),
    /// Nothing of it runs from an instant on: it is taken off every device.
    Revoke {
        /// From when; what is past is now.
        at: Timestamp,
    },
    /// A revocation that is still to come does not.
    KeepOn,
    /// Nothing more happens to it; only where nothing of it is in use.
    Close,
}

impl EntitlementAct {
    /// What people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Hold(_) => "hold",
            Self::Release(_) => "release",
            Self::Revoke { .. } => "revoke",
            Self::KeepOn => "keep",
            Self::Close => "close",
        }
    }
}

/// Where an entitlement stands, as far as acts on it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posture {
    /// Its state.
    pub state: EntitlementState,
    /// Why nothing new is activated of it; kept while it is suspended.
    pub holds: Holds,
    /// From when on nothing of it runs.
    pub revoked_from: Option<Timestamp>,
}

/// Why an act is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// It does not go with where the entitlement stands.
    #[error("an entitlement that is {state} cannot be changed by `{act}`: {remedy}", remedy = remedy(*.state))]
    WrongState {
        /// What was to be done.
        act: &'static str,
        /// Where it stands.
        state: EntitlementState,
    },
    /// Units of it are in use.
    #[error("{0} of its units are in use: return or revoke them first")]
    InUse(u32),
    /// It is revoked already, and from earlier on.
    #[error("it is revoked from {0} on already, which has passed")]
    AlreadyRevoked(Timestamp),
}

const fn remedy(state: EntitlementState) -> &'static str {
    match state {
        EntitlementState::Draft => "activate it first",
        EntitlementState::Active => "it is in use as it should be",
        EntitlementState::Hold => "release it first",
        EntitlementState::Suspended => "resume it first",
        EntitlementState::Expired => "renew it first",
        EntitlementState::Closed => "nothing more happens to it; sell another",
    }
}

/// Where an entitlement of which `live` units are in use stands after an act at `now`; none, if it
/// stands there already.
///
/// # Errors
/// [`LifecycleError`]; nothing is to be changed then.
pub fn after(
    posture: Posture,
    act: EntitlementAct,
    live: u32,
    now: Timestamp,
) -> Result<Option<Posture>, LifecycleError> {
    use EntitlementState::{Active, Closed, Draft, Expired, Hold, Suspended};
    let wrong = Err(LifecycleError::WrongState {
        act: act.as_str(),
        state: posture.state,
    });
    let Posture {
        state,
        holds,
        revoked_from,
    } = posture;
    let in_state = |state| Posture { state, ..posture };
    let held = |holds: Holds| Posture {
        holds,
        state: match state {
            Active | Hold => holds.state(),
            other => other,
        },
        revoked_from,
    };
    let next = match (act, state) {
        (EntitlementAct::Activate, Draft) => in_state(holds.state()),
        (EntitlementAct::Activate, Active | Hold | Suspended) => posture,
        (EntitlementAct::Activate, Expired | Closed) => return wrong,

        // What goes on after its end can be switched off.
        (EntitlementAct::Suspend, Active | Hold | Suspended | Expired) => in_state(Suspended),
        (EntitlementAct::Suspend, Draft | Closed) => return wrong,
        (EntitlementAct::Resume, Suspended) => in_state(holds.state()),
        (EntitlementAct::Resume, Active | Hold | Expired) => posture,
        (EntitlementAct::Resume, Draft | Closed) => return wrong,

        (EntitlementAct::Hold(reason), Draft | Active | Hold | Suspended | Expired) => {
            held(holds.with(reason))
        }
        (EntitlementAct::Release(reason), Draft | Active | Hold | Suspended | Expired) => {
            held(holds.without(reason))
        }
        (EntitlementAct::Hold(_) | EntitlementAct::Release(_), Closed) => return wrong,

        (EntitlementAct::Revoke { .. }, Closed) => match revoked_from {
            Some(_) => posture,
            None => return wrong,
        },
        (EntitlementAct::Revoke { at }, _) if at > now => match revoked_from {
            Some(from) if from <= now => return Err(LifecycleError::AlreadyRevoked(from)),
            _ => Posture {
                revoked_from: Some(at),
                ..posture
            },
        },
        (EntitlementAct::Revoke { .. }, _) => Posture {
            // What had ended before says when it did.
            revoked_from: Some(revoked_from.map_or(now, |from| from.min(now))),
            holds: Holds::default(),
            state: Closed,
        },
        (EntitlementAct::KeepOn, _) => match revoked_from {
            Some(from) if from <= now || state == Closed => {
                return Err(LifecycleError::AlreadyRevoked(from));
            }
            _ => Posture {
                revoked_from: None,
                ..posture
            },
        },

        (EntitlementAct::Close, Closed) => posture,
        (EntitlementAct::Close, _) if live > 0 => return Err(LifecycleError::InUse(live)),
        (EntitlementAct::Close, _) => Posture {
            state: Closed,
            holds: Holds::default(),
            revoked_from,
        },
    };
    Ok((next != posture).then_some(next))
}

/// Where something that runs `until` an instant, its grace included, stands at `now`; none, if it
/// stands there already. What waits for somebody, or is off, stays so.
#[must_use]
pub fn ended(posture: Posture, until: Timestamp, now: Timestamp) -> Option<Posture> {
    let is_over = until <= now;
    let state = match posture.state {
        EntitlementState::Active if is_over => EntitlementState::Expired,
        EntitlementState::Expired if !is_over => posture.holds.state(),
        _ => return None,
    };
    Some(Posture { state, ..posture })
}

/// Whether what devices have changes with where their entitlement stands.
#[must_use]
pub fn reaches_devices(before: Posture, after: Posture) -> bool {
    let is_off = |posture: Posture| posture.state == EntitlementState::Suspended;
    let waits = |posture: Posture| {
        matches!(
            posture.state,
            EntitlementState::Draft | EntitlementState::Hold
        )
    };
    is_off(before) != is_off(after)
        || before.revoked_from != after.revoked_from
        // What was assigned meanwhile has waited for this.
        || (waits(before) && !waits(after))
}

impl Holds {
    /// Where something that can be used stands with them.
    const fn state(self) -> EntitlementState {
        if self.is_empty() {
            EntitlementState::Active
        } else {
            EntitlementState::Hold
        }
    }
}

impl HoldReason {
    const fn bit(self) -> u8 {
        1 << (self as u8 - 1)
    }
}

impl Holds {
    /// No reason.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this is one of them.
    #[must_use]
    pub const fn contains(self, reason: HoldReason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// And this one.
    #[must_use]
    pub const fn with(self, reason: HoldReason) -> Self {
        Self(self.0 | reason.bit())
    }

    /// But for this one.
    #[must_use]
    pub const fn without(self, reason: HoldReason) -> Self {
        Self(self.0 & !reason.bit())
    }

    /// As the tables hold them: a bit for each reason, 1 shifted by its number less one.
    #[must_use]
    pub const fn bits(self) -> i16 {
        self.0 as i16
    }

    /// Those that the tables hold so; none, if a bit stands for no reason.
    #[must_use]
    pub fn from_bits(bits: i16) -> Option<Self> {
        let all = HoldReason::ALL
            .iter()
            .fold(0, |all, reason| all | reason.bit());
        let bits = u8::try_from(bits).ok()?;
        (bits & !all == 0).then_some(Self(bits))
    }

    /// Each.
    pub fn iter(self) -> impl Iterator<Item = HoldReason> {
        HoldReason::ALL
            .iter()
            .copied()
            .filter(move |reason| self.contains(*reason))
    }
}

#[cfg(test)]
mod tests;
