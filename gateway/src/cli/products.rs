//! `fleetgrant products`: what is licensed.

use anyhow::anyhow;
use fleetgrant_core::domain::CatalogueState;
use serde::Serialize;

use super::ledger::{Ledger, ListArgs};
use super::output::{self, Format, row};
use super::remote::Query;
use super::{Failure, Global, OrUnavailable, Remote};
use crate::http::page::Page;
use crate::http::products::{self as shown, Feature, Product, ProductSheet};
use crate::store::listing::{self, ProductFilter, ProductSort};

/// List products, or show one with its features
///
/// `fleetgrant import products` adds and changes them.
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

/// List products, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state, as active
    #[arg(long)]
    state: Option<CatalogueState>,
    /// Only those for devices of this product line
    #[arg(long, value_name = "NAME")]
    product_line: Option<String>,
    #[command(flatten)]
    list: ListArgs<ProductSort>,
}

/// Show a product and its features
#[derive(Debug, clap::Args)]
struct Show {
    /// Its code
    product: String,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// A product in a list.
    ProductLine {
        id: String,
        product: String,
        title: String,
        product_line: Option<String>,
        replaces: Option<String>,
        state: String,
        created: String,
        changed: String,
    }
);

impl From<Product> for ProductLine {
    fn from(product: Product) -> Self {
        Self {
            id: product.id.to_string(),
            product: product.code,
            title: product.title,
            product_line: product.product_line,
            replaces: product.replaces.map(|id| id.to_string()),
            state: product.state.to_string(),
            created: product.created_at.to_string(),
            changed: product.changed_at.to_string(),
        }
    }
}

row!(
    /// A feature of a product.
    FeatureLine {
        feature: String,
        title: String,
        essential: bool,
        version_ceiling: Option<String>,
        uses: Option<i64>,
    }
);

impl From<Feature> for FeatureLine {
    fn from(feature: Feature) -> Self {
        Self {
            feature: feature.name,
            title: feature.title,
            essential: feature.essential,
            version_ceiling: feature.version_ceiling,
            uses: feature.use_count,
        }
    }
}

/// A product and its features.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    product: ProductLine,
    features: Vec<FeatureLine>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return on(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => {
            let filter = ProductFilter {
                state: args.state,
                product_line: args.product_line.clone(),
                part: args.list.part()?,
                ..ProductFilter::default()
            };
            let limit = args.list.rows_to_read();
            let rows = ledger.read(move |db| listing::products(db, &filter, limit))?;
            let rows = args.list.cut(rows);
            show_list(args, rows.into_iter().map(Product::from).collect())
        }
        Command::Show(args) => {
            let filter = ProductFilter {
                code: Some(args.product.clone()),
                ..ProductFilter::default()
            };
            let sheet = ledger.read(move |db| shown::sheet(db, &filter))?;
            show_sheet(args, sheet.ok_or_else(|| unknown(args))?)
        }
    }
}

/// The same, on another gateway.
fn on(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List(args) => {
            let query = Query::default()
                .with("state", args.state)
                .with("product_line", args.product_line.as_ref());
            let products = gateway.list("/products", query, &args.list)?;
            show_list(args, products)
        }
        Command::Show(args) => {
            let query = Query::default().with("code", Some(&args.product));
            let mut found: Page<Product> = gateway.get("/products", &query)?;
            let product = found.items.pop().ok_or_else(|| unknown(args))?;
            let path = format!("/products/{}", product.id);
            show_sheet(args, gateway.get(&path, &Query::default())?)
        }
    }
}

fn show_list(args: &List, products: Vec<Product>) -> Result<(), Failure> {
    let lines: Vec<_> = products.into_iter().map(ProductLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

fn show_sheet(args: &Show, sheet: ProductSheet) -> Result<(), Failure> {
    let sheet = Sheet {
        product: sheet.product.into(),
        features: sheet.features.into_iter().map(Into::into).collect(),
    };
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &sheet.features),
        Format::Table => output::print_record(&sheet.product)
            .and_then(|()| output::print_part("features", &sheet.features)),
    }
    .or_unavailable(|| "cannot write the product".to_owned())
}

fn unknown(args: &Show) -> Failure {
    Failure::refused(anyhow!(
        "there is no product {:?}: list them with `fleetgrant products list`",
        args.product
    ))
}
