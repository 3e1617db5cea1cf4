//! What an operator does to a device: each act is one transaction, recorded like any other.

mod approve;
mod dead;
mod exchange;
mod factory;
mod refresh;
mod repair;
mod replace;

pub use approve::approve;
pub use dead::{declare_dead, readmit, written_off};
pub use exchange::{Of, Provision, provide, withdraw};
pub use factory::grant_at_factory;
pub use refresh::refresh;
pub use repair::{KeyStanding, NewKey, repair, revoke_key};
pub use replace::{Stopgap, give_temporary, take_over};

use crate::context::{Context, Entropy};
use crate::decide::eligible;
use crate::device::Pin;
use crate::domain::{
    ActivationId, ActivationKind, ActivationState, CredentialState, DeviceState, EntitlementId,
    KeyLoss, KeyThumbprint, RemovalReason,
};
use crate::event::{Event, EventKind};
use crate::outcome::{Answer, Outcome};
use crate::quota::{NewUse, QuotaKind};
use crate::rule::{Refusal, Rule};
use crate::snapshot::Snapshot;
use crate::turn::{Turn, Unissuable, Why};

/// When an assignment is put in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// With the set that answers the device's next request. Until then it can be cancelled.
    AtContact,
    /// With a set written now.
    Now,
}

/// An operator's act that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// A rule forbids it.
    #[error("{rule}: {remedy}", rule = .0, remedy = .0.remedy())]
    Denied(Rule),
    /// The tier's policy does not give it unasked, or not now.
    #[error("{rule}: {remedy}{when}", rule = .0.rule, remedy = .0.rule.remedy(), when = lifts(*.0))]
    Limited(Refusal),
    /// The device is not served, nor will be.
    #[error("the device is {0}: it gets nothing")]
    OutOfService(DeviceState),
    /// Only what is dead can come back from the dead.
    #[error("the device is {0}, not declared dead")]
    NotDead(DeviceState),
    /// Nothing of that activation is free to be taken up.
    #[error("nothing is free of that activation: it must be returned, or its device declared dead")]
    NothingToTakeOver,
    /// What was asked for is there, or is not there to be given back.
    #[error("there is nothing left to approve: the device has what it asked for")]
    NothingToApprove,
    /// Nothing is assigned.
    #[error("at least one unit must be assigned")]
    NoUnits,
    /// The entitlement is not there.
    #[error("there is no such entitlement: list them with `entitlements`")]
    UnknownEntitlement,
    /// The device has no such activation.
    #[error("the device has no such activation: list them with `activations`")]
    UnknownActivation,
    /// Only what was never published can be cancelled.
    #[error("the activation is {0}, so the device may have it already: revoke it instead")]
    AlreadyOut(ActivationState),
    /// It is not on the device, or on its way out.
    #[error("the activation is {0}: there is nothing to revoke")]
    NotThere(ActivationState),
    /// The device was never admitted, so no set can be written for it.
    #[error("the device was never admitted: it gets its first set when it asks")]
    NotAdmitted,
    /// A factory grant is the first set of a device, which was never heard.
    #[error("the device has had a set or was heard: it gets its sets when it asks")]
    NotBlank,
    /// Only a device that waits can be admitted.
    #[error("the device is {0}: only one that waits for it can be admitted")]
    NotWaiting(DeviceState),
    /// Only what has, or had, a key can be repaired.
    #[error("no key ever spoke for the device: it is admitted with its first one when it asks")]
    NeverKeyed,
    /// The dead come back otherwise.
    #[error(
        "the device was declared dead: let it come back with `fleetgrant devices readmit` first"
    )]
    Dead,
    /// It waits for that key already.
    #[error("the device waits for its new key already: it gets its set when that asks")]
    WaitsAlready,
    /// A key speaks for one device.
    #[error("that key is of another device: a board comes with a key and a certificate of its own")]
    KeyOfAnother,
    /// That is no other key.
    #[error("the device speaks with that key: name the one of its new board")]
    KeyInUse,
    /// A key that was given up never comes back.
    #[error("that key is {0}: it never comes back, so the board needs another")]
    KeySpent(CredentialState),
    /// Done before.
    #[error("that key is revoked already")]
    KeyRevokedAlready,
    /// No key speaks for the device now.
    #[error("{why}", why = lost(*.0))]
    KeyLost(KeyLoss),
    /// The counter of its sets is used up.
    #[error("the device's generations are used up: it must be re-admitted under another id")]
    GenerationsExhausted,
}

fn lifts(refusal: Refusal) -> String {
    match refusal.lifts_at {
        Some(at) => format!("; without that, from {at} on"),
        None => String::new(),
    }
}

impl OperatorError {
    /// Whether it can be given when the device next asks, and cannot be sent to it before: no key
    /// speaks for it yet, or any more.
    #[must_use]
    pub const fn is_for_want_of_a_key(self) -> bool {
        matches!(self, Self::NotAdmitted | Self::KeyLost(_))
    }
}

const fn lost(loss: KeyLoss) -> &'static str {
    match loss {
        KeyLoss::Replaced => {
            "the device waits for the key of its new board: it gets its set when that asks"
        }
        KeyLoss::Revoked => {
            "the device's key was revoked: record its new board with `fleetgrant devices repair`"
        }
    }
}

impl From<Unissuable> for OperatorError {
    fn from(unissuable: Unissuable) -> Self {
        match unissuable {
            Unissuable::NotPinned => Self::NotAdmitted,
            Unissuable::KeyLost(loss) => Self::KeyLost(loss),
            Unissuable::GenerationsExhausted => Self::GenerationsExhausted,
        }
    }
}

/// Assigns units to a device.
///
/// What keeps a request from drawing keeps an operator from assigning, but for a revocation:
/// this is how one is taken back.
pub fn assign<E: Entropy>(
    snapshot: Snapshot,
    entitlement: EntitlementId,
    units: u32,
    publish: Publish,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    if units == 0 {
        return Err(OperatorError::NoUnits);
    }
    let mut turn = Turn::new(snapshot, ctx, entropy);
    turn.about = Some(entitlement);
    turn.check_in_service()?;
    turn.check_assignable(entitlement)?;
    let (predecessor, moves) = turn.take_up_for(entitlement, units);
    let mut activation = turn.new_activation(entitlement, units, ActivationKind::Normal);
    activation.predecessor = predecessor;
    if moves > 0 {
        let used = NewUse {
            kind: QuotaKind::Rehost,
            entitlement,
            units: moves,
            guard: None,
        };
        turn.use_quota(used, activation.id);
    }
    turn.place(activation, publish)
}

/// Undoes an assignment that was never published. Its units are free at once.
pub fn cancel(
    snapshot: Snapshot,
    activation: ActivationId,
    ctx: Context<'_>,
) -> Result<Outcome, OperatorError> {
    // Nothing is sent, so nothing is drawn.
    let mut entropy = |_: &mut [u8]| {};
    let mut turn = Turn::new(snapshot, ctx, &mut entropy);
    match turn.state_of(activation)? {
        ActivationState::Reserved => {
            turn.ledger.cancel(activation);
            Ok(turn.finish(Answer::None))
        }
        state => Err(OperatorError::AlreadyOut(state)),
    }
}

/// Takes an activation back: out of the set now, its units free when that is proven.
pub fn revoke<E: Entropy>(
    snapshot: Snapshot,
    activation: ActivationId,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    let mut turn = Turn::new(snapshot, ctx, entropy);
    let state = turn.state_of(activation)?;
    let key = turn.next_key()?;
    match state {
        ActivationState::Reserved => {
            turn.ledger.cancel(activation);
            Ok(turn.finish(Answer::None))
        }
        ActivationState::Published | ActivationState::Activated | ActivationState::Suspended => {
            turn.ledger
                .remove(activation, RemovalReason::Revoke, key, ctx.now);
            match turn.device.pin {
                // The first set of the key that it waits for leaves it out.
                Pin::Lost(_) => Ok(turn.finish(Answer::None)),
                Pin::Open | Pin::To(_) => publish_now(turn),
            }
        }
        state => Err(OperatorError::NotThere(state)),
    }
}

/// Writes a set with what is meant to be on the device now, as after a change of an entitlement.
pub fn push<E: Entropy>(
    snapshot: Snapshot,
    ctx: Context<'_>,
    entropy: &mut E,
) -> Result<Outcome, OperatorError> {
    publish_now(Turn::new(snapshot, ctx, entropy))
}

/// Admits a device that waits for an operator, pinned to the key it showed.
pub fn admit(
    snapshot: Snapshot,
    key: KeyThumbprint,
    ctx: Context<'_>,
) -> Result<Outcome, OperatorError> {
    let mut entropy = |_: &mut [u8]| {};
    let mut turn = Turn::new(snapshot, ctx, &mut entropy);
    check_waits(turn.device.state)?;
    if let Pin::Lost(loss) = turn.device.pin {
        return Err(OperatorError::KeyLost(loss));
    }
    turn.device.state = DeviceState::Admitted;
    turn.device.pin = Pin::To(key);
    turn.record(
        Event::new(EventKind::DeviceAdmitted)
            .with("key", key)
            .with("by", "operator"),
    );
    Ok(turn.finish(Answer::None))
}

/// Whether a device in this state can be admitted.
///
/// # Errors
/// [`OperatorError::NotWaiting`].
pub const fn check_waits(state: DeviceState) -> Result<(), OperatorError> {
    match state {
        DeviceState::Expected | DeviceState::Seen | DeviceState::Quarantined => Ok(()),
        state => Err(OperatorError::NotWaiting(state)),
    }
}

/// Takes back the suspicions against a device: new rights and returns are open to it again.
#[must_use]
pub fn clear(snapshot: Snapshot, ctx: Context<'_>) -> Outcome {
    let mut entropy = |_: &mut [u8]| {};
    let mut turn = Turn::new(snapshot, ctx, &mut entropy);
    let watch = &mut turn.device.watch;
    watch.frozen = false;
    watch.returns_stopped = false;
    watch.resyncs = Default::default();
    watch.code_failures = Default::default();
    turn.record(Event::new(EventKind::Cleared));
    turn.finish(Answer::None)
}

fn publish_now<E: Entropy>(mut turn: Turn<'_, E>) -> Result<Outcome, OperatorError> {
    turn.push(None, Why::Operator)?;
    // It answers nobody, so it is the outbox that pushes it.
    Ok(turn.finish(Answer::None))
}

impl<E: Entropy> Turn<'_, E> {
    fn check_assignable(&self, entitlement: EntitlementId) -> Result<(), OperatorError> {
        let facts = self.facts(self.device.key().unwrap_or(KeyThumbprint([0; 32])));
        let entitlement = self
            .ledger
            .entitlement(entitlement)
            .ok_or(OperatorError::UnknownEntitlement)?;
        match eligible(&facts, entitlement) {
            // An operator may assign ahead of a shipment, and again after a revocation.
            Ok(()) | Err(Rule::NotStarted | Rule::RevokedHere) => Ok(()),
            Err(rule) => Err(OperatorError::Denied(rule)),
        }
    }

    fn state_of(&self, activation: ActivationId) -> Result<ActivationState, OperatorError> {
        self.ledger
            .activation(activation)
            .map(|activation| activation.standing.state())
            .ok_or(OperatorError::UnknownActivation)
    }
}

#[cfg(test)]
mod tests;
