//! `fleetgrant entitlements suspend`, `hold`, `revoke` and the like: how an entitlement stands.

use fleetgrant_core::domain::{HoldReason, Timestamp};
use fleetgrant_core::lifecycle::EntitlementAct;
use jiff::tz::TimeZone;

use super::Failure;
use super::ledger::Ledger;
use crate::operator::Effects;
use crate::when::When;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Let a draft be used
    Activate(Which),
    /// Switch its features off on every device; each device keeps its units
    Suspend(Which),
    /// Switch its features on again
    Resume(Which),
    /// Let no new units of it be activated; what runs goes on
    Hold(Hold),
    /// Take back a reason to hold it
    Release(Hold),
    /// Take it off every device, now or at a date; units are free when that is proven
    Revoke(Revoke),
    /// Withdraw a revocation that is still to come
    Keep(Which),
    /// End an entitlement of which nothing is in use
    Close(Which),
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Its reference or its id
    entitlement: String,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    #[command(flatten)]
    which: Which,
    /// Why: operator, or payment; each is released apart
    #[arg(long, default_value = "operator")]
    reason: HoldReason,
}

#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    which: Which,
    /// From when on: a date in its owner's time zone, or an instant; now, if it is not said
    ///
    /// Devices are told at once that it ends then.
    #[arg(long, value_name = "WHEN")]
    at: Option<When>,
}

pub(super) fn run(ledger: &Ledger, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Activate(which) => act(ledger, which, EntitlementAct::Activate),
        Command::Suspend(which) => act(ledger, which, EntitlementAct::Suspend),
        Command::Resume(which) => act(ledger, which, EntitlementAct::Resume),
        Command::Hold(args) => act(ledger, &args.which, EntitlementAct::Hold(args.reason)),
        Command::Release(args) => act(ledger, &args.which, EntitlementAct::Release(args.reason)),
        Command::Revoke(args) => {
            let at = match args.at {
                Some(at) => at.at(&zone_of(ledger, &args.which)?),
                // What is past is now.
                None => Timestamp::from_seconds(0),
            };
            act(ledger, &args.which, EntitlementAct::Revoke { at })
        }
        Command::Keep(which) => act(ledger, which, EntitlementAct::KeepOn),
        Command::Close(which) => act(ledger, which, EntitlementAct::Close),
    }
}

fn act(ledger: &Ledger, which: &Which, act: EntitlementAct) -> Result<(), Failure> {
    let id = ledger.entitlement(&which.entitlement)?.id.0;
    let effects = if which.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    let change = ledger.act_on(id, act, effects)?;
    super::note(&change.summary());
    if which.preview {
        super::note("nothing was changed");
    }
    Ok(())
}

fn zone_of(ledger: &Ledger, which: &Which) -> Result<TimeZone, Failure> {
    let zone = ledger.entitlement(&which.entitlement)?.time_zone;
    TimeZone::get(&zone).map_err(Failure::unavailable)
}
