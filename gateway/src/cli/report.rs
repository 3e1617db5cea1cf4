//! `fleetgrant report`: what the ledger says.

use fleetgrant_core::domain::Timestamp;

use super::ledger::Ledger;
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable};
use crate::clock::Clock;
use crate::report;

/// Reports on activations, orders, customers and the history
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Activation(Activation),
}

/// How devices, activations and refusals stand, and how long activation takes
#[derive(Debug, clap::Args)]
struct Activation {
    /// Only what happened since, as 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    since: Option<Timestamp>,
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
    match &args.command {
        Command::Activation(args) => activation(&ledger, args, now),
    }
}

row!(
    /// A figure of a report.
    Figure {
        section: &'static str,
        item: String,
        value: String,
    }
);

fn activation(ledger: &Ledger, args: &Activation, now: Timestamp) -> Result<(), Failure> {
    let since = args.since;
    let report = ledger.read(move |db| report::activation::read(db, now, since))?;
    match args.output.output {
        Format::Json => output::print_json(&report),
        Format::Table => output::print_text(&report),
        Format::Csv => {
            let figures: Vec<_> = report
                .lines()
                .into_iter()
                .map(|(section, item, value)| Figure {
                    section,
                    item,
                    value,
                })
                .collect();
            output::print(Format::Csv, &figures)
        }
    }
    .or_unavailable(|| "cannot write the report".to_owned())
}

/// An instant of RFC 3339, or the beginning of a day in UTC.
fn instant(text: &str) -> Result<Timestamp, String> {
    let instant = text.parse::<jiff::Timestamp>().or_else(|_| {
        let day = text.parse::<jiff::civil::Date>()?;
        jiff::tz::Offset::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()))
    });
    instant
        .map(|instant| Timestamp::from_micros(instant.as_microsecond()))
        .map_err(|_: jiff::Error| {
            format!("{text:?} is no instant; write it as 2026-11-24 or 2026-11-24T08:00:00Z")
        })
}
