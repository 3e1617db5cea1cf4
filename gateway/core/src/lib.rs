//! The pure core of the gateway: no IO, no clock, no randomness, no database types.
//!
//! Time and entropy come in as arguments. What is decided comes out as a value that a
//! transaction records.

pub mod domain;
