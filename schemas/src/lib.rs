#![no_std]
//! The Fleetgrant wire protocol, version 1.
//!
//! Five messages, each a CWT claim set in a tagged COSE_Sign1, read one way only. `PROTOCOL.md`
//! beside this crate is the specification, `cddl/` its grammar and `vectors/` its examples; both
//! the gateway and the device use the types here. Nothing allocates.
//!
//! A message is read in two steps, and the second is the only way to its content:
//! [`envelope::Envelope::parse`], then [`envelope::Envelope::verify`].

mod closed;
mod message;
mod platform;
mod shape;
mod strict;
mod values;
mod want;
mod writer;

pub mod ack;
pub mod code;
pub mod entitlement;
pub mod envelope;
pub mod grant;
pub mod id;
pub mod keys;
pub mod limits;
pub mod malformed;
pub mod notice;
pub mod request;
pub mod seq;
pub mod topic;

pub use malformed::Malformed;
pub use message::{Held, Message, Usage};
pub use platform::{OemId, Platform};
pub use strict::is_printable;
pub use want::{Denial, Want};
pub use writer::Writer;
