//! The same, on another gateway.

use super::{Args, Command, List, Show, show_list, show_sheet};
use crate::cli::remote::Query;
use crate::cli::{Failure, Remote, order_acts};
use crate::http::orders::OrderSheet;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
        Command::Act(act) => order_acts::run_remote(gateway, act),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default()
        .with("system", args.system.as_ref())
        .with("state", args.state)
        .with("party", gateway.party_if(args.party.as_deref())?);
    show_list(args, gateway.list("/orders", query, &args.list)?)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let found = gateway.order(&args.reference, args.system.as_deref())?;
    let path = format!("/orders/{}", found.id);
    let OrderSheet { order, lines } = gateway.get(&path, &Query::default())?;
    show_sheet(args, order, lines)
}
