//! `fleetgrant report events`: the history, one event a line.

mod remote;

use std::io;

use fleetgrant_core::event::EventKind;

pub(super) use remote::run as run_remote;

use crate::cli::ledger::{Ledger, SortArgs};
use crate::cli::output::{self, Heading, row};
use crate::cli::{Failure, OrUnavailable};
use crate::report::history::{self, EventSort, Exported, HistoryFilter};
use crate::store::listing::Part;
use crate::when::When;

/// Export the history, in the order in which it was written
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this stream, as device:pump-1, or all streams of a kind, as device
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
    /// Only events of this kind, as activated; can be given again
    #[arg(long, value_name = "KIND")]
    kind: Vec<EventKind>,
    /// Only what happened since, as 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "INSTANT")]
    since: Option<When>,
    /// Only what happened before
    #[arg(long, value_name = "INSTANT")]
    until: Option<When>,
    /// Only events after this position; before it, if the latest come first
    #[arg(long, value_name = "POSITION")]
    after: Option<i64>,
    #[command(flatten)]
    order: SortArgs<EventSort>,
    /// Events at most
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// The form of the export
    #[arg(long, short, value_enum, default_value_t)]
    output: ExportFormat,
}

/// The form of an export of any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ExportFormat {
    /// An object a line.
    #[default]
    Jsonl,
    /// With a heading line; bodies as JSON.
    Csv,
}

/// Events that are read at once.
const PAGE: u64 = 1_000;

pub(super) fn run(ledger: &Ledger, args: &Args) -> Result<(), Failure> {
    let zone = &ledger.config().time_zone;
    let filter = HistoryFilter {
        stream: args.stream.clone(),
        kinds: args.kind.clone(),
        since: args.since.map(|since| since.at(zone)),
        until: args.until.map(|until| until.at(zone)),
    };
    let mut part = args.order.whole();
    if let Some(position) = args.after {
        part = Part::after(part.sort, [position.into()].into());
    }
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut heading = Heading::Written;
    while left > 0 {
        let page = {
            let (filter, part) = (filter.clone(), part.clone());
            let limit = left.min(PAGE) as i64;
            ledger.read(move |db| history::page(db, &filter, &part, limit))?
        };
        let Some(last) = page.last() else {
            break;
        };
        part = part.going_on(last);
        left -= page.len() as u64;
        match args.output {
            ExportFormat::Jsonl => output::print_json_lines(&page),
            ExportFormat::Csv => {
                let lines = page.into_iter().map(EventLine::try_from);
                lines
                    .collect::<Result<Vec<_>, _>>()
                    .and_then(|lines| output::print_csv(heading, &lines))
            }
        }
        .or_unavailable(|| "cannot write the export".to_owned())?;
        heading = Heading::LeftOut;
    }
    Ok(())
}

row!(
    /// An event in a spreadsheet.
    EventLine {
        position: i64,
        stream: String,
        seq: i64,
        kind: String,
        at: String,
        actor: String,
        cause: String,
        body: String,
        previous_hash: String,
        hash: String,
        reason: Option<String>,
    }
);

impl TryFrom<Exported> for EventLine {
    type Error = io::Error;

    fn try_from(event: Exported) -> io::Result<Self> {
        Ok(Self {
            body: serde_json::to_string(&event.body)?,
            position: event.position,
            stream: event.stream,
            seq: event.seq,
            kind: event.kind.to_owned(),
            at: event.at,
            actor: event.actor,
            cause: event.cause,
            previous_hash: event.previous_hash,
            hash: event.hash,
            reason: event.reason,
        })
    }
}
