//! The pure core of the gateway: no IO, no clock, no randomness, no database types.
//!
//! Whoever calls it reads a [`snapshot::Snapshot`] of one device in a transaction, hands it to one
//! of the functions below with the time and a source of entropy, and records the
//! [`outcome::Outcome`] whole in the same transaction. Only after the commit is anything sent.
//!
//! | what happens | function |
//! |---|---|
//! | a verified request arrives | [`request::on_request`] |
//! | a verified acknowledgement arrives | [`acknowledge::on_ack`] |
//! | a verified message cannot be decided on | [`unfit::on_unfit`] |
//! | a set is due to be published | [`delivery::on_due`] |
//! | time passes | [`tick::on_tick`] |
//! | a campaign goes on | [`campaign::tick`] |
//! | an operator acts on a device | [`operator`] |
//! | an operator acts on an entitlement | [`lifecycle`] |
//! | an operator acts on an activation code | [`code`](mod@code) |
//! | an operator holds or releases a party | [`party`] |
//!
//! # What it keeps
//!
//! For each device there is one *grant set*, what the device should have, under a generation that
//! only grows. A set is written once: whatever is to be different, or to be signed anew, is a new
//! set under the next generation. The device keeps the highest that verifies, and signs for it.
//!
//! A unit of an entitlement is *held* from the moment an activation takes it, and free again only
//! when its absence on the device is proven (the device signed that it holds the set that left it
//! out, or a later one), when the last moment at which any set let it run has passed, or when it
//! was never in a set at all. That a message was sent frees nothing.
//!
//! The promises that follow from this are written down as functions in [`invariant`]; the tests
//! hold them after every step of random lives of a fleet.
//!
//! # What it does not trust
//!
//! The broker, which may lose, delay, repeat and reorder; the order of arrival; the device's
//! clock; the device's memory, which may be wiped, set back or copied; and a request that may
//! have been signed long ago. What it trusts is that the signature was verified, and the time and
//! entropy that it is given.

pub mod acknowledge;
pub mod activation;
pub mod ask;
pub mod campaign;
pub mod code;
pub mod context;
pub mod credit;
pub mod delivery;
pub mod device;
pub mod domain;
pub mod entitlement;
pub mod event;
pub mod hand_over;
pub mod invariant;
pub mod license;
pub mod lifecycle;
pub mod maintenance;
#[cfg(any(test, feature = "model"))]
pub mod model;
pub mod notice;
pub mod operator;
pub mod outcome;
pub mod party;
pub mod policy;
pub mod quota;
pub mod renewal;
pub mod request;
pub mod rule;
pub mod set;
pub mod snapshot;
pub mod succession;
pub mod tick;
pub mod tier;
pub mod unfit;
pub mod webhook;
pub mod wire;
pub mod yields;

mod challenge;
mod content;
mod decide;
mod ledger;
mod term;
mod turn;

#[cfg(test)]
mod testkit;
