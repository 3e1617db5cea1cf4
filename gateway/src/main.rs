//! The `fleetgrant` command.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// For C as well (`override`): SQLite's memory comes from it. A tenth of the gateway's CPU for an
/// activation was the standard allocator's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    fleetgrant::cli::main()
}
