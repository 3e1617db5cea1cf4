//! The real agent and the real core of the gateway, run against each other on a fake clock,
//! through a network that loses, repeats, delays and reorders, with power cuts, crashes and
//! tampering, by seed. `README.md` says what happens, what must hold, and what is no failure.
#![allow(clippy::unwrap_used)]

mod audit;
mod broker;
mod cast;
mod chance;
mod explore;
mod flash;
mod gateway;
mod invariants;
mod keys;
mod op;
mod operate;
mod perform;
mod plan;
mod simulation;
mod stock;
mod tally;
mod unit;

use explore::explore;
use keys::Scheme;
use plan::Mix;

#[test]
fn a_fleet_with_honest_storage() {
    explore(Scheme::Hash, Mix::Honest, 1_000);
}

#[test]
fn a_fleet_whose_storage_is_wiped_set_back_and_copied() {
    explore(Scheme::Hash, Mix::Tampered, 1_000);
}

#[test]
fn a_fleet_that_signs_with_p256() {
    explore(Scheme::P256, Mix::Tampered, 16);
}
