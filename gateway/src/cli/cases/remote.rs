//! The same, on another gateway.

use fleetgrant_core::domain::CaseState;

use super::{Args, Command, Decide, List, show, show_list};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote, activations, note};
use crate::http::case_acts::CaseDecided;
use crate::http::case_facts::CaseSheet;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => {
            let found = gateway.find::<CaseSheet>(&format!("/cases/{}", args.case))?;
            show(args, found.map(|(case, _)| case))
        }
        Command::Approve(args) => {
            let CaseDecided { done, .. } = decide(gateway, args, "approve")?;
            if args.preview {
                return activations::show_acted(&done);
            }
            for acted in &done {
                note(&activations::what_follows(acted));
            }
            Ok(())
        }
        Command::Refuse(args) => {
            decide(gateway, args, "refuse")?;
            if args.preview {
                note("nothing was changed");
            }
            Ok(())
        }
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default()
        .with("device", args.device.as_ref())
        .with("step", args.step)
        .with("state", (!args.all).then_some(CaseState::Open));
    show_list(args, gateway.list("/cases", query, &args.list)?)
}

fn decide(gateway: &Remote, args: &Decide, verb: &str) -> Result<CaseDecided, Failure> {
    let path = format!("/cases/{}/{verb}", args.case);
    gateway.post(&path, &Query::preview(args.preview), &Body::None)
}
