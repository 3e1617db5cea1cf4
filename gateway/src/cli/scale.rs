//! `fleetgrant scale`: how the time of each read grows with the fleet.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;

use super::output::print_json;
use super::stdout::stdout;
use super::temporary::Temporary;
use super::{Failure, note};
use crate::config::Log;
use crate::scale::{self, Measured, ScaleOptions};
use crate::telemetry;

/// Make databases of growing fleets, and time every report and every read of the API over each
///
/// A fleet of 10,000 devices takes some 250 MB and half a minute, and both grow with it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Devices of each database
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    devices: Vec<NonZeroUsize>,
    /// Times that each read is measured; the median counts
    #[arg(long, default_value = "5")]
    runs: NonZeroUsize,
    /// A new folder for the databases, which stay; otherwise a temporary one, which goes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let temporary;
    let folder = match &args.data {
        Some(folder) => {
            std::fs::create_dir(folder).map_err(Failure::unavailable)?;
            folder.as_path()
        }
        None => {
            temporary = Temporary::new("scale").map_err(Failure::unavailable)?;
            temporary.path()
        }
    };
    let options = ScaleOptions {
        devices: args.devices.clone(),
        runs: args.runs,
    };
    let log = Log {
        level: "error".to_owned(),
        ..Log::default()
    };
    let telemetry = telemetry::init(&log).map_err(Failure::config)?;
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{msg:20} {wide_bar} {pos}/{len} {per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let progress = |what: &'static str, done: usize, of: usize| {
        bar.set_message(what);
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let runtime = Runtime::new().map_err(Failure::unavailable)?;
    let measured = runtime.block_on(scale::run(folder, &options, &telemetry, &progress));
    bar.finish_and_clear();
    let measured = measured.map_err(Failure::unavailable)?;
    if args.data.is_some() {
        note(&format!("the databases stay in {}", folder.display()));
    }
    if args.json {
        print_json(&measured).map_err(Failure::unavailable)
    } else {
        print(&measured).map_err(Failure::unavailable)
    }
}

/// A column for each database, and how many times as long the last takes as the first.
fn print(measured: &[Measured]) -> io::Result<()> {
    let mut out = stdout();
    let mut row = |name: &str, cells: Vec<String>| {
        write!(out, "{name:44}")?;
        for cell in cells {
            write!(out, "{cell:>14}")?;
        }
        writeln!(out)
    };
    let each = |cell: &dyn Fn(&Measured) -> String| measured.iter().map(cell).collect::<Vec<_>>();
    row("devices", each(&|one| one.devices.to_string()))?;
    row("activations", each(&|one| one.activations.to_string()))?;
    row("events", each(&|one| one.events.to_string()))?;
    row(
        "database (MB)",
        each(&|one| (one.bytes / 1_000_000).to_string()),
    )?;
    row(
        "made in (s)",
        each(&|one| format!("{:.0}", one.made_in.as_secs_f64())),
    )?;
    let mut heading = each(&|_| "ms".to_owned());
    heading.push("growth".to_owned());
    row("", heading)?;
    let Some(((first, others), last)) = measured.split_first().zip(measured.last()) else {
        return Ok(());
    };
    for read in &last.reads {
        let of = |one: &Measured| {
            let read = one.reads.iter().find(|other| other.address == read.address);
            read.cloned()
        };
        let mut cells: Vec<String> = measured
            .iter()
            .map(|one| match of(one) {
                Some(read) if read.status == 200 => millis(read.median_micros),
                Some(read) => format!("({})", read.status),
                None => String::new(),
            })
            .collect();
        let before = of(first).filter(|_| !others.is_empty());
        cells.push(before.map_or_else(String::new, |before| {
            let growth = read.median_micros as f64 / before.median_micros.max(1) as f64;
            format!("{growth:.1} x")
        }));
        row(&read.address, cells)?;
    }
    Ok(())
}

fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1_000.0)
}
