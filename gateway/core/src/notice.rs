//! What the gateway tells a device when it grants nothing.

pub use fleetgrant_schemas::notice::NoticeCode;

/// A notice that can be signed, and given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedNotice {
    /// What it says.
    pub code: NoticeCode,
    /// The payload that is signed: the exact claim set, deterministically encoded.
    pub payload: Vec<u8>,
}
