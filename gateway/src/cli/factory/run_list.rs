//! `fleetgrant factory run list`: tries of devices at stations, those that are closed too.

use fleetgrant_core::domain::{DeviceId, RunState};

use crate::cli::ledger::{Ledger, ListArgs, device_id};
use crate::cli::output::{self, row};
use crate::cli::remote::Query;
use crate::cli::{Failure, OrUnavailable, Remote};
use crate::http::runs::RunEntry;
use crate::store::listing::{self, RunFilter, RunSort};

/// List tries of devices at stations, the oldest first
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those at this station
    #[arg(long, value_name = "NAME")]
    station: Option<String>,
    /// Only those of devices of this batch
    #[arg(long, value_name = "REFERENCE")]
    batch: Option<String>,
    /// Only those of this device
    #[arg(long, value_parser = device_id)]
    device: Option<DeviceId>,
    /// Only those that stand so: open, pass, fail or scrapped
    #[arg(long)]
    state: Option<RunState>,
    /// Only those at stations that this contract manufacturer runs: a name, or the id that some system
    /// calls it by
    #[arg(long, value_name = "PARTY")]
    manufacturer: Option<String>,
    #[command(flatten)]
    list: ListArgs<RunSort>,
}

row!(
    /// A try in a list.
    RunEntryLine {
        run: String,
        device: String,
        batch: Option<String>,
        station: String,
        attempt: i64,
        operator: Option<String>,
        state: String,
        opened: String,
        closed: Option<String>,
    }
);

impl From<RunEntry> for RunEntryLine {
    fn from(entry: RunEntry) -> Self {
        let run = entry.run;
        Self {
            run: entry.id.to_string(),
            device: run.device,
            batch: entry.batch,
            station: run.station,
            attempt: run.attempt,
            operator: entry.operator,
            state: run.state.to_string(),
            opened: run.opened_at.to_string(),
            closed: run.closed_at.map(|at| at.to_string()),
        }
    }
}

pub(super) fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = RunFilter {
        station: args.station.clone(),
        batch: args.batch.clone(),
        device: args.device.clone(),
        state: args.state,
        manufacturers: ledger.parties(args.manufacturer.as_deref())?,
        within: None,
        part: args.list.part()?,
    };
    filter.check()?;
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::runs(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show(args, rows.into_iter().map(RunEntry::from).collect())
}

/// The same, on another gateway.
pub(super) fn list_remote(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default()
        .with("station", args.station.as_ref())
        .with("batch", args.batch.as_ref())
        .with("device", args.device.as_ref())
        .with("state", args.state)
        .with(
            "manufacturer",
            gateway.party_if(args.manufacturer.as_deref())?,
        );
    show(args, gateway.list("/runs", query, &args.list)?)
}

fn show(args: &List, runs: Vec<RunEntry>) -> Result<(), Failure> {
    let lines: Vec<_> = runs.into_iter().map(RunEntryLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}
