//! The same, on another gateway.

use super::{Args, Command, List, Show, show_list, show_sheet};
use crate::cli::ledger::id;
use crate::cli::remote::Query;
use crate::cli::{Failure, Remote};
use crate::http::page::Page;
use crate::http::shipments::{Shipment, ShipmentSheet};
use crate::http::value::{Id, When};

pub(super) fn run(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => list(gateway, args),
        Command::Show(args) => show(gateway, args),
    }
}

fn list(gateway: &Remote, args: &List) -> Result<(), Failure> {
    let zone = gateway.zone();
    let order = match args.order.as_deref() {
        Some(order) => Some(gateway.order(order, args.system.as_deref())?.id),
        None => None,
    };
    let query = Query::default()
        .with("reference", args.reference.as_ref())
        .with("order", order)
        .with("party", gateway.party_if(args.party.as_deref())?)
        .with("state", args.state)
        .with("since", args.since.map(|since| When(since.at(zone))))
        .with("until", args.until.map(|until| When(until.at(zone))));
    show_list(args, gateway.list("/shipments", query, &args.list)?)
}

fn show(gateway: &Remote, args: &Show) -> Result<(), Failure> {
    let id = match id(&args.shipment) {
        Ok(id) => Id(id),
        Err(_) => {
            let query = Query::default().with("reference", Some(&args.shipment));
            let found: Page<Shipment> = gateway.get("/shipments", &query)?;
            let mut ids: Vec<_> = found.items.into_iter().map(|found| found.id).collect();
            args.only(&mut ids)?
        }
    };
    let found = gateway.find::<ShipmentSheet>(&format!("/shipments/{id}"))?;
    let (sheet, _) = found.ok_or_else(|| args.unknown())?;
    show_sheet(args, sheet)
}
