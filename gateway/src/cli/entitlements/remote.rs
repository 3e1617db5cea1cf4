//! The same, on another gateway.

use super::{Args, Command, List, PART, Show, show_list, show_sheet};
use crate::cli::remote::Query;
use crate::cli::{Failure, Remote, co_term, entitlement_acts};
use crate::http::activations::Activation;
use crate::http::page::Page;

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
        Command::CoTerm(args) => co_term::run_remote(gateway, args),
        Command::Act(act) => entitlement_acts::run_remote(gateway, act),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let query = Query::default()
        .with("reference", args.reference.as_ref())
        .with("state", args.state)
        .with("owner", gateway.party_if(args.owner.as_deref())?)
        .with("product", args.product.as_ref());
    let entitlements = gateway.list("/entitlements", query, &args.list)?;
    show_list(args, entitlements)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let entitlement = gateway.entitlement(&args.entitlement)?;
    let query = Query::default()
        .with("entitlement", Some(entitlement.id))
        .with("limit", Some(PART));
    let activations: Page<Activation> = gateway.get("/activations", &query)?;
    show_sheet(args, entitlement, activations.items.into_iter())
}
