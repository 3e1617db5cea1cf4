//! `fleetgrant import`: what the back office knows, from CSV.

mod remote;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};

use super::ledger::{Ledger, actor};
use super::output;
use super::stdout::stdout;
use super::{Failure, Global, OrUnavailable, Remote};
use crate::clock::Clock;
use crate::http::imports::{Imported, MadeCode};
use crate::import::{self, ImportError, ImportOptions, Kind};

/// Import a CSV file of the back office
///
/// The kinds build on each other: models, products, skus, parties, orders, shipments, manifest,
/// entitlements, codes, usage. The same file again changes nothing, and one bad row undoes the whole
/// file. docs/imports.md describes the columns.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the file holds
    kind: Kind,
    /// The file
    file: PathBuf,
    /// Tell what would come of it, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Take rows that say something else than what is stored
    #[arg(long)]
    amend: bool,
    /// Leave bad rows out and import the rest, instead of nothing
    #[arg(long)]
    skip_bad: bool,
    /// Keep what is imported after every so many rows, so that the gateway works on in between and an
    /// import that was cut off goes on where it ended; one bad row undoes its part, and ends it
    #[arg(long, value_name = "ROWS", conflicts_with = "dry_run")]
    parts: Option<NonZeroUsize>,
    /// Where the activation codes are written that a codes file makes (CSV, mode 0600); nothing
    /// else ever has their secrets
    #[arg(long, value_name = "FILE")]
    codes: Option<PathBuf>,
    /// The form of the report
    #[arg(long, short, value_enum, default_value_t)]
    output: Form,
}

/// The form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people: bad rows on standard error, the sum on standard output.
    #[default]
    Text,
    /// One object.
    Json,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if args.kind == Kind::Codes && !args.dry_run && args.codes.is_none() {
        return Err(Failure::input(anyhow!(
            "say with --codes FILE where the codes are written: nothing else ever has their secrets"
        )));
    }
    if let Some(gateway) = Remote::of(global)? {
        return match args.parts {
            Some(rows) => remote::run_in_parts(&gateway, args, rows),
            None => remote::run(&gateway, args),
        };
    }
    let ledger = Ledger::open(global)?;
    let reading = || format!("cannot read {}", args.file.display());
    let file = File::open(&args.file).or_unavailable(reading)?;
    let size = file.metadata().or_unavailable(reading)?.len();
    // Made before anything is imported, since codes that cannot be written are lost.
    let codes = args.codes.as_deref().map(CodesFile::create).transpose()?;
    let config = ledger.config();
    let options = ImportOptions {
        dry_run: args.dry_run,
        amend: args.amend,
        skip_bad: args.skip_bad,
        actor: actor(),
        now: Clock::system().now(),
        product_lines: config.product_lines(),
        time_zone: config.time_zone.clone(),
        manufacturer: None,
    };
    let progress = ProgressBar::new(size).with_style(style());
    let source = progress.wrap_read(file);
    let imported = match args.parts {
        None => import::run(args.kind, source, options, ledger.store()),
        Some(rows) => import::run_in_parts(args.kind, source, &options, rows, ledger.store()),
    };
    progress.finish_and_clear();
    let report = imported.map_err(|cause| failure(&args.file, cause))?;
    if let (Some(codes), true) = (codes, report.committed || !report.codes.is_empty()) {
        let made: Vec<_> = report.codes.iter().map(MadeCode::from).collect();
        codes.fill(&made)?;
    }
    if !report.committed && report.kept > 0 {
        return conclude_part(args, &Imported::from(&report), report.kept);
    }
    conclude(args, &Imported::from(&report))
}

/// Of a file of which the rows before a bad part are kept.
fn conclude_part(args: &Args, imported: &Imported, kept: u64) -> Result<(), Failure> {
    told(args, imported, kept)?;
    Err(Failure::refused(anyhow!(
        "{} rows are bad: the {kept} rows before their part are imported, and the rest is not; \
         repair them and import the file again",
        imported.refused
    )))
}

fn conclude(args: &Args, imported: &Imported) -> Result<(), Failure> {
    told(args, imported, 0)?;
    if imported.refused > 0 && !args.skip_bad {
        return Err(Failure::refused(anyhow!(
            "{} of {} rows are bad, so nothing was imported; repair them, or leave them out with \
             --skip-bad",
            imported.refused,
            imported.rows
        )));
    }
    Ok(())
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn failure(file: &Path, cause: ImportError) -> Failure {
    let naming = |cause: ImportError| anyhow!(cause).context(format!("{}", file.display()));
    match cause {
        ImportError::Store(cause) => cause.into(),
        ImportError::Header { .. } | ImportError::TooManyRows => Failure::Refused(naming(cause)),
        ImportError::Read { .. } | ImportError::Rewind(_) => Failure::Unavailable(naming(cause)),
    }
}

fn told(args: &Args, imported: &Imported, kept: u64) -> Result<(), Failure> {
    tell(args, imported, kept).or_unavailable(|| "cannot write the report".to_owned())
}

fn tell(args: &Args, report: &Imported, kept: u64) -> io::Result<()> {
    if args.output == Form::Json {
        return output::print_json(report);
    }
    let mut err = io::stderr().lock();
    for error in &report.errors {
        let text = format!("{}: {error}", args.file.display());
        writeln!(err, "{}", output::printable(&text))?;
    }
    let told = report.errors.len() as u64;
    if report.refused > told {
        writeln!(err, "and more: {} rows are bad", report.refused)?;
    }
    let what = match (report.imported, args.dry_run) {
        (true, _) => "imported",
        (false, _) if kept > 0 => "imported in part",
        (false, true) => "dry run, nothing imported",
        (false, false) => "nothing imported",
    };
    writeln!(
        stdout(),
        "{}: {what}: {} rows, {} created, {} amended, {} unchanged, {} bad",
        report.kind,
        report.rows,
        report.created,
        report.amended,
        report.unchanged,
        report.refused
    )
}

/// The file that activation codes are written to. It is taken away again if none were.
struct CodesFile<'a> {
    path: &'a Path,
    file: File,
    is_filled: bool,
}

impl<'a> CodesFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .or_unavailable(|| format!("cannot make {}", path.display()))?;
        Ok(Self {
            path,
            file,
            is_filled: false,
        })
    }

    fn fill(mut self, codes: &[MadeCode]) -> Result<(), Failure> {
        self.is_filled = !codes.is_empty();
        self.write(codes).or_unavailable(|| {
            format!(
                "cannot write all codes to {}; void the pack (`fleetgrant codes void --pack`) and make \
                 another",
                self.path.display()
            )
        })
    }

    fn write(&self, codes: &[MadeCode]) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(&self.file);
        csv.write_record(["pack", "entitlement", "code"])?;
        for issued in codes {
            let [pack, entitlement] = [&issued.pack, &issued.entitlement].map(|s| output::inert(s));
            csv.write_record([&pack, &entitlement, &issued.code])?;
        }
        csv.flush()?;
        drop(csv);
        self.file.sync_all()
    }
}

impl Drop for CodesFile<'_> {
    fn drop(&mut self) {
        if !self.is_filled {
            // An empty file that stays does no harm.
            let _ = fs::remove_file(self.path);
        }
    }
}
