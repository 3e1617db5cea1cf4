//! The same, on another gateway.

use std::io;

use super::{Args, EventLine, ExportFormat, Heading, PAGE, output};
use crate::cli::remote::Query;
use crate::cli::{Failure, OrUnavailable as _, Remote};
use crate::http::events::Event;
use crate::http::page::Page;
use crate::http::value::When;

pub(in crate::cli::report) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let zone = gateway.zone();
    // The API takes one kind; of several, what is of none of them is left out here.
    let kind = match args.kind.as_slice() {
        [only] => Some(only.as_str()),
        _ => None,
    };
    let filter = Query::default()
        .with("stream", args.stream.as_ref())
        .with("kind", kind)
        .with("since", args.since.map(|since| When(since.at(zone))))
        .with("until", args.until.map(|until| When(until.at(zone))));
    let filter = filter.with("sort", args.order.sort);
    let mut part = filter.clone().with("after", args.after);
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut heading = Heading::Written;
    while left > 0 {
        let page: Page<Event> = gateway.get("/events", &part.with("limit", Some(PAGE)))?;
        let is_wanted = |event: &Event| {
            let mut kinds = args.kind.iter();
            args.kind.is_empty() || kinds.any(|kind| kind.as_str() == event.kind)
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let events = page.items.into_iter().filter(is_wanted).take(most);
        let events: Vec<_> = events.collect();
        if !events.is_empty() {
            left -= events.len() as u64;
            write(args.output, heading, events)
                .or_unavailable(|| "cannot write the export".to_owned())?;
            heading = Heading::LeftOut;
        }
        let Some(next) = page.next else { break };
        part = filter.clone().with("cursor", Some(next));
    }
    Ok(())
}

fn write(form: ExportFormat, heading: Heading, events: Vec<Event>) -> io::Result<()> {
    match form {
        ExportFormat::Jsonl => output::print_json_lines(&events),
        ExportFormat::Csv => {
            let lines = events.into_iter().map(EventLine::try_from);
            let lines = lines.collect::<io::Result<Vec<_>>>()?;
            output::print_csv(heading, &lines)
        }
    }
}

impl TryFrom<Event> for EventLine {
    type Error = io::Error;

    fn try_from(event: Event) -> io::Result<Self> {
        Ok(Self {
            body: serde_json::to_string(&event.body)?,
            position: event.position,
            stream: event.stream,
            seq: event.seq,
            kind: event.kind,
            at: event.at,
            actor: event.actor,
            cause: event.cause,
            previous_hash: event.previous_hash,
            hash: event.hash,
            reason: event.reason,
        })
    }
}
