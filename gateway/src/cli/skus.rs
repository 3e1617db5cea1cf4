//! `fleetgrant skus`: what an ERP sells, and what one copy of each is worth.

use fleetgrant_core::domain::CatalogueState;

use super::ledger::{Ledger, ListArgs};
use super::output::{self, row};
use super::remote::Query;
use super::{Failure, Global, OrUnavailable, Remote};
use crate::http::skus::{Given, Sku};
use crate::store::listing::{self, SkuFilter, SkuSort};

/// List SKUs with what one copy of each gives
///
/// `fleetgrant import skus` adds and changes them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
}

/// List SKUs, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only the one of this part number
    #[arg(long, value_name = "NUMBER")]
    part_number: Option<String>,
    /// Only those of which a copy gives the product of this code
    #[arg(long, value_name = "CODE")]
    product: Option<String>,
    /// Only those of which a copy gives something under this licence model: the product, with --product
    #[arg(long, value_name = "CODE")]
    model: Option<String>,
    /// Only those in this state, as active
    #[arg(long)]
    state: Option<CatalogueState>,
    #[command(flatten)]
    list: ListArgs<SkuSort>,
}

row!(
    /// A SKU in a list, for what one copy gives a line.
    SkuLine {
        sku: String,
        title: String,
        state: String,
        product: Option<String>,
        model: Option<String>,
        term: Option<String>,
        start_basis: Option<String>,
        units_per_copy: Option<i64>,
        created: String,
        changed: String,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let Command::List(args) = &args.command;
    if let Some(gateway) = Remote::of(global)? {
        let query = Query::default()
            .with("part_number", args.part_number.as_ref())
            .with("product", args.product.as_ref())
            .with("model", args.model.as_ref())
            .with("state", args.state);
        return show_list(args, gateway.list("/skus", query, &args.list)?);
    }
    let ledger = Ledger::open(global)?;
    let filter = SkuFilter {
        part_number: args.part_number.clone(),
        product: args.product.clone(),
        model: args.model.clone(),
        state: args.state,
        within: None,
        part: args.list.part()?,
    };
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::skus(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Sku::from).collect())
}

fn show_list(args: &List, skus: Vec<Sku>) -> Result<(), Failure> {
    let lines: Vec<_> = skus.into_iter().flat_map(lines).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

/// One for each product that a copy gives, and one for what gives none.
fn lines(sku: Sku) -> Vec<SkuLine> {
    let line = |given: Option<&Given>| SkuLine {
        sku: sku.part_number.clone(),
        title: sku.title.clone(),
        state: sku.state.to_string(),
        product: given.map(|given| given.product.clone()),
        model: given.map(|given| given.model.clone()),
        term: given.and_then(|given| given.term.clone()),
        start_basis: given.map(|given| given.start_basis.to_string()),
        units_per_copy: given.map(|given| given.units_per_copy),
        created: sku.created_at.to_string(),
        changed: sku.changed_at.to_string(),
    };
    if sku.gives.is_empty() {
        return vec![line(None)];
    }
    sku.gives.iter().map(|given| line(Some(given))).collect()
}
