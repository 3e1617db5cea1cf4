//! `fleetgrant report`: what the ledger says.

mod customer;
mod events;
mod figures;
mod reconcile;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};

use super::ledger::Ledger;
use super::output::Format;
use super::{Failure, Global, OrUnavailable};
use crate::clock::Clock;
use crate::report::delay::{self, Cohort};
use crate::report::group::GroupBy;
use crate::report::stuck::{self, Limits, Step};
use crate::report::{activation, platform, usage};
use crate::when::When;

/// Report on activations, orders, customers and the history
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Activation(Activation),
    /// How long units take from the order to their first activation in the field
    OrderToActivation(Delay),
    /// How long units take from the shipment to their first activation in the field
    ShipmentToActivation(Delay),
    /// Count the platforms that have something activated
    Platforms(Output),
    /// Count the licence models in use
    LicenseModels(Output),
    Utilisation(Utilisation),
    Stuck(Stuck),
    Reconcile(reconcile::Args),
    Customer(customer::Args),
    Events(events::Args),
}

/// How devices, activations and refusals stand, and how long activation takes
#[derive(Debug, clap::Args)]
struct Activation {
    /// Only what happened since, as 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "INSTANT")]
    since: Option<When>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Delay {
    /// Only what was ordered or shipped since, as 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "INSTANT")]
    since: Option<When>,
    /// Only what was ordered or shipped before
    #[arg(long, value_name = "INSTANT")]
    until: Option<When>,
    /// A line for each of these
    #[arg(long, value_enum, default_value_t)]
    by: GroupBy,
    #[command(flatten)]
    output: Output,
}

/// How much of what was sold is in use
#[derive(Debug, clap::Args)]
struct Utilisation {
    /// A line for each of these
    #[arg(long, value_enum, default_value_t = GroupBy::Product)]
    by: GroupBy,
    #[command(flatten)]
    output: Output,
}

/// List what has been in a step for longer than it should
#[derive(Debug, clap::Args)]
struct Stuck {
    /// Only this step
    #[arg(long, value_enum)]
    step: Option<Step>,
    /// How long something may be in a step, as removing=3d
    #[arg(long, value_name = "STEP=TIME", value_parser = limit)]
    limit: Vec<(Step, Duration)>,
    /// Rows of each step at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most: u32,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Output {
    /// The form of the report
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    let now = Clock::system().now();
    let zone = &ledger.config().time_zone;
    match &args.command {
        Command::Activation(args) => {
            let zone = zone.clone();
            let since = args.since.map(|since| since.at(&zone));
            let report = ledger.read(move |db| activation::read(db, now, since, &zone))?;
            figures::print_activation(args.output.output, &report)
        }
        Command::OrderToActivation(args) => {
            let (cohort, by) = (args.cohort(zone), args.by);
            let report = ledger.read(move |db| delay::order_to_activation(db, now, cohort, by))?;
            figures::print_delay(args.output.output, &report)
        }
        Command::ShipmentToActivation(args) => {
            let (cohort, by) = (args.cohort(zone), args.by);
            let report =
                ledger.read(move |db| delay::shipment_to_activation(db, now, cohort, by))?;
            figures::print_delay(args.output.output, &report)
        }
        Command::Platforms(args) => {
            let platforms = ledger.read(platform::platforms)?;
            figures::print_platforms(args.output, platforms)
        }
        Command::LicenseModels(args) => {
            let report = ledger.read(move |db| usage::usage(db, now, GroupBy::Model))?;
            figures::print_usage(args.output, report)
        }
        Command::Utilisation(args) => {
            let by = args.by;
            let report = ledger.read(move |db| usage::usage(db, now, by))?;
            figures::print_usage(args.output.output, report)
        }
        Command::Stuck(args) => {
            let (limits, most) = (args.limits(), i64::from(args.most));
            let mut stuck = ledger.read(move |db| stuck::stuck(db, now, &limits, most))?;
            stuck.retain(|stuck| args.step.is_none_or(|step| stuck.step == step));
            figures::print_stuck(args.output.output, stuck, now)
        }
        Command::Reconcile(args) => return reconcile::run(&ledger, args),
        Command::Customer(args) => return customer::run(&ledger, args),
        Command::Events(args) => return events::run(&ledger, args),
    }
    .or_unavailable(|| "cannot write the report".to_owned())
}

impl Delay {
    fn cohort(&self, zone: &TimeZone) -> Cohort {
        Cohort {
            since: self.since.map(|since| since.at(zone)),
            until: self.until.map(|until| until.at(zone)),
        }
    }
}

impl Stuck {
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for (step, limit) in &self.limit {
            *limits.of(*step) = *limit;
        }
        limits
    }
}

/// A step and how long something may be in it.
fn limit(text: &str) -> Result<(Step, Duration), String> {
    let (step, time) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is no limit; write it as removing=3d"))?;
    let step = <Step as clap::ValueEnum>::from_str(step, false)?;
    let limit = time
        .parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .and_then(|limit| Duration::try_from(limit).ok())
        .ok_or_else(|| format!("{time:?} is no length of time; write it as 90s, 1h 30m or 30d"))?;
    Ok((step, limit))
}
