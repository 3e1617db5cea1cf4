//! Fleetgrant: the entitlement gateway for device fleets.

pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod identity;
pub mod mqtt;
pub mod pki;
pub mod store;
pub mod telemetry;
