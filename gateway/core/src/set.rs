//! A grant set: what a device should have, written once under its generation.

use crate::ask::Held;
use crate::domain::{ActivationId, Cti, DeviceNonce, SetKey, Timestamp};

/// A set that was committed, as far as an acknowledgement needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedSet {
    /// Epoch and generation.
    pub key: SetKey,
    /// Its id.
    pub cti: Cti,
    /// When it was decided.
    pub issued_at: Timestamp,
    /// The last moment at which it can be installed.
    pub install_until: Timestamp,
    /// The nonce of the request it answers.
    pub nonce: Option<DeviceNonce>,
    /// The activations in it, ascending.
    pub activations: Vec<ActivationId>,
}

impl CommittedSet {
    /// How a device that holds it names it.
    #[must_use]
    pub const fn held(&self) -> Held {
        Held {
            key: self.key,
            cti: self.cti,
        }
    }
}

/// A set to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedSet {
    /// What later acknowledgements are matched with.
    pub set: CommittedSet,
    /// The payload that is signed: the exact claim set, deterministically encoded.
    pub payload: Vec<u8>,
    /// When it is pushed again, if it answers a message and so is pushed at once.
    pub repeat_at: Timestamp,
}
