//! A gateway to try, with a factory, an order and a fleet of its own.

mod installation;

pub use installation::{Installation, InstallationError, InstallationOptions};
