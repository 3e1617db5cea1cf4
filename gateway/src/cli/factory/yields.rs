//! `fleetgrant factory yield`: how the lines do.

use clap::ValueEnum as _;
use clap::builder::PossibleValue;
use fleetgrant_core::domain::Timestamp;

use crate::cli::ledger::Ledger;
use crate::cli::output::{self, Format, row};
use crate::cli::remote::Query;
use crate::cli::{Failure, Global, OrUnavailable, Remote};
use crate::factory::yields::{self, By, YieldOf};
use crate::http::value;
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
    /// Only of devices of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
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
    if let Some(gateway) = Remote::of(global)? {
        let at = |when: When| value::When(when.at(gateway.zone()));
        let by = args.by.to_possible_value();
        let query = Query::default()
            .with("by", by.as_ref().map(PossibleValue::get_name))
            .with(
                "manufacturer",
                gateway.party_if(args.manufacturer.as_deref())?,
            )
            .with("product_line", args.product_line.as_deref())
            .with("from", args.from.map(at))
            .with("to", args.to.map(at));
        return show(args, gateway.get("/reports/yield", &query)?);
    }
    let ledger = Ledger::open(global)?;
    let zone = ledger.config().time_zone.clone();
    let bound = |when: Option<When>, open: i64| {
        when.map_or(Timestamp::from_micros(open), |when| when.at(&zone))
    };
    let (from, to) = (bound(args.from, i64::MIN), bound(args.to, i64::MAX));
    let manufacturers = ledger.parties(args.manufacturer.as_deref())?;
    let line = ledger.product_line(args.product_line.as_deref())?;
    let by = args.by;
    let yields =
        ledger.read(move |db| yields::read(db, by, manufacturers.as_deref(), line, (from, to)))?;
    show(args, yields)
}

fn show(args: &Args, yields: Vec<YieldOf>) -> Result<(), Failure> {
    let lines: Vec<_> = yields.into_iter().map(YieldLine::from).collect();
    output::print(args.output, &lines).or_unavailable(|| "cannot write the report".to_owned())
}

impl From<YieldOf> for YieldLine {
    fn from(part: YieldOf) -> Self {
        Self {
            of: part.of,
            passed: part.passed,
            units: part.units,
            share: part.share,
        }
    }
}
