//! The `fleetgrant` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleetgrant::cli::main()
}
