//! The same, on another gateway.

use std::fs;
use std::io::Write as _;

use super::{Args, Command, Export, PAGE, Verify, nothing, output, tell_of_held, tell_of_whole};
use crate::cli::remote::{Body, Query};
use crate::cli::stdout::stdout;
use crate::cli::{Failure, OrUnavailable as _, Remote};
use crate::http::checkpoints::{CheckpointHeld, HistoryWhole};
use crate::http::events::Event;
use crate::http::page::Page;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Verify(args) => verify(gateway, args),
        Command::Checkpoint => checkpoint(gateway),
        Command::Export(args) => export(gateway, args),
    }
}

fn verify(gateway: &Remote, args: &Verify) -> Result<(), Failure> {
    // The gateway knows its own key, and a file with another's is here.
    if args.authority.is_some() {
        return Err(gateway.local_only());
    }
    let (mut events, mut streams, mut next) = (0, 0, None);
    loop {
        let query = Query::default().with("from", next);
        let portion: HistoryWhole = gateway.get("/history/verify", &query)?;
        events += portion.events;
        streams += portion.streams;
        next = portion.next;
        if next.is_none() {
            break;
        }
    }
    tell_of_whole(events, streams);
    let Some(path) = &args.checkpoint else {
        return Ok(());
    };
    let file = fs::read(path).or_unavailable(|| format!("cannot read {}", path.display()))?;
    let body = Body::JsonLines(file);
    let held: CheckpointHeld = gateway.post("/history/checkpoint", &Query::default(), &body)?;
    tell_of_held(&held.key, held.streams);
    Ok(())
}

fn checkpoint(gateway: &Remote) -> Result<(), Failure> {
    let file = gateway.file("/history/checkpoint")?;
    let mut out = stdout();
    out.write_all(&file)
        .and_then(|()| out.flush())
        .or_unavailable(|| "cannot write the checkpoint".to_owned())
}

fn export(gateway: &Remote, args: &Export) -> Result<(), Failure> {
    let entitlement = args.entitlement.as_deref();
    let entitlement = entitlement
        .map(|text| gateway.entitlement(text))
        .transpose()?;
    let subject = Query::default()
        .with("device", args.device.as_ref())
        .with("entitlement", entitlement.map(|found| found.id))
        .with("order", args.order)
        .with("party", gateway.party_if(args.party.as_deref())?);
    let path = if subject.is_empty() {
        "/events"
    } else {
        "/history"
    };
    let (mut part, mut exported) = (subject.clone(), 0);
    loop {
        let page: Page<Event> = gateway.get(path, &part.with("limit", Some(PAGE)))?;
        exported += page.items.len();
        output::print_json_lines(&page.items)
            .or_unavailable(|| "cannot write the export".to_owned())?;
        match page.next {
            Some(next) => part = subject.clone().with("cursor", Some(next)),
            None if exported == 0 && !subject.is_empty() => return Err(nothing()),
            None => return Ok(()),
        }
    }
}
