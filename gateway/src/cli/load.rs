//! `fleetgrant load`: how fast, and at what cost.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;

use super::Failure;
use super::stdout::stdout;
use super::temporary::Temporary;
use crate::load::{self, LoadError, LoadOptions, LoadReport, Phase};

/// Put load on a gateway: real agents over mutual TLS, against a gateway and a broker in
/// processes of their own, all on this machine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Devices that connect and activate
    #[arg(long, default_value = "500")]
    devices: NonZeroUsize,
    /// Devices that the database knows besides
    #[arg(long, default_value_t = 0)]
    known: usize,
    /// Activations of each device once it is known, 1 to 32
    #[arg(long, default_value = "4")]
    rounds: NonZeroUsize,
    /// Devices that ask at a time
    #[arg(long, default_value = "64")]
    concurrency: NonZeroUsize,
    /// A new folder for the data, which stays; otherwise a temporary one, which goes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let temporary;
    let folder = match &args.data {
        Some(folder) => folder.as_path(),
        None => {
            temporary = Temporary::new("load").map_err(Failure::unavailable)?;
            temporary.path()
        }
    };
    let options = LoadOptions {
        devices: args.devices,
        known: args.known,
        rounds: args.rounds,
        concurrency: args.concurrency,
    };
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
    let report = runtime.block_on(load::run(folder, &options, &progress));
    bar.finish_and_clear();
    let report = report.map_err(|error| match error {
        LoadError::Failed { .. } => Failure::refused(error),
        _ => Failure::unavailable(error),
    })?;
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(Failure::refused)?;
        writeln!(stdout(), "{json}").map_err(Failure::unavailable)
    } else {
        print(&report).map_err(Failure::unavailable)
    }
}

fn print(report: &LoadReport) -> io::Result<()> {
    let mut out = stdout();
    let mebibytes = |bytes: u64| bytes / (1 << 20);
    writeln!(
        out,
        "{} devices connected, {} in the database; the floor (2 verifications, 1 signature) is {:.0} µs at rest\n\
         \n\
         {:38}{:>14}{:>14}",
        report.devices,
        report.known_devices,
        report.floor_at_rest_micros,
        "",
        "first contact",
        "activation",
    )?;
    let phases = [&report.first_contact, &report.activation];
    let mut row = |name: &str, value: &dyn Fn(&Phase) -> String| {
        let [first, then] = phases.map(value);
        writeln!(out, "{name:38}{first:>14}{then:>14}")
    };
    row("activations", &|phase| phase.activations.to_string())?;
    row("activations a second", &|phase| {
        format!("{:.0}", phase.per_second)
    })?;
    row("request to committed ack, p50 (ms)", &|phase| {
        millis(phase.p50_micros)
    })?;
    row("request to committed ack, p95 (ms)", &|phase| {
        millis(phase.p95_micros)
    })?;
    row("request to committed ack, p99 (ms)", &|phase| {
        millis(phase.p99_micros)
    })?;
    row("gateway CPU for each (µs)", &|phase| {
        format!("{:.0}", phase.gateway_cpu_micros)
    })?;
    row("the floor beside it (µs)", &|phase| {
        format!("{:.0}", phase.floor_micros)
    })?;
    row("gateway CPU to the floor beside it", &|phase| {
        format!("{:.2}", phase.gateway_cpu_to_floor)
    })?;
    row("gateway CPU to the floor at rest", &|phase| {
        format!("{:.2}", phase.gateway_cpu_to_floor_at_rest)
    })?;
    row("broker CPU for each (µs)", &|phase| {
        format!("{:.0}", phase.broker_cpu_micros)
    })?;
    writeln!(
        out,
        "\nPeak memory: gateway {} MiB, broker {} MiB",
        mebibytes(report.gateway_peak_memory),
        mebibytes(report.broker_peak_memory),
    )
}

fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1_000.0)
}
