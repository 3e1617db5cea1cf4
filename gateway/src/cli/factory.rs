//! `fleetgrant factory`: what is done to devices before they are heard.

mod grants;

use super::{Failure, Global};

/// Prepare devices before they are heard for the first time
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Grants(grants::Args),
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Grants(args) => grants::run(global, args),
    }
}
