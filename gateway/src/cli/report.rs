//! `fleetgrant report`: what the ledger says.

mod customer;
mod events;
mod figures;
mod reconcile;
mod remote;

use std::time::Duration;

use fleetgrant_core::domain::ProductLineId;
use jiff::tz::TimeZone;

use super::ledger::Ledger;
use super::output::Format;
use super::{Failure, Global, OrUnavailable, Remote};
use crate::clock::Clock;
use crate::report::delay::{self, Cohort};
use crate::report::dimension::Dimensions;
use crate::report::group::GroupBy;
use crate::report::share::{self, ShareQuery};
use crate::report::stuck::{self, Limits, Step};
use crate::report::{activation, expiring, operations, platform, tiers, usage, uses};
use crate::when::{When, length};

/// Report on activations, orders, customers and the history
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take figures that another gateway made so long ago at most, as 10m; 0s: it makes them now
    #[arg(long, global = true, value_name = "TIME", value_parser = length)]
    max_age: Option<Duration>,
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
    Platforms(OfLine),
    /// Count the licence models in use
    LicenseModels(OfLine),
    Utilisation(Utilisation),
    Activations(Activations),
    Operations(Operations),
    Uses(Utilisation),
    Expiring(Expiring),
    /// List parties that bought as much as another tier takes, or less than their own does
    Tiers(Output),
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
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
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
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// How much of what was sold is in use
#[derive(Debug, clap::Args)]
struct Utilisation {
    /// A line for each of these
    #[arg(long, value_enum, default_value_t = GroupBy::Product)]
    by: GroupBy,
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Count activations, and which share of what was sold they are, by any grouping
#[derive(Debug, clap::Args)]
struct Activations {
    /// Only what was activated, and sold, since, as 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "INSTANT")]
    since: Option<When>,
    /// Only what was activated, and sold, before
    #[arg(long, value_name = "INSTANT")]
    until: Option<When>,
    /// In the share only what was activated within this time, of what is at least as old, as 30d
    #[arg(long, value_name = "TIME", value_parser = length)]
    within: Option<Duration>,
    /// A line for each combination of these: product, feature, model, customer, tier, product-line,
    /// platform, purpose
    #[arg(long, value_name = "LIST", default_value_t)]
    by: Dimensions,
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Count returns, moves, temporary licences, overdrafts, copies at risk, resyncs and what succeeded
#[derive(Debug, clap::Args)]
struct Operations {
    /// As CSV: resyncs, suspected clones and cases, in place of what was done of each group
    #[arg(long)]
    devices: bool,
    /// Only what happened since, as 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "INSTANT")]
    since: Option<When>,
    /// Only what happened before
    #[arg(long, value_name = "INSTANT")]
    until: Option<When>,
    /// A line for each of these
    #[arg(long, value_enum, default_value_t)]
    by: GroupBy,
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// List what ends soon, what ends first first
#[derive(Debug, clap::Args)]
struct Expiring {
    /// How soon, as 30d
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = length)]
    within: Duration,
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
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
    #[arg(long, value_name = "STEP=TIME", value_parser = stuck::limit)]
    limit: Vec<(Step, Duration)>,
    /// Rows of each step at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most: u32,
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct OfLine {
    /// Only of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
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
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    let now = Clock::system().now();
    let zone = &ledger.config().time_zone;
    match &args.command {
        Command::Activation(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let zone = zone.clone();
            let since = args.since.map(|since| since.at(&zone));
            let report = ledger.read(move |db| activation::read(db, line, now, since, &zone))?;
            figures::print_activation(args.output.output, &report)
        }
        Command::OrderToActivation(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let (cohort, by) = (args.cohort(zone), args.by);
            let report =
                ledger.read(move |db| delay::order_to_activation(db, line, now, cohort, by))?;
            figures::print_delay(args.output.output, &report)
        }
        Command::ShipmentToActivation(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let (cohort, by) = (args.cohort(zone), args.by);
            let report =
                ledger.read(move |db| delay::shipment_to_activation(db, line, now, cohort, by))?;
            figures::print_delay(args.output.output, &report)
        }
        Command::Platforms(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let platforms = ledger.read(move |db| platform::platforms(db, line))?;
            figures::print_platforms(args.output.output, platforms)
        }
        Command::LicenseModels(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let report = ledger.read(move |db| usage::usage(db, line, now, GroupBy::Model))?;
            figures::print_usage(args.output.output, report)
        }
        Command::Utilisation(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let by = args.by;
            let report = ledger.read(move |db| usage::usage(db, line, now, by))?;
            figures::print_usage(args.output.output, report)
        }
        Command::Activations(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let query = args.query(zone, line);
            let report = ledger.read(move |db| share::read(db, now, &query))?;
            figures::print_shares(args.output.output, report)
        }
        Command::Operations(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let (interval, by) = (interval(args.since, args.until, zone), args.by);
            let report = ledger.read(move |db| operations::read(db, line, now, interval, by))?;
            figures::print_operations(args.output.output, args.devices, report)
        }
        Command::Uses(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let by = args.by;
            let report = ledger.read(move |db| uses::read(db, line, now, by))?;
            figures::print_uses(args.output.output, report)
        }
        Command::Expiring(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let until = now.plus_seconds(args.within.as_secs());
            let soon = ledger.read(move |db| expiring::read(db, line, now, until))?;
            figures::print_expiring(args.output.output, soon)
        }
        Command::Tiers(args) => {
            let zone = zone.clone();
            let suggested = ledger.read(move |db| tiers::read(db, now, &zone))?;
            figures::print_tiers(args.output, suggested)
        }
        Command::Stuck(args) => {
            let line = ledger.product_line(args.product_line.as_deref())?;
            let (limits, most) = (args.limits(), i64::from(args.most));
            let mut stuck = ledger.read(move |db| stuck::stuck(db, line, now, &limits, most))?;
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
        interval(self.since, self.until, zone)
    }
}

impl Activations {
    fn query(&self, zone: &TimeZone, line: Option<ProductLineId>) -> ShareQuery {
        ShareQuery {
            cohort: interval(self.since, self.until, zone),
            within: self.within,
            by: self.by.clone(),
            line,
        }
    }
}

fn interval(since: Option<When>, until: Option<When>, zone: &TimeZone) -> Cohort {
    Cohort {
        since: since.map(|since| since.at(zone)),
        until: until.map(|until| until.at(zone)),
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
