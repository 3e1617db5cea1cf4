//! `fleetgrant factory reserve`: rights for devices that nobody has heard of yet.

use super::batch_called;
use crate::cli::ledger::{Ledger, runtime};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Global, Remote, note};
use crate::factory::{NotReserved, Reservation};
use crate::http::factory::{BatchReservation, BatchReserved};
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
    if let Some(gateway) = Remote::of(global)? {
        return on(&gateway, args);
    }
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
    tell(args, reserved.made, reserved.kept);
    Ok(())
}

/// The same, on another gateway.
fn on(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let path = format!("/batches/{}/reserve", gateway.batch(&args.batch)?.id);
    let asked = BatchReservation {
        entitlement: gateway.entitlement(&args.entitlement)?.id,
        units: args.units,
    };
    let reserved: BatchReserved =
        gateway.post(&path, &Query::preview(args.dry_run), &Body::Json(&asked))?;
    tell(args, reserved.made, reserved.kept);
    Ok(())
}

fn tell(args: &Args, made: u64, kept: u64) {
    let units = args.units;
    let would = if args.dry_run { "would be " } else { "" };
    note(&format!(
        "{units} units {would}reserved for each of {made} devices; {kept} have units of it already"
    ));
}

impl From<NotReserved> for Failure {
    fn from(error: NotReserved) -> Self {
        match error {
            NotReserved::Act(error) => error.into(),
            error => Self::refused(error),
        }
    }
}
