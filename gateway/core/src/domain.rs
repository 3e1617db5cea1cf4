//! The words of the domain: identifiers, states and instants, the same in code, tables and CLI.

mod id;
mod instant;
mod state;

pub use id::*;
pub use instant::Timestamp;
pub use state::*;
