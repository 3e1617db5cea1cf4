//! `fleetgrant models`: the licence models, which are data.

use fleetgrant_core::domain::{CatalogueState, LicenseModelId};

use super::ledger::{Ledger, ListArgs, id};
use super::output::{self, row};
use super::{Failure, Global, OrUnavailable};
use crate::store::StoreError;
use crate::store::license_model::{self, LicenseModel};

/// List the licence models with their rules
///
/// `fleetgrant import models` adds and changes them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
}

/// List licence models, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state, as active
    #[arg(long)]
    state: Option<CatalogueState>,
    /// Only those after this id
    #[arg(long, value_name = "MODEL", value_parser = model_id)]
    after: Option<LicenseModelId>,
    #[command(flatten)]
    list: ListArgs,
}

row!(
    /// A licence model in a list.
    ModelLine {
        model: String,
        version: u32,
        kind: String,
        state: String,
        term: String,
        start_basis: String,
        renewal: String,
        grace_days: u32,
        at_end: String,
        returns_credit: bool,
        rehost: bool,
        trial: String,
        metered: bool,
        counted: bool,
        uses: Option<u64>,
        uses_overdraft_percent: u16,
    }
);

impl ModelLine {
    fn of(row: LicenseModel) -> Result<Self, StoreError> {
        let model = row.model()?;
        let (rules, sale) = (model.rules, model.sale);
        Ok(Self {
            model: row.code,
            version: model.version,
            kind: row.kind.0.to_string(),
            state: row.state.0.to_string(),
            term: sale.term.to_string(),
            start_basis: sale.start_basis.to_string(),
            renewal: sale.renewal.to_string(),
            grace_days: rules.grace / 86_400,
            at_end: rules.at_end.to_string(),
            returns_credit: rules.returns_credit,
            rehost: rules.rehost,
            trial: rules.trial.to_string(),
            metered: rules.metered,
            counted: rules.counted,
            uses: rules.uses,
            uses_overdraft_percent: rules.uses_overdraft_percent,
        })
    }
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let (state, after, limit) = (args.state, args.after, args.list.rows_to_read());
    let rows = ledger.read(move |db| license_model::all(db, state, after, limit))?;
    let rows = args.list.cut(rows, |row| row.id.0.to_string());
    let lines: Result<Vec<_>, _> = rows.into_iter().map(ModelLine::of).collect();
    output::print(args.list.output, &lines?).or_unavailable(|| "cannot write the list".to_owned())
}

fn model_id(text: &str) -> Result<LicenseModelId, String> {
    id(text).map(LicenseModelId)
}
