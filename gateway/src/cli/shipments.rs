//! `fleetgrant shipments`: what left the house, and the devices in it.

mod remote;

use anyhow::anyhow;
use fleetgrant_core::domain::{ShipmentId, ShipmentState};
use serde::Serialize;

use super::ledger::{Ledger, ListArgs, id};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote, orders};
use crate::http::shipments::{self as shown, Shipment, ShipmentSheet, ShippedDevice};
use crate::store::listing::{self, ShipmentFilter, ShipmentSort};
use crate::when::When;

/// List shipments, or show one with the devices in it
///
/// `fleetgrant import shipments` adds them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
}

/// List shipments, in the order in which they left
#[derive(Debug, clap::Args)]
struct List {
    /// Only those that some system calls so
    #[arg(long)]
    reference: Option<String>,
    /// Only those of this order: its reference
    #[arg(long, value_name = "REFERENCE")]
    order: Option<String>,
    /// The system of the order, where several call an order so
    #[arg(long, requires = "order")]
    system: Option<String>,
    /// Only those of orders that this party pays or uses: a name, or the id that some system calls it by
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// Only those in this state: shipped or returned
    #[arg(long)]
    state: Option<ShipmentState>,
    /// Only what left since, as 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only what left before
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    #[command(flatten)]
    list: ListArgs<ShipmentSort>,
}

/// Show a shipment, and the devices in it
#[derive(Debug, clap::Args)]
struct Show {
    /// Its reference, or its id
    shipment: String,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// A shipment in a list.
    ShipmentLine {
        shipment: String,
        system: String,
        reference: String,
        order: String,
        line: String,
        sku: String,
        quantity: i64,
        shipped: String,
        state: String,
        changed: String,
    }
);

impl From<Shipment> for ShipmentLine {
    fn from(shipment: Shipment) -> Self {
        Self {
            shipment: shipment.id.to_string(),
            system: shipment.system,
            reference: shipment.reference,
            order: shipment.order.reference,
            line: shipment.line,
            sku: shipment.sku,
            quantity: shipment.quantity,
            shipped: shipment.shipped_at.to_string(),
            state: shipment.state.to_string(),
            changed: shipment.changed_at.to_string(),
        }
    }
}

row!(
    /// A device in a shipment.
    DeviceLine {
        serial: String,
        device: String,
    }
);

impl From<ShippedDevice> for DeviceLine {
    fn from(shipped: ShippedDevice) -> Self {
        Self {
            serial: shipped.serial,
            device: shipped.device,
        }
    }
}

/// A shipment and the devices in it.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    shipment: ShipmentLine,
    devices: Vec<DeviceLine>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
        Command::Show(args) => show(&ledger, args),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let zone = &ledger.config().time_zone;
    let order = match args.order.as_deref() {
        Some(order) => Some(orders::find(ledger, order, args.system.as_deref())?.id.0),
        None => None,
    };
    let filter = ShipmentFilter {
        id: None,
        reference: args.reference.clone(),
        order,
        parties: ledger.parties(args.party.as_deref())?,
        state: args.state,
        since: args.since.map(|since| since.at(zone)),
        until: args.until.map(|until| until.at(zone)),
        within: None,
        part: args.list.part()?,
    };
    filter.check()?;
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::shipments(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Shipment::from).collect())
}

fn show_list(args: &List, shipments: Vec<Shipment>) -> Result<(), Failure> {
    let lines: Vec<_> = shipments.into_iter().map(ShipmentLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let id = match id(&args.shipment) {
        Ok(id) => ShipmentId(id),
        Err(_) => {
            let filter = ShipmentFilter {
                reference: Some(args.shipment.clone()),
                ..ShipmentFilter::default()
            };
            let found = ledger.read(move |db| listing::shipments(db, &filter, 2))?;
            let mut ids: Vec<_> = found.into_iter().map(|row| row.id.0).collect();
            args.only(&mut ids)?
        }
    };
    let sheet = ledger.read(move |db| shown::sheet(db, id, None, None))?;
    show_sheet(args, sheet.ok_or_else(|| args.unknown())?)
}

fn show_sheet(args: &Show, sheet: ShipmentSheet) -> Result<(), Failure> {
    let sheet = Sheet {
        shipment: sheet.shipment.into(),
        devices: sheet.devices.into_iter().map(DeviceLine::from).collect(),
    };
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &sheet.devices),
        Format::Table => output::print_record(&sheet.shipment)
            .and_then(|()| output::print_part("devices", &sheet.devices)),
    }
    .or_unavailable(|| "cannot write the shipment".to_owned())
}

impl Show {
    /// The one of those that are called so.
    fn only<T>(&self, found: &mut Vec<T>) -> Result<T, Failure> {
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(Failure::refused(anyhow!(
                "several lines of orders left as {0:?}: give the id of one, from `fleetgrant shipments \
                 list --reference {0}`",
                self.shipment
            ))),
            (None, _) => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> Failure {
        Failure::refused(anyhow!(
            "there is no shipment {:?}: list them with `fleetgrant shipments list`",
            self.shipment
        ))
    }
}
