//! Fleetgrant: the entitlement gateway for device fleets.

pub mod access;
pub mod activation;
pub mod approval;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod gateway;
pub mod http;
pub mod identity;
pub mod import;
pub mod issue;
pub mod load;
pub mod mqtt;
pub mod operator;
pub mod outbox;
pub mod pki;
pub mod policy_file;
pub mod quickstart;
pub mod report;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod upkeep;
pub mod when;
