//! `fleetgrant outage`: a machine stands still, and a spare is at hand.

use fleetgrant_core::domain::DeviceId;

use super::ledger::{Ledger, device_id};
use super::remote::{Body, Query, segment};
use super::{Failure, Global, Remote, preview};
use crate::approval::Outage;
use crate::http::device_moves::{DeviceOutage, OutageBridged};

/// Put a spare in the place of a broken device, for as long as policy allows
///
/// Shows first what would be done. Then gives the spare temporary licences for all that the broken
/// device has, and opens the case of writing the broken one off, for somebody else to approve. It is
/// done whole or not at all. A spare that nobody owns becomes the owner's. What is beyond the policy's
/// quota waits in a case for somebody else to approve it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The device that is broken
    #[arg(value_parser = device_id)]
    broken: DeviceId,
    /// The device that stands in for it
    #[arg(value_parser = device_id)]
    replacement: DeviceId,
    /// Only shows what would be done
    #[arg(long)]
    preview: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return on(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    let outage = Outage {
        broken: args.broken.clone(),
        replacement: args.replacement.clone(),
    };
    match ledger.bridge_outage(outage.clone(), true) {
        Ok(would_be) => preview::print(&would_be)?,
        // What is refused is asked for all the same: it may wait in a case then.
        Err(Failure::Refused(_)) if !args.preview => {}
        Err(failure) => return Err(failure),
    }
    if args.preview {
        super::note("nothing was changed");
        return Ok(());
    }
    ledger.bridge_outage(outage, false)?;
    tell(args);
    Ok(())
}

/// The same, on another gateway.
fn on(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let path = format!("/devices/{}/outage", segment(args.broken.as_str()));
    let asked = DeviceOutage {
        replacement: args.replacement.to_string(),
    };
    let bridge = |preview| {
        let query = Query::preview(preview);
        gateway.post::<OutageBridged>(&path, &query, &Body::Json(&asked))
    };
    match bridge(true) {
        Ok(would_be) => preview::print_acted(&would_be.given)?,
        Err(Failure::Refused(_)) if !args.preview => {}
        Err(failure) => return Err(failure),
    }
    if args.preview {
        super::note("nothing was changed");
        return Ok(());
    }
    bridge(false)?;
    tell(args);
    Ok(())
}

fn tell(args: &Args) {
    super::note(&format!(
        "{} has temporary licences and gets them at its next contact; to write {} off, somebody else \
         approves the case that `fleetgrant cases list --device {}` shows",
        args.replacement, args.broken, args.broken
    ));
}
