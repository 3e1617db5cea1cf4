//! Fleetgrant: the entitlement gateway for device fleets.
