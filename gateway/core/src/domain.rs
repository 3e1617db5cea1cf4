//! The words of the domain: identifiers, states and instants, the same in code, tables and CLI.

mod access;
mod commerce;
mod counter;
mod id;
mod instant;
mod state;
mod text;

pub use access::{KeyState, Role, Roles};
pub use commerce::*;
pub use counter::{CounterTooLarge, Epoch, Generation, Seq, SetKey};
pub use id::*;
pub use instant::Timestamp;
pub(crate) use state::named;
pub use state::*;
pub use text::{ActReason, DeviceId, FeatureName, InvalidText, Realm, TierName};
