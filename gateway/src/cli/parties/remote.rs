//! The same, on another gateway.

use super::{
    Args, Command, List, Merge, Which, show, show_list, tell_of_act, tell_of_erasure, tell_of_merge,
};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Remote};
use crate::http::party_acts::{PartyActed, PartyErased, PartyMerge, PartyMerged};

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => {
            let path = format!("/parties/{}", gateway.party(&args.party)?);
            show(args, gateway.get(&path, &Query::default())?)
        }
        Command::Hold(args) => act(gateway, args, "hold"),
        Command::Release(args) => act(gateway, args, "release"),
        Command::Erase(args) => {
            let party = gateway.party(&args.party)?.to_string();
            let path = format!("/parties/{party}/erase");
            let erased: PartyErased = gateway.post(&path, &Query::default(), &Body::None)?;
            tell_of_erasure(&party, &erased);
            Ok(())
        }
        Command::Merge(args) => merge(gateway, args),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default()
        .with("kind", args.kind)
        .with("state", args.state)
        .with("tier", args.tier.as_ref());
    show_list(args, gateway.list("/parties", query, &args.list)?)
}

fn act(gateway: &Remote, args: &Which, verb: &str) -> Result<(), Failure> {
    let path = format!("/parties/{}/{verb}", gateway.party(&args.party)?);
    let query = Query::preview(args.preview);
    let acted: PartyActed = gateway.post(&path, &query, &Body::None)?;
    tell_of_act(args, &acted);
    Ok(())
}

fn merge(gateway: &Remote, args: &Merge) -> Result<(), Failure> {
    let (from, into) = (gateway.party(&args.party)?, gateway.party(&args.into)?);
    let query = Query::preview(args.preview);
    let path = format!("/parties/{from}/merge");
    let merged: PartyMerged = gateway.post(&path, &query, &Body::Json(&PartyMerge { into }))?;
    tell_of_merge(args, &merged);
    Ok(())
}
