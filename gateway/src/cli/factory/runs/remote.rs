//! The same, on another gateway.

use super::{
    Add, RunArgs, RunCommand, StationArgs, StationCommand, show_runs, show_stations, tell_of_run,
    tell_of_station,
};
use crate::cli::factory::run_list;
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote, note};
use crate::http::line::{NewRun, NewStation, Run, RunsClosed, ScrappedDevice, Station};

pub(super) fn stations(gateway: &Remote, args: &StationArgs) -> Result<(), Failure> {
    match &args.command {
        StationCommand::Add(args) => add(gateway, args),
        StationCommand::List(args) => {
            let manufacturer = gateway.party_if(args.manufacturer.as_deref())?;
            let query = Query::default().with("manufacturer", manufacturer);
            let stations = gateway.whole("/stations", query, &args.order)?;
            show_stations(args, stations)
        }
    }
}

fn add(gateway: &Remote, args: &Add) -> Result<(), Failure> {
    let asked = NewStation {
        name: args.name.clone(),
        manufacturer: gateway.party_if(args.manufacturer.as_deref())?,
        time_limit_seconds: args.time_limit,
    };
    gateway.post::<Station>("/stations", &Query::default(), &Body::Json(&asked))?;
    tell_of_station(args);
    Ok(())
}

pub(super) fn runs(gateway: &Remote, args: &RunArgs) -> Result<(), Failure> {
    match &args.command {
        RunCommand::Open(args) => {
            let asked = NewRun {
                device: args.device.to_string(),
                station: args.station.clone(),
                operator: args.operator.clone(),
            };
            let run = gateway.post("/runs", &Query::default(), &Body::Json(&asked))?;
            tell_of_run(&run);
            Ok(())
        }
        RunCommand::Close(args) => {
            let mut runs = Vec::new();
            loop {
                let closed: RunsClosed =
                    gateway.post("/runs/close", &Query::default(), &Body::None)?;
                runs.extend(closed.items);
                if !closed.more {
                    return show_runs(args, runs);
                }
            }
        }
        RunCommand::List(args) => run_list::list_remote(gateway, args),
        RunCommand::Scrap(args) => {
            let asked = ScrappedDevice {
                device: args.device.to_string(),
            };
            gateway.post::<Run>("/runs/scrap", &Query::default(), &Body::Json(&asked))?;
            note(&format!("{} is scrapped", args.device));
            Ok(())
        }
    }
}
