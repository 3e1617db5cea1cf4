//! The device agent for C: a static library and `include/fleetgrant.h`.
//!
//! The same calls as [`fleetgrant_agent::Agent`], on memory that the caller gives. No allocation,
//! no global state, no panic on any input; this is the only crate of ours with `unsafe` code, and
//! `raw` is the only place where memory of the caller is touched.
//!
//! How many rights, features, keys and roots an agent has room for is set when this is built:
//! `FLEETGRANT_RIGHTS`, `FLEETGRANT_FEATURES`, `FLEETGRANT_KEYS` in the environment.
#![cfg_attr(not(feature = "std"), no_std)]

mod asking;
mod callbacks;
mod calls;
mod features;
mod handle;
mod panic;
mod profile;
mod raw;
mod rights;
mod status;
mod translate;
mod types;

pub use asking::*;
pub use calls::*;
pub use features::*;
pub use handle::{fg_agent, fg_agent_align, fg_agent_end, fg_agent_size, fg_agent_start};
pub use rights::*;
pub use status::{fg_status, fg_status_name};
pub use types::*;
