//! `fleetgrant report reconcile`: the ledger held against what the ERP says.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::anyhow;

use crate::cli::ledger::Ledger;
use crate::cli::output::{self, Format, row};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, OrUnavailable, Remote, note};
use crate::http::reconcile::{ReconcileFinding, Reconciled};
use crate::import::ImportError;
use crate::import::reconcile;

/// Hold an ERP's export of its orders against the ledger, line by line
///
/// Ends with 1 if somebody must put something right.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The export: an orders file, as `fleetgrant import orders` takes it
    #[arg(long, value_name = "FILE")]
    erp: PathBuf,
    /// The form of the report
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// A difference.
    FindingLine {
        file_line: Option<u64>,
        system: String,
        order: String,
        line: String,
        difference: String,
        here: String,
        there: String,
    }
);

impl From<ReconcileFinding> for FindingLine {
    fn from(finding: ReconcileFinding) -> Self {
        Self {
            file_line: finding.file_line,
            system: finding.system,
            order: finding.order,
            line: finding.line,
            difference: finding.difference,
            here: finding.here,
            there: finding.there,
        }
    }
}

pub(super) fn run(ledger: &Ledger, args: &Args) -> Result<(), Failure> {
    let file =
        File::open(&args.erp).or_unavailable(|| format!("cannot read {}", args.erp.display()))?;
    let zone = ledger.config().time_zone.clone();
    let mut source = BufReader::new(file);
    let found = ledger
        .read(move |db| Ok(reconcile::reconcile(db, &mut source, &zone, None)))?
        .map_err(unread)?;
    show(args, found.into())
}

/// The same, on another gateway.
pub(super) fn run_remote(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let reading = || format!("cannot read {}", args.erp.display());
    let file = std::fs::read(&args.erp).or_unavailable(reading)?;
    show(
        args,
        gateway.post("/reports/reconcile", &Query::default(), &Body::Csv(file))?,
    )
}

fn show(args: &Args, found: Reconciled) -> Result<(), Failure> {
    let lines: Vec<FindingLine> = found.findings.into_iter().map(Into::into).collect();
    output::print(args.output, &lines).or_unavailable(|| "cannot write the report".to_owned())?;
    if found.more > 0 {
        note(&format!("{} findings more are not shown", found.more));
    }
    note(&format!(
        "{} of {} lines agree with the ledger",
        found.agreeing, found.rows
    ));
    if found.faults > 0 {
        return Err(Failure::refused(anyhow!(
            "the ledger and {} differ in {} places",
            args.erp.display(),
            found.faults
        )));
    }
    Ok(())
}

fn unread(error: ImportError) -> Failure {
    match error {
        ImportError::Store(error) => error.into(),
        error => Failure::input(error),
    }
}
