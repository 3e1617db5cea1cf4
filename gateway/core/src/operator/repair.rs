//! A device of which the serial number stays and the key does not: its board was replaced, or its
//! key leaked.
//!
//! What the device has a right to stays its own: nothing moves and nothing is activated again. What
//! can be proven changes: the new board signs for what it was given itself, and for nothing that
//! the old one had.

use fleetgrant_schemas::limits;

use super::OperatorError;
use crate::activation::Standing;
use crate::context::{Context, Entropy};
use crate::device::{Challenges, Pin};
use crate::domain::{ActivationId, CredentialState, DeviceState, KeyLoss, KeyThumbprint};
use crate::event::{Event, EventKind};
use crate::outcome::{Answer, Deliveries, Outcome};
use crate::snapshot::Snapshot;
use crate::turn::Turn;

/// The key of a new board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Its thumbprint.
    pub key: KeyThumbprint,
    /// What is recorded of it.
    pub standing: KeyStanding,
}

/// What is recorded of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStanding {
    /// Nothing.
    Unknown,
    /// It is, or was, this device's.
    Own(CredentialState),
    /// It is, or was, another device's.
    OfAnother,
}

/// Replaces the board of a device: its key is superseded at once, and the device waits for the one
/// of its new board. `new` is the only one that is taken; without it, whichever is proven first.
/// `expected` is the one that it waited for so far.
///
/// The conversation starts anew, under generations that go on growing. What was on its way out at
/// the old board is orphaned: nobody will prove that it is gone. Suspicions stay.
///
/// # Errors
/// If no key ever spoke for the device, it is out of service, or the key cannot be its new one.
pub fn repair(
    snapshot: Snapshot,
    new: Option<NewKey>,
    expected: Option<KeyThumbprint>,
    ctx: Context<'_>,
) -> Result<Outcome, OperatorError> {
    let mut entropy = |_: &mut [u8]| {};
    let mut turn = Turn::new(snapshot, ctx, &mut entropy);
    match turn.device.state {
        DeviceState::Tombstoned => return Err(OperatorError::Dead),
        DeviceState::Retired => return Err(OperatorError::OutOfService(turn.device.state)),
        _ => {}
    }
    if let Some(new) = new {
        new.check()?;
    }
    let key = new.map(|new| new.key);
    let (was, before) = match turn.device.pin {
        Pin::Open => return Err(OperatorError::NeverKeyed),
        Pin::To(key) => ("in-use", Some(key)),
        Pin::Lost(KeyLoss::Revoked) => ("revoked", None),
        Pin::Lost(KeyLoss::Replaced) if expected == key => return Err(OperatorError::WaitsAlready),
        Pin::Lost(KeyLoss::Replaced) => ("waiting", None),
    };
    turn.record(
        Event::new(EventKind::DeviceRepaired)
            .with("was", was)
            .with_some("before", before)
            .with_some("key", key),
    );
    turn.lose_key(KeyLoss::Replaced);
    Ok(turn.finish(Answer::None))
}

/// Revokes a key that is, or was, the device's: nothing that it signs counts any more. `state` is
/// where it stands. If the device speaks with it, nothing is sent to the device until it is
/// repaired; its units stay taken, since nobody has proven that they are gone,
/// and what was on its way out is orphaned.
///
/// # Errors
/// [`OperatorError::KeyRevokedAlready`].
pub fn revoke_key(
    snapshot: Snapshot,
    key: KeyThumbprint,
    state: CredentialState,
    ctx: Context<'_>,
) -> Result<Outcome, OperatorError> {
    let mut entropy = |_: &mut [u8]| {};
    let mut turn = Turn::new(snapshot, ctx, &mut entropy);
    if state == CredentialState::Revoked {
        return Err(OperatorError::KeyRevokedAlready);
    }
    turn.record(
        Event::new(EventKind::DeviceKeyRevoked)
            .with("key", key)
            .with("was", state.as_str()),
    );
    if turn.device.key() == Some(key) {
        turn.lose_key(KeyLoss::Revoked);
    }
    Ok(turn.finish(Answer::None))
}

impl NewKey {
    const fn check(self) -> Result<(), OperatorError> {
        match self.standing {
            KeyStanding::Unknown => Ok(()),
            KeyStanding::OfAnother => Err(OperatorError::KeyOfAnother),
            KeyStanding::Own(CredentialState::Current) => Err(OperatorError::KeyInUse),
            KeyStanding::Own(state) => Err(OperatorError::KeySpent(state)),
        }
    }
}

impl<E: Entropy> Turn<'_, E> {
    fn lose_key(&mut self, loss: KeyLoss) {
        self.strand();
        self.start_anew();
        self.device.pin = Pin::Lost(loss);
    }

    /// Leaves with the old board what it may have, but for what it has proven to be off.
    fn strand(&mut self) {
        let acked = self.device.acked_key();
        let is_proven = acked.is_some() && acked == self.latest().map(|latest| latest.key);
        let stays: Vec<ActivationId> = self
            .ledger
            .activations()
            .filter(|activation| match activation.standing {
                Standing::Suspended => !is_proven || activation.is_built_into(&self.device),
                _ => true,
            })
            .map(|activation| activation.id)
            .collect();
        for id in stays {
            self.ledger.strand(id);
        }
    }

    /// Forgets what only the old board can go on from. What was sent to it is sent no more.
    fn start_anew(&mut self) {
        let device = &mut self.device;
        device.replaced = device.generation;
        device.acked = None;
        device.last = None;
        device.challenges = Challenges::default();
        device.key_set = 0;
        device.max_down = limits::MAX_DOWN as u16;
        device.facts.boot_count = None;
        device.facts.clock = None;
        // That was made for the old key, and no other device takes it.
        device.watch.factory_grant = false;
        self.deliveries = Deliveries::Superseded;
    }
}
