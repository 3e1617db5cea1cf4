//! The same, on another gateway.

use super::{Args, Command, Export, PAGE, Verify, nothing, output, tell_of_whole};
use crate::cli::remote::Query;
use crate::cli::{Failure, OrUnavailable as _, Remote};
use crate::http::events::Event;
use crate::http::history::HistoryWhole;
use crate::http::page::Page;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Verify(args) => verify(gateway, args),
        Command::Checkpoint => Err(gateway.local_only()),
        Command::Export(args) => export(gateway, args),
    }
}

fn verify(gateway: &Remote, args: &Verify) -> Result<(), Failure> {
    if args.checkpoint.is_some() {
        return Err(gateway.local_only());
    }
    let whole: HistoryWhole = gateway.get("/history/verify", &Query::default())?;
    tell_of_whole(whole.events, whole.streams);
    Ok(())
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
