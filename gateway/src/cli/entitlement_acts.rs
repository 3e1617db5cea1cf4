//! `fleetgrant entitlements suspend`, `revoke`, `renew`, `split` and the like.

mod remote;

use anyhow::anyhow;
use fleetgrant_core::domain::{ActReason, HoldReason, Timestamp};
use fleetgrant_core::lifecycle::EntitlementAct;
use fleetgrant_core::renewal::Base;
use jiff::tz::TimeZone;

pub(super) use remote::run as run_remote;

use super::Failure;
use super::ledger::Ledger;
use crate::lifecycle::{self, Deed, Direction, Length, Maintenance, Months, Renewal, Split};
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
    /// Let it run longer, for a term or until a date
    Renew(Renew),
    /// Make free units of it an entitlement of their own
    Split(Part),
    /// Give it, or free units of it, to another party
    Transfer(Transfer),
    /// Make it one of a product that replaces its product, device by device
    Upgrade(Upgrade),
    /// Make it one of a product that its product replaces, device by device
    Downgrade(Upgrade),
    /// Have the end of maintenance be the ceiling of it: newer firmware does not turn it on
    Maintain(Maintain),
    /// Take back that something maintains it
    Unmaintain(Maintain),
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
    /// What it waits for: operator, or payment; each is released apart
    #[arg(long = "for", value_name = "WHAT", default_value = "operator")]
    cause: HoldReason,
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

#[derive(Debug, clap::Args)]
pub(super) struct Renew {
    #[command(flatten)]
    which: Which,
    /// What the back office calls the renewal: the same again changes nothing
    #[arg(long)]
    reference: String,
    /// For how long, as P1Y or P90D
    #[arg(long, required_unless_present = "until", conflicts_with = "until")]
    term: Option<Months>,
    /// From where: end (no day is lost, and none is given), or now, if the end has passed; as its
    /// licence model says, if it is not said
    #[arg(long, value_enum, conflicts_with = "until")]
    from: Option<From>,
    /// Until this date in its owner's time zone, or this instant
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum From {
    End,
    Now,
}

#[derive(Debug, clap::Args)]
pub(super) struct Part {
    #[command(flatten)]
    which: Which,
    /// How many
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    units: u32,
    /// What the new entitlement is called: the same again changes nothing
    #[arg(long)]
    reference: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Transfer {
    #[command(flatten)]
    which: Which,
    /// The party: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    to: String,
    /// Only so many free units, which are an entitlement of their own from then on
    #[arg(long, requires = "reference", value_parser = clap::value_parser!(u32).range(1..))]
    units: Option<u32>,
    /// What the new entitlement is called
    #[arg(long, requires = "units")]
    reference: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Upgrade {
    #[command(flatten)]
    which: Which,
    /// The code of the product that it is to be of
    #[arg(long, value_name = "PRODUCT")]
    to: String,
    /// What the new entitlement is called: the same again changes nothing
    #[arg(long)]
    reference: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Maintain {
    #[command(flatten)]
    which: Which,
    /// What maintains it, of the model maintenance: its reference or its id
    #[arg(long, value_name = "ENTITLEMENT")]
    by: String,
}

impl Command {
    /// Refuses what was the option's meaning before it was that of every act, so that a script of then does
    /// not hold for another cause than it says.
    pub(super) fn check(&self, reason: Option<&ActReason>) -> Result<(), Failure> {
        let said = reason.map_or("", ActReason::as_str);
        match self {
            Self::Hold(_) | Self::Release(_) if said.parse::<HoldReason>().is_ok() => {
                Err(Failure::input(anyhow!(
                    "--reason is for people, in their words: say --for {said}"
                )))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn run(ledger: &Ledger, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Activate(which) => act(ledger, which, EntitlementAct::Activate),
        Command::Suspend(which) => act(ledger, which, EntitlementAct::Suspend),
        Command::Resume(which) => act(ledger, which, EntitlementAct::Resume),
        Command::Hold(args) => act(ledger, &args.which, EntitlementAct::Hold(args.cause)),
        Command::Release(args) => act(ledger, &args.which, EntitlementAct::Release(args.cause)),
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
        Command::Renew(args) => {
            let renewal = Renewal {
                reference: args.reference.clone(),
                length: args.length()?,
            };
            put(ledger, &args.which, Deed::Renew(renewal))
        }
        Command::Split(args) => {
            let part = Split {
                units: args.units,
                reference: args.reference.clone(),
                to: None,
            };
            put(ledger, &args.which, Deed::Split(part))
        }
        Command::Upgrade(args) => upgrade(ledger, args, Direction::Up),
        Command::Downgrade(args) => upgrade(ledger, args, Direction::Down),
        Command::Maintain(args) => maintain(ledger, args, true),
        Command::Unmaintain(args) => maintain(ledger, args, false),
        Command::Transfer(args) => {
            let to = ledger.party(&args.to)?;
            let deed = match (args.units, &args.reference) {
                (Some(units), Some(reference)) => Deed::Split(Split {
                    units,
                    reference: reference.clone(),
                    to: Some(to),
                }),
                _ => Deed::Transfer(to),
            };
            put(ledger, &args.which, deed)
        }
    }
}

fn upgrade(ledger: &Ledger, args: &Upgrade, direction: Direction) -> Result<(), Failure> {
    let order = lifecycle::Upgrade {
        product: args.to.clone(),
        reference: args.reference.clone(),
        direction,
    };
    put(ledger, &args.which, Deed::Upgrade(order))
}

fn maintain(ledger: &Ledger, args: &Maintain, covers: bool) -> Result<(), Failure> {
    let by = ledger.entitlement(&args.by)?.id.0;
    put(
        ledger,
        &args.which,
        Deed::Maintain(Maintenance { by, covers }),
    )
}

impl Renew {
    fn length(&self) -> Result<Length, Failure> {
        let base = self.from.map(|from| match from {
            From::End => Base::End,
            From::Now => Base::Now,
        });
        match (self.term, self.until) {
            (Some(term), None) => Ok(Length::For(base, term)),
            (None, Some(until)) => Ok(Length::Until(until)),
            _ => Err(Failure::input(anyhow!("give either --term or --until"))),
        }
    }
}

fn act(ledger: &Ledger, which: &Which, act: EntitlementAct) -> Result<(), Failure> {
    put(ledger, which, Deed::Act(act))
}

fn put(ledger: &Ledger, which: &Which, deed: Deed) -> Result<(), Failure> {
    let id = ledger.entitlement(&which.entitlement)?.id.0;
    let effects = if which.preview {
        Effects::Undone
    } else {
        Effects::Kept
    };
    let change = ledger.act_on(id, deed, effects)?;
    super::note(&change.said);
    if which.preview {
        super::note("nothing was changed");
    }
    Ok(())
}

fn zone_of(ledger: &Ledger, which: &Which) -> Result<TimeZone, Failure> {
    let zone = ledger.entitlement(&which.entitlement)?.time_zone;
    TimeZone::get(&zone).map_err(Failure::unavailable)
}
