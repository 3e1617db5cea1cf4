//! `fleetgrant factory run` and `station`: what happens to a device on the line.

mod remote;

use anyhow::anyhow;
use fleetgrant_core::domain::DeviceId;

use super::run_list;
use crate::cli::ledger::{Ledger, SortArgs, actor, device_id};
use crate::cli::output::{self, Format, row};
use crate::cli::{Failure, Global, OrUnavailable, Remote, note};
use crate::clock::Clock;
use crate::factory::{self as line, LineError};
use crate::http::line::{Run, Station};
use crate::store::event::Occasion;
use crate::store::station::{self, StationFilter, StationSort};
use crate::store::{Db, StoreError};

/// Add a station, or list them
#[derive(Debug, clap::Args)]
pub(super) struct StationArgs {
    #[command(subcommand)]
    command: StationCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StationCommand {
    Add(Add),
    List(List),
}

/// Add a station, or give one another time limit
#[derive(Debug, clap::Args)]
struct Add {
    /// What it is called
    name: String,
    /// Who runs it: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    manufacturer: Option<String>,
    /// Seconds in which a device must have signed for its rights
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    time_limit: u32,
}

/// List the stations
#[derive(Debug, clap::Args)]
struct List {
    /// Only those that this contract manufacturer runs: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    manufacturer: Option<String>,
    #[command(flatten)]
    order: SortArgs<StationSort>,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Open, close, scrap or list what is tried on the line
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    #[command(subcommand)]
    command: RunCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RunCommand {
    Open(Open),
    Close(Close),
    Scrap(Scrap),
    List(run_list::List),
}

/// Begin a try of a device at a station
///
/// It passes if the device signs for a set within the station's time, and fails if it does not.
#[derive(Debug, clap::Args)]
struct Open {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
    /// The station
    #[arg(long, value_name = "NAME")]
    station: String,
    /// Who runs it
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
}

/// Close what is decided: all runs that passed, or whose time is over
#[derive(Debug, clap::Args)]
struct Close {
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Scrap the device of a run that is open
///
/// What it holds stays taken: revoke it, or declare the device dead.
#[derive(Debug, clap::Args)]
struct Scrap {
    /// The device: its id, as `devices list` shows it
    #[arg(value_parser = device_id)]
    device: DeviceId,
}

row!(
    /// A station.
    StationLine {
        station: String,
        time_limit: i64,
        since: String,
    }
);

row!(
    /// A try of a device.
    RunLine {
        device: String,
        station: String,
        attempt: i64,
        state: String,
        opened: String,
        closed: Option<String>,
    }
);

impl From<Run> for RunLine {
    fn from(run: Run) -> Self {
        Self {
            device: run.device,
            station: run.station,
            attempt: run.attempt,
            state: run.state.to_string(),
            opened: run.opened_at.to_string(),
            closed: run.closed_at.map(|at| at.to_string()),
        }
    }
}

impl From<Station> for StationLine {
    fn from(station: Station) -> Self {
        Self {
            station: station.name,
            time_limit: station.time_limit_seconds,
            since: station.created_at.to_string(),
        }
    }
}

pub(super) fn stations(global: &Global, args: &StationArgs) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::stations(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        StationCommand::Add(args) => add(&ledger, args),
        StationCommand::List(args) => {
            let filter = StationFilter {
                manufacturers: ledger.parties(args.manufacturer.as_deref())?,
                part: args.order.whole(),
            };
            let stations = ledger.read(move |db| station::list(db, &filter, i64::MAX))?;
            show_stations(args, stations.into_iter().map(Station::from).collect())
        }
    }
}

fn show_stations(args: &List, stations: Vec<Station>) -> Result<(), Failure> {
    let lines: Vec<_> = stations.into_iter().map(StationLine::from).collect();
    output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn add(ledger: &Ledger, args: &Add) -> Result<(), Failure> {
    let manufacturer = match ledger.parties(args.manufacturer.as_deref())?.as_deref() {
        None => None,
        Some([only]) => Some(*only),
        Some(_) => return Err(Failure::refused(anyhow!("several parties are called so"))),
    };
    let (name, limit, now) = (args.name.clone(), args.time_limit, Clock::system().now());
    ledger.store().write_blocking("station", move |db| {
        settled(line::put_station(db, &name, manufacturer, limit, now))
    })??;
    tell_of_station(args);
    Ok(())
}

fn tell_of_station(args: &Add) {
    note(&format!(
        "a device has {} s at {}",
        args.time_limit, args.name
    ));
}

pub(super) fn runs(global: &Global, args: &RunArgs) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::runs(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        RunCommand::Open(args) => open(&ledger, args),
        RunCommand::Close(args) => close(&ledger, args),
        RunCommand::Scrap(args) => scrap(&ledger, args),
        RunCommand::List(args) => run_list::list(&ledger, args),
    }
}

fn open(ledger: &Ledger, args: &Open) -> Result<(), Failure> {
    let (id, station, by) = (
        args.device.clone(),
        args.station.clone(),
        args.operator.clone(),
    );
    let run = in_history(ledger, "run", move |db, occasion| {
        settled(line::open_run(
            db,
            &id,
            &station,
            by.as_deref(),
            None,
            occasion,
        ))
    })??;
    tell_of_run(&run.into());
    Ok(())
}

fn tell_of_run(run: &Run) {
    note(&format!(
        "{} is at {}, attempt {}",
        run.device, run.station, run.attempt
    ));
}

fn close(ledger: &Ledger, args: &Close) -> Result<(), Failure> {
    let mut runs = Vec::new();
    loop {
        let closed = in_history(ledger, "runs", |db, occasion| {
            line::close_runs(db, None, occasion)
        })?;
        runs.extend(closed.runs.into_iter().map(Run::from));
        if !closed.more {
            return show_runs(args, runs);
        }
    }
}

fn show_runs(args: &Close, runs: Vec<Run>) -> Result<(), Failure> {
    let lines: Vec<_> = runs.into_iter().map(RunLine::from).collect();
    output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn scrap(ledger: &Ledger, args: &Scrap) -> Result<(), Failure> {
    let id = args.device.clone();
    in_history(ledger, "scrap", move |db, occasion| {
        settled(line::scrap(db, &id, None, occasion))
    })??;
    note(&format!("{} is scrapped", args.device));
    Ok(())
}

/// A failure of the database ends the transaction; a refusal has written nothing.
fn settled<T>(tried: Result<T, LineError>) -> Result<Result<T, LineError>, StoreError> {
    match tried {
        Err(LineError::Store(error)) => Err(error),
        other => Ok(other),
    }
}

impl From<LineError> for Failure {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Store(error) => error.into(),
            LineError::Name(_) | LineError::TimeLimit => Self::input(error),
            error => Self::refused(error),
        }
    }
}

fn in_history<T: Send + 'static>(
    ledger: &Ledger,
    name: &'static str,
    act: impl Fn(&mut Db, Occasion<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let (now, actor) = (Clock::system().now(), actor());
    Ok(ledger.store().write_blocking(name, move |db| {
        let occasion = Occasion {
            at: now,
            actor: &actor,
            cause: &[],
        };
        act(db, occasion)
    })?)
}
