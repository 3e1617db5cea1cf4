//! `fleetgrant report customer`: one customer's whole history.

use serde::Serialize;

use crate::cli::activations::ActivationLine;
use crate::cli::devices::DeviceLine;
use crate::cli::entitlements::EntitlementLine;
use crate::cli::ledger::Ledger;
use crate::cli::orders::OrderEntry;
use crate::cli::output::{self, Format, row};
use crate::cli::{Failure, OrUnavailable};
use crate::http::activations::Activation;
use crate::http::devices::Device;
use crate::http::entitlements::Entitlement;
use crate::http::orders::Order;
use crate::report::customer::{self, Customer, ShipmentRow};
use crate::report::history::Exported;

/// Tell one customer's whole history: what it bought, got and activated, and what happened
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The customer: a name, or the id that some system calls it by
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

impl From<ShipmentRow> for ShipmentLine {
    fn from(row: ShipmentRow) -> Self {
        Self {
            shipment: row.reference,
            order: row.order,
            line: row.line,
            quantity: row.quantity,
            shipped: row.shipped_at.0.to_string(),
            state: row.state.0.to_string(),
        }
    }
}

row!(
    /// What happened.
    Happening {
        at: String,
        about: String,
        what: &'static str,
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
            what: event.kind,
            by: event.actor.clone(),
            details: details.collect::<Vec<_>>().join(" "),
        }
    }
}

/// All that the ledger says of a customer.
#[derive(Serialize)]
struct Sheet {
    orders: Vec<OrderEntry>,
    shipments: Vec<ShipmentLine>,
    entitlements: Vec<EntitlementLine>,
    devices: Vec<DeviceLine>,
    activations: Vec<ActivationLine>,
    events: Vec<Exported>,
}

impl From<Customer> for Sheet {
    fn from(customer: Customer) -> Self {
        Self {
            orders: lines::<_, Order, _>(customer.orders),
            shipments: lines::<_, ShipmentRow, _>(customer.shipments),
            entitlements: lines::<_, Entitlement, _>(customer.entitlements),
            devices: lines::<_, Device, _>(customer.devices),
            activations: lines::<_, Activation, _>(customer.activations),
            events: customer.events,
        }
    }
}

/// Rows as the API shows them, in lines.
fn lines<R, A: From<R>, L: From<A>>(rows: Vec<R>) -> Vec<L> {
    rows.into_iter().map(A::from).map(L::from).collect()
}

pub(super) fn run(ledger: &Ledger, args: &Args) -> Result<(), Failure> {
    let parties = ledger.parties(Some(&args.customer))?.unwrap_or_default();
    let sheet = Sheet::from(ledger.read(move |db| customer::customer(db, &parties))?);
    let happened = || sheet.events.iter().map(Happening::from).collect::<Vec<_>>();
    match args.output {
        Format::Json => output::print_json(&sheet),
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
