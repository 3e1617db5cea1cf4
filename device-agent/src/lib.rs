//! The Fleetgrant device agent: asks for what a device is owed, verifies and keeps it, says in
//! the device's own signature what it installed, and tells the firmware which features are on.
//!
//! Sans-IO: the [`Agent`] opens no socket, reads no clock and starts no thread. The firmware
//! hands it messages and the uptime and takes from it messages to send, the time of its next
//! call and events; a [`KeyOperations`] signs, a [`Storage`] keeps what must survive a power
//! cut. Nothing here allocates; the caller's buffers bound all memory.
//!
//! ```text
//!             handle_message ┐                    ┌ poll_transmit ── bytes to publish
//!  bytes ──▶  handle_timeout ├──▶  Agent  ──▶     ├ poll_timeout ─── call handle_timeout then
//!  firmware ▶ ask            ┘   │       │        └ poll_event ───── what happened
//!                        KeyOperations Storage
//! ```
#![cfg_attr(not(feature = "std"), no_std)]

mod agent;
mod asking;
mod bucket;
mod clock_floor;
mod enforcing;
mod event;
mod frame;
mod installing;
mod key_ring;
mod monotonic;
mod receiving;
mod refusal;
mod removing;
mod retry;
mod rights;
mod starting;
mod state;
mod transmitting;
mod verify;
mod version;

pub mod crypto;
#[cfg(feature = "flash")]
pub mod flash;
#[cfg(feature = "std")]
pub mod host;
pub mod profile;
pub mod serial;
#[cfg(feature = "p256")]
pub mod software;
pub mod storage;
pub mod time;

pub use agent::{Agent, StartError, Taken, Transmit};
pub use asking::{Ask, AskError};
pub use crypto::{KeyError, KeyOperations};
pub use event::Event;
pub use monotonic::{Guarded, MonotonicCounter};
pub use profile::{InvalidProfile, Profile};
pub use refusal::Refusal;
pub use rights::{Off, Status, UseError};
pub use storage::{Record, Storage, StorageError};
pub use time::Instant;

/// The examples of the guide, so that they compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Guide;
