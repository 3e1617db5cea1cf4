//! `fleetgrant factory reserve`: rights for devices that nobody has heard of yet.

use super::batch_called;
use crate::cli::ledger::{Ledger, runtime};
use crate::cli::{Failure, Global, note};
use crate::factory::{NotReserved, Reservation};
use crate::operator::Effects;

/// Reserve units of an entitlement for every device of a batch, or for none
///
/// A reservation holds its units from now on. It goes out with the device's factory grant, or with
/// the answer to its first request. To build to stock, reserve units of an entitlement without an
/// owner, of the source factory: the shipment gives them to the buyer. The same again changes
/// nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The batch, as the manifest calls it
    #[arg(long, value_name = "NAME")]
    batch: String,
    /// The entitlement: its id, or what its system calls it
    #[arg(long, value_name = "ENTITLEMENT")]
    entitlement: String,
    /// Units for each device
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    units: u32,
    /// Only tells for how many devices it would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    let batch = batch_called(&ledger, &args.batch)?;
    let row = ledger.entitlement(&args.entitlement)?;
    let units = args.units;
    let reservation = Reservation {
        entitlement: row.id.0,
        units,
        batch: batch.id.0,
    };
    let effects = match args.dry_run {
        true => Effects::Undone,
        false => Effects::Kept,
    };
    let reserved = runtime()?.block_on(ledger.operator()?.reserve(reservation, effects))?;
    let would = if args.dry_run { "would be " } else { "" };
    note(&format!(
        "{units} units {would}reserved for each of {} devices; {} have units of it already",
        reserved.made, reserved.kept
    ));
    Ok(())
}

impl From<NotReserved> for Failure {
    fn from(error: NotReserved) -> Self {
        match error {
            NotReserved::Act(error) => error.into(),
            error => Self::refused(error),
        }
    }
}
