//! Fleetgrant: the entitlement gateway for device fleets.

pub mod store;
