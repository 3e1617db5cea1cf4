//! The pure core of the gateway: no IO, no clock, no randomness, no database types.
//!
//! Time and entropy come in as arguments. What is decided comes out as a value that a
//! transaction records.

pub mod activation;
pub mod ask;
pub mod context;
pub mod device;
pub mod domain;
pub mod entitlement;
pub mod event;
pub mod notice;
pub mod outcome;
pub mod policy;
pub mod rule;
pub mod set;
pub mod snapshot;
