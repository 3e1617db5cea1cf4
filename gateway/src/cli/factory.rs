//! `fleetgrant factory`: what is done to devices before they are heard.

mod grants;
mod reserve;
mod run_list;
mod runs;
mod yields;

use anyhow::anyhow;

use super::ledger::Ledger;
use super::{Failure, Global};
use crate::store::batch::{self, Batch};

/// Prepare devices before they are heard for the first time
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Reserve(reserve::Args),
    Grants(grants::Args),
    Station(runs::StationArgs),
    Run(runs::RunArgs),
    Yield(yields::Args),
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Reserve(args) => reserve::run(global, args),
        Command::Grants(args) => grants::run(global, args),
        Command::Station(args) => runs::stations(global, args),
        Command::Run(args) => runs::runs(global, args),
        Command::Yield(args) => yields::run(global, args),
    }
}

/// The batch that a manifest calls so.
fn batch_called(ledger: &Ledger, reference: &str) -> Result<Batch, Failure> {
    let name = reference.to_owned();
    let found = ledger.read(move |db| batch::by_reference(db, &name))?;
    found.ok_or_else(|| {
        Failure::refused(anyhow!(
            "no manifest names the batch {reference:?}: import one with `fleetgrant import manifest`"
        ))
    })
}
