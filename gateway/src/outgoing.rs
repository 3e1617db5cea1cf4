//! HTTP that the gateway asks of others: of the endpoints of webhooks, of who issues tokens.
//!
//! An answer is bounded in time and size, redirects are not followed, and no proxy of the
//! environment is used. Names are resolved here, so that what is connected to is what was checked:
//! who may choose an address must not reach what only this machine can.

mod client;
mod reach;

pub use client::{Answer, Outgoing, OutgoingError};
pub use reach::{InvalidTarget, Reach, Target};
