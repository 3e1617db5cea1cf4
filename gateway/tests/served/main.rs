//! `fleetgrant serve` in a process of its own, with devices and operators that reach it as they
//! would: over mutual TLS, and by the command line.
#![allow(clippy::unwrap_used)]

#[macro_use]
extern crate fleetgrant;

mod c_device;
mod firmware;
mod key_set;
mod ledger;
mod line;
mod load;
mod operator;
mod python_device;
mod race;
mod repair;
mod rerun;
mod site;
mod store;
