//! `fleetgrant models`: the licence models, which are data.

mod remote;

use fleetgrant_core::domain::CatalogueState;

use super::ledger::{Ledger, ListArgs};
use super::output::{self, row};
use super::{Failure, Global, OrUnavailable, Remote};
use crate::http::license_models::LicenseModel;
use crate::store::StoreError;
use crate::store::license_model::{self, ModelSort};

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
    #[command(flatten)]
    list: ListArgs<ModelSort>,
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

impl From<LicenseModel> for ModelLine {
    fn from(model: LicenseModel) -> Self {
        Self {
            model: model.code,
            version: model.version,
            kind: model.kind.to_string(),
            state: model.state.to_string(),
            term: model.term,
            start_basis: model.start_basis.to_string(),
            renewal: model.renewal.to_string(),
            grace_days: model.grace_seconds / 86_400,
            at_end: model.at_end.to_string(),
            returns_credit: model.returns_credit,
            rehost: model.rehost,
            trial: model.trial.to_string(),
            metered: model.metered,
            counted: model.counted,
            uses: model.uses,
            uses_overdraft_percent: model.uses_overdraft_percent,
        }
    }
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let (state, part, limit) = (args.state, args.list.part()?, args.list.rows_to_read());
    let rows = ledger.read(move |db| license_model::all(db, state, &part, limit))?;
    let rows = args.list.cut(rows);
    let models = rows.into_iter().map(LicenseModel::of);
    show_list(args, models.collect::<Result<_, StoreError>>()?)
}

fn show_list(args: &List, models: Vec<LicenseModel>) -> Result<(), Failure> {
    let lines: Vec<_> = models.into_iter().map(ModelLine::from).collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}
