//! `fleetgrant report customer`: one customer's whole history.

use anyhow::anyhow;
use serde::Serialize;

use crate::cli::activations::ActivationLine;
use crate::cli::devices::DeviceLine;
use crate::cli::entitlements::EntitlementLine;
use crate::cli::ledger::Ledger;
use crate::cli::orders::OrderEntry;
use crate::cli::output::{self, Format, row};
use crate::cli::remote::Query;
use crate::cli::{Failure, OrUnavailable, Remote};
use crate::http::customers::{CustomerHistory, Shipment};
use crate::http::events::{Detail, Event};
use crate::report::customer;
use crate::report::history::Exported;

/// Tell one customer's whole history: what it bought, got and activated, and what happened
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The customer: its name or id, or what some system calls it
    customer: String,
    /// The form of the report; as CSV only what happened
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// What left the house.
    ShipmentLine {
        shipment: String,
        order: String,
        line: String,
        quantity: i64,
        shipped: String,
        state: String,
    }
);

impl From<Shipment> for ShipmentLine {
    fn from(row: Shipment) -> Self {
        Self {
            shipment: row.shipment,
            order: row.order,
            line: row.line,
            quantity: row.quantity,
            shipped: row.shipped_at.to_string(),
            state: row.state.to_string(),
        }
    }
}

row!(
    /// What happened.
    Happening {
        at: String,
        about: String,
        what: String,
        by: String,
        details: String,
    }
);

impl From<&Exported> for Happening {
    fn from(event: &Exported) -> Self {
        let details = event.body.iter().map(|(name, value)| match value {
            serde_json::Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        });
        Self {
            at: event.at.clone(),
            about: event.stream.clone(),
            what: event.kind.to_owned(),
            by: event.actor.clone(),
            details: details
                .chain(event.reason.iter().map(|reason| format!("reason={reason}")))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

impl From<&Event> for Happening {
    fn from(event: &Event) -> Self {
        let details = event.body.iter().map(|(name, value)| match value {
            Detail::Text(text) => format!("{name}={text}"),
            Detail::Number(number) => format!("{name}={number}"),
        });
        Self {
            at: event.at.clone(),
            about: event.stream.clone(),
            what: event.kind.clone(),
            by: event.actor.clone(),
            details: details
                .chain(event.reason.iter().map(|reason| format!("reason={reason}")))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// All that the ledger says of a customer; events as the database or as the API shows them, which lacks
/// the names of people.
#[derive(Serialize)]
struct Sheet<E> {
    orders: Vec<OrderEntry>,
    shipments: Vec<ShipmentLine>,
    entitlements: Vec<EntitlementLine>,
    devices: Vec<DeviceLine>,
    activations: Vec<ActivationLine>,
    events: Vec<E>,
}

impl<E> Sheet<E> {
    fn of(shown: CustomerHistory, events: Vec<E>) -> Self {
        Self {
            orders: lines(shown.orders),
            shipments: lines(shown.shipments),
            entitlements: lines(shown.entitlements),
            devices: lines(shown.devices),
            activations: lines(shown.activations),
            events,
        }
    }
}

fn lines<A, L: From<A>>(rows: Vec<A>) -> Vec<L> {
    rows.into_iter().map(L::from).collect()
}

pub(super) fn run(ledger: &Ledger, args: &Args) -> Result<(), Failure> {
    let parties = ledger.parties(Some(&args.customer))?.unwrap_or_default();
    let told = ledger.read(move |db| customer::customer(db, &parties, None))?;
    // Nothing bounds it.
    let mut customer = told.ok_or_else(|| Failure::unavailable(anyhow!("it is too long")))?;
    let events = std::mem::take(&mut customer.events);
    show(args, &Sheet::of(customer.into(), events))
}

/// The same, on another gateway.
pub(super) fn run_remote(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let query = Query::default().with("party", Some(gateway.party(&args.customer)?));
    let mut told: CustomerHistory = gateway.get("/reports/customer", &query)?;
    let events = std::mem::take(&mut told.events);
    show(args, &Sheet::of(told, events))
}

fn show<E: Serialize>(args: &Args, sheet: &Sheet<E>) -> Result<(), Failure>
where
    Happening: for<'a> From<&'a E>,
{
    let happened = || sheet.events.iter().map(Happening::from).collect::<Vec<_>>();
    match args.output {
        Format::Json => output::print_json(sheet),
        Format::Csv => output::print(Format::Csv, &happened()),
        Format::Table => output::print_part("orders", &sheet.orders)
            .and_then(|()| output::print_part("shipments", &sheet.shipments))
            .and_then(|()| output::print_part("entitlements", &sheet.entitlements))
            .and_then(|()| output::print_part("devices", &sheet.devices))
            .and_then(|()| output::print_part("activations", &sheet.activations))
            .and_then(|()| output::print_part("history", &happened())),
    }
    .or_unavailable(|| "cannot write the report".to_owned())
}
