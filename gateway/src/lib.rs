//! Fleetgrant: the entitlement gateway for device fleets.

pub mod cli;
pub mod clock;
pub mod config;
pub mod store;
pub mod telemetry;
