//! The pure core of the gateway: no IO, no clock, no randomness, no database types.
//!
//! Time and entropy come in as arguments. What is decided comes out as a value that a
//! transaction records.

pub mod acknowledge;
pub mod activation;
pub mod ask;
pub mod context;
pub mod delivery;
pub mod device;
pub mod domain;
pub mod entitlement;
pub mod event;
pub mod invariant;
#[cfg(any(test, feature = "model"))]
pub mod model;
pub mod notice;
pub mod operator;
pub mod outcome;
pub mod policy;
pub mod request;
pub mod rule;
pub mod set;
pub mod snapshot;
pub mod tick;

mod challenge;
mod content;
mod decide;
mod ledger;
mod term;
mod turn;

#[cfg(test)]
mod testkit;
