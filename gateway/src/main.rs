//! The `fleetgrant` command.
fn main() {}
