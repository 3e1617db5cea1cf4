//! `fleetgrant factory yield`: how the lines do.

use std::collections::BTreeMap;

use fleetgrant_core::domain::Timestamp;
use fleetgrant_core::yields::{self, Run, Yield};

use crate::cli::ledger::Ledger;
use crate::cli::output::{self, Format, row};
use crate::cli::{Failure, Global, OrUnavailable};
use crate::store::station;
use crate::when::When;

/// Show first-pass yield by station, or final yield by batch
///
/// First-pass yield: units whose first run at the station passed, of those whose first run there
/// closed. Final yield: devices that passed, of those that passed, failed or were scrapped.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// By what
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Only of the stations of this contract manufacturer: a name, or the id that some system calls
    /// it by
    #[arg(long, value_name = "PARTY")]
    manufacturer: Option<String>,
    /// First runs that closed from this day or instant on
    #[arg(long, value_name = "WHEN")]
    from: Option<When>,
    /// First runs that closed before this day or instant
    #[arg(long, value_name = "WHEN")]
    to: Option<When>,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum By {
    #[default]
    Station,
    Batch,
}

row!(
    /// A yield.
    YieldLine {
        of: String,
        passed: u64,
        units: u64,
        share: Option<f64>,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    let zone = ledger.config().time_zone.clone();
    let bound = |when: Option<When>, open: i64| {
        when.map_or(Timestamp::from_micros(open), |when| when.at(&zone))
    };
    let (from, to) = (bound(args.from, i64::MIN), bound(args.to, i64::MAX));
    let manufacturers = ledger.parties(args.manufacturer.as_deref())?;
    let (stations, runs) = ledger.read(move |db| {
        Ok((
            station::all(db)?,
            station::runs(db, manufacturers.as_deref())?,
        ))
    })?;
    let lines: Vec<YieldLine> = match args.by {
        By::Station => {
            let runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
            let of = |id| yields::first_pass(&runs, id, from, to);
            let lines = stations.into_iter().map(|s| line(s.name, of(s.id.0)));
            lines.filter(|line| line.units > 0).collect()
        }
        By::Batch => {
            let mut batches: BTreeMap<String, Vec<Run>> = BTreeMap::new();
            for (batch, run) in runs {
                let name = batch.unwrap_or_else(|| "no batch".to_owned());
                batches.entry(name).or_default().push(run);
            }
            let of = |(name, runs): (String, Vec<Run>)| line(name, yields::final_yield(&runs));
            batches.into_iter().map(of).collect()
        }
    };
    output::print(args.output, &lines).or_unavailable(|| "cannot write the report".to_owned())
}

fn line(of: String, part: Yield) -> YieldLine {
    YieldLine {
        of,
        passed: part.passed,
        units: part.of,
        share: part.share(),
    }
}
