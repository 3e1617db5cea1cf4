//! A gateway to try, with a factory, an order and a fleet of its own.

pub mod fleet;
mod installation;
pub mod sample;

pub use installation::{Installation, InstallationError, InstallationOptions};
