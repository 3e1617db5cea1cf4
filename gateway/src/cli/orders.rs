//! `fleetgrant orders`: what was bought, and what became of it.

mod remote;

use anyhow::anyhow;
use fleetgrant_core::domain::OrderState;
use serde::Serialize;

use super::ledger::{Ledger, ListArgs};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote, order_acts};
use crate::http::orders::{Order, OrderLine};
use crate::store::listing::{self, OrderFilter, OrderRow, OrderSort};

/// List orders, show one with what became of its lines, or change one
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    #[command(flatten)]
    Act(order_acts::Command),
}

/// List orders, in the order of their import
#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state, as open
    #[arg(long)]
    state: Option<OrderState>,
    /// Only those this party pays or uses: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// Only those of this system
    #[arg(long)]
    system: Option<String>,
    #[command(flatten)]
    list: ListArgs<OrderSort>,
}

/// Show an order, its lines, and how many units of each are in use
#[derive(Debug, clap::Args)]
struct Show {
    /// Its reference
    reference: String,
    /// The system, where several call an order so
    #[arg(long)]
    system: Option<String>,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// An order in a list.
    OrderEntry {
        order: String,
        system: String,
        reference: String,
        revision: i64,
        ordered: String,
        sold_to: String,
        end_user: String,
        state: String,
        on_hold_for: Option<String>,
    }
);

impl From<Order> for OrderEntry {
    fn from(order: Order) -> Self {
        Self {
            order: order.id.to_string(),
            system: order.system,
            reference: order.reference,
            revision: order.revision,
            ordered: order.ordered_at.to_string(),
            sold_to: order.sold_to.name,
            end_user: order.end_user.name,
            state: order.state.to_string(),
            on_hold_for: order.payment_hold.then(|| "payment".to_owned()),
        }
    }
}

row!(
    /// A line of an order, and what became of it.
    LineEntry {
        line: String,
        sku: String,
        quantity: i64,
        value: Option<String>,
        state: String,
        shipped: i64,
        units: Option<i64>,
        in_use: i64,
        pending_credit: i64,
        activated: i64,
        maintains: Option<String>,
    }
);

impl From<OrderLine> for LineEntry {
    fn from(line: OrderLine) -> Self {
        let value = line.value.zip(line.currency);
        let maintains = line.maintains.join(";");
        Self {
            line: line.line,
            sku: line.sku,
            quantity: line.quantity,
            value: value.map(|(value, currency)| format!("{value} {currency}")),
            state: line.state.to_string(),
            shipped: line.shipped,
            units: line.units,
            in_use: line.in_use,
            pending_credit: line.pending_credit,
            activated: line.activated,
            maintains: (!maintains.is_empty()).then_some(maintains),
        }
    }
}

/// An order and its lines.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    order: OrderEntry,
    lines: Vec<LineEntry>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
        Command::Show(args) => show(&ledger, args),
        Command::Act(act) => order_acts::run(&ledger, act),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = OrderFilter {
        id: None,
        reference: None,
        system: args.system.clone(),
        state: args.state,
        parties: ledger.parties(args.party.as_deref())?,
        within: None,
        part: args.list.part()?,
    };
    filter.check()?;
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::orders(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Order::from).collect())
}

fn show_list(args: &List, orders: Vec<Order>) -> Result<(), Failure> {
    let entries: Vec<_> = orders.into_iter().map(OrderEntry::from).collect();
    output::print(args.list.output, &entries).or_unavailable(|| "cannot write the list".to_owned())
}

/// The one order that is called so.
pub(super) fn find(
    ledger: &Ledger,
    reference: &str,
    system: Option<&str>,
) -> Result<OrderRow, Failure> {
    let filter = OrderFilter {
        reference: Some(reference.to_owned()),
        system: system.map(str::to_owned),
        ..OrderFilter::default()
    };
    let mut found = ledger.read(move |db| listing::orders(db, &filter, 2))?;
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => Err(Failure::refused(anyhow!(
            "several systems call an order {reference:?}: name one with --system"
        ))),
        (None, _) => Err(Failure::refused(anyhow!(
            "there is no order {reference:?}: list them with `fleetgrant orders list`"
        ))),
    }
}

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let row = find(ledger, &args.reference, args.system.as_deref())?;
    let id = row.id.0;
    let lines = ledger.read(move |db| listing::order_lines(db, id))?;
    let lines = lines.into_iter().map(OrderLine::from).collect();
    show_sheet(args, row.into(), lines)
}

fn show_sheet(args: &Show, order: Order, lines: Vec<OrderLine>) -> Result<(), Failure> {
    let sheet = Sheet {
        order: order.into(),
        lines: lines.into_iter().map(LineEntry::from).collect(),
    };
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &sheet.lines),
        Format::Table => output::print_record(&sheet.order)
            .and_then(|()| output::print_part("lines", &sheet.lines)),
    }
    .or_unavailable(|| "cannot write the order".to_owned())
}
