//! `fleetgrant entitlements`: what parties own, and how much of it is in use.

mod remote;

use fleetgrant_core::domain::EntitlementState;
use serde::Serialize;

use super::activations::ActivationLine;
use super::ledger::{Ledger, ListArgs};
use super::output::{self, Format, row};
use super::{Failure, Global, OrUnavailable, Remote, co_term, entitlement_acts};
use crate::http::activations::Activation;
use crate::http::entitlements::Entitlement;
use crate::store::listing::{self, ActivationFilter, EntitlementFilter, EntitlementSort};

/// List entitlements, show one with its activations, or change one
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    CoTerm(co_term::CoTerm),
    #[command(flatten)]
    Act(entitlement_acts::Command),
}

/// List entitlements, the oldest first
#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state, as active
    #[arg(long)]
    state: Option<EntitlementState>,
    /// Only those of this owner: its name or id, or what some system calls it
    #[arg(long, value_name = "PARTY")]
    owner: Option<String>,
    /// Only those of the product with this code
    #[arg(long, value_name = "CODE")]
    product: Option<String>,
    /// Only those that some system calls so
    #[arg(long)]
    reference: Option<String>,
    #[command(flatten)]
    list: ListArgs<EntitlementSort>,
}

/// Show an entitlement and its activations
#[derive(Debug, clap::Args)]
struct Show {
    /// Its reference or its id
    entitlement: String,
    /// The form of what is shown
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// An entitlement in a list.
    EntitlementLine {
        entitlement: String,
        system: String,
        reference: String,
        owner: Option<String>,
        product: String,
        model: String,
        state: String,
        on_hold_for: Option<String>,
        revoked_from: Option<String>,
        maintained_until: Option<String>,
        source: String,
        purpose: String,
        units: Option<i64>,
        in_use: i64,
        pending_credit: i64,
        start: String,
        starts: Option<String>,
        term: Option<String>,
        ends: Option<String>,
    }
);

impl From<Entitlement> for EntitlementLine {
    fn from(it: Entitlement) -> Self {
        let reasons: Vec<_> = it.on_hold_for.iter().map(ToString::to_string).collect();
        Self {
            entitlement: it.id.to_string(),
            system: it.system,
            reference: it.reference,
            owner: it.owner.map(|owner| owner.name),
            product: it.product,
            model: it.license_model.to_string(),
            state: it.state.to_string(),
            on_hold_for: (!reasons.is_empty()).then(|| reasons.join(" ")),
            revoked_from: it.revoked_from.map(|at| at.to_string()),
            maintained_until: it.maintained_until.map(|at| at.to_string()),
            source: it.source.to_string(),
            purpose: it.purpose.to_string(),
            units: it.units,
            in_use: it.in_use,
            pending_credit: it.pending_credit,
            start: it.start_basis.to_string(),
            starts: it.starts_at.map(|at| at.to_string()),
            term: it.term,
            ends: it.ends_at.map(|at| at.to_string()),
        }
    }
}

/// An entitlement and its activations.
#[derive(Serialize)]
struct Sheet {
    #[serde(flatten)]
    entitlement: EntitlementLine,
    activations: Vec<ActivationLine>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Command::Act(act) = &args.command {
        act.check(global.reason.as_ref())?;
    }
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::List(args) => list(&ledger, args),
        Command::Show(args) => show(&ledger, args),
        Command::CoTerm(args) => co_term::run(&ledger, args),
        Command::Act(act) => entitlement_acts::run(&ledger, act),
    }
}

fn list(ledger: &Ledger, args: &List) -> Result<(), Failure> {
    let filter = EntitlementFilter {
        id: None,
        reference: args.reference.clone(),
        state: args.state,
        owners: ledger.parties(args.owner.as_deref())?,
        product: args.product.clone(),
        within: None,
        part: args.list.part()?,
    };
    filter.check()?;
    let limit = args.list.rows_to_read();
    let rows = ledger.read(move |db| listing::entitlements(db, &filter, limit))?;
    let rows = args.list.cut(rows);
    show_list(args, rows.into_iter().map(Entitlement::from).collect())
}

fn show_list(args: &List, entitlements: Vec<Entitlement>) -> Result<(), Failure> {
    let lines: Vec<_> = entitlements
        .into_iter()
        .map(EntitlementLine::from)
        .collect();
    output::print(args.list.output, &lines).or_unavailable(|| "cannot write the list".to_owned())
}

/// Activations of a sheet at most; `activations list --entitlement` has them all.
const PART: i64 = 200;

fn show(ledger: &Ledger, args: &Show) -> Result<(), Failure> {
    let row = ledger.entitlement(&args.entitlement)?;
    let filter = ActivationFilter {
        entitlement: Some(row.id.0),
        ..ActivationFilter::default()
    };
    let activations = ledger.read(move |db| listing::activations(db, &filter, PART))?;
    let activations = activations.into_iter().map(Activation::from);
    show_sheet(args, row.into(), activations)
}

fn show_sheet(
    args: &Show,
    entitlement: Entitlement,
    activations: impl Iterator<Item = Activation>,
) -> Result<(), Failure> {
    let sheet = Sheet {
        entitlement: entitlement.into(),
        activations: activations.map(Into::into).collect(),
    };
    match args.output {
        Format::Json => output::print_json(&sheet),
        Format::Csv => output::print(Format::Csv, &[sheet.entitlement]),
        Format::Table => output::print_record(&sheet.entitlement)
            .and_then(|()| output::print_part("activations", &sheet.activations)),
    }
    .or_unavailable(|| "cannot write the entitlement".to_owned())
}
