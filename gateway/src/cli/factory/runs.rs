//! `fleetgrant factory run` and `station`: what happens to a device on the line.

use anyhow::anyhow;
use fleetgrant_core::domain::{DeviceId, RunState};

use crate::cli::ledger::{Ledger, actor, device_id};
use crate::cli::output::{self, Format, row};
use crate::cli::{Failure, Global, OrUnavailable, note};
use crate::clock::Clock;
use crate::store::event::Occasion;
use crate::store::station::{self, Run, Station};
use crate::store::{Db, StoreError, device};

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
    /// Who runs it: a name, or the id that some system calls it by
    #[arg(long, value_name = "PARTY")]
    manufacturer: Option<String>,
    /// Seconds in which a device must have signed for its rights
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    time_limit: u32,
}

/// List the stations
#[derive(Debug, clap::Args)]
struct List {
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Open, close or scrap what is tried on the line
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
}

/// Begin a try of a device at a station
///
/// It passes if the device signs for a set within the station's time, and fails if it does not.
#[derive(Debug, clap::Args)]
struct Open {
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

impl RunLine {
    fn of(run: Run, station: &Station) -> Self {
        Self {
            device: run.device_id,
            station: station.name.clone(),
            attempt: run.attempt,
            state: run.state.0.to_string(),
            opened: run.opened_at.0.to_string(),
            closed: run.closed_at.map(|at| at.0.to_string()),
        }
    }
}

pub(super) fn stations(global: &Global, args: &StationArgs) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    match &args.command {
        StationCommand::Add(args) => add(&ledger, args),
        StationCommand::List(args) => {
            let stations = ledger.read(station::all)?;
            let line = |station: Station| StationLine {
                station: station.name,
                time_limit: station.time_limit_seconds,
                since: station.created_at.0.to_string(),
            };
            let lines: Vec<_> = stations.into_iter().map(line).collect();
            output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
        }
    }
}

fn add(ledger: &Ledger, args: &Add) -> Result<(), Failure> {
    if args.name.is_empty() || args.name.len() > 64 || args.name.contains(char::is_control) {
        return Err(Failure::input(anyhow!(
            "a station's name has 1 to 64 characters"
        )));
    }
    let manufacturer = match ledger.parties(args.manufacturer.as_deref())?.as_deref() {
        None => None,
        Some([only]) => Some(*only),
        Some(_) => return Err(Failure::refused(anyhow!("several parties are called so"))),
    };
    let (name, limit, now) = (args.name.clone(), args.time_limit, Clock::system().now());
    let is_new = ledger.store().write_blocking("station", move |db| {
        station::put(db, &name, manufacturer, limit, now)
    })?;
    note(if is_new {
        "it is added"
    } else {
        "it is changed"
    });
    Ok(())
}

pub(super) fn runs(global: &Global, args: &RunArgs) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    match &args.command {
        RunCommand::Open(args) => open(&ledger, args),
        RunCommand::Close(args) => close(&ledger, args),
        RunCommand::Scrap(args) => scrap(&ledger, args),
    }
}

/// Why a run was not opened.
enum NotOpened {
    NoStation,
    NoDevice,
    IsOpen(String),
    IsScrapped,
}

fn open(ledger: &Ledger, args: &Open) -> Result<(), Failure> {
    let (name, id, by) = (
        args.station.clone(),
        args.device.clone(),
        args.operator.clone(),
    );
    let opened = in_history(ledger, "run", move |db, occasion| {
        let Some(station) = station::by_name(db, &name)? else {
            return Ok(Err(NotOpened::NoStation));
        };
        if device::find(db, id.as_str())?.is_none() {
            return Ok(Err(NotOpened::NoDevice));
        }
        if let Some((_, at)) = station::open_run(db, id.as_str())? {
            return Ok(Err(NotOpened::IsOpen(at.name)));
        }
        if station::is_scrapped(db, id.as_str())? {
            return Ok(Err(NotOpened::IsScrapped));
        }
        let run = station::open(db, &station, &id, by.as_deref(), occasion)?;
        Ok(Ok(run.attempt))
    })?;
    let device = &args.device;
    match opened {
        Ok(attempt) => {
            note(&format!(
                "{device} is at {}, attempt {attempt}",
                args.station
            ));
            Ok(())
        }
        Err(why) => Err(Failure::refused(match why {
            NotOpened::NoStation => anyhow!(
                "there is no station {:?}: add it with `fleetgrant factory station add`",
                args.station
            ),
            NotOpened::NoDevice => {
                anyhow!("there is no device {device}: list them with `fleetgrant devices list`")
            }
            NotOpened::IsOpen(station) => anyhow!(
                "{device} is at {station}: close that run first with `fleetgrant factory run close`"
            ),
            NotOpened::IsScrapped => anyhow!("{device} was scrapped"),
        })),
    }
}

fn close(ledger: &Ledger, args: &Close) -> Result<(), Failure> {
    let lines = in_history(ledger, "runs", |db, occasion| {
        let mut lines = Vec::new();
        for (run, station) in station::open_runs(db)? {
            let run = station::close(db, (run, &station), false, occasion)?;
            if run.state.0 != RunState::Open {
                lines.push(RunLine::of(run, &station));
            }
        }
        Ok(lines)
    })?;
    output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn scrap(ledger: &Ledger, args: &Scrap) -> Result<(), Failure> {
    let id = args.device.clone();
    let scrapped = in_history(ledger, "scrap", move |db, occasion| {
        let Some((run, station)) = station::open_run(db, id.as_str())? else {
            return Ok(false);
        };
        station::close(db, (run, &station), true, occasion)?;
        Ok(true)
    })?;
    if !scrapped {
        return Err(Failure::refused(anyhow!(
            "{} is at no station: open a run first",
            args.device
        )));
    }
    note(&format!("{} is scrapped", args.device));
    Ok(())
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
