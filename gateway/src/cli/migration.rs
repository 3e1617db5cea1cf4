//! `fleetgrant migration`: rights of an older licensing system.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::ledger::{Ledger, actor, runtime};
use super::output::{self, Format, row};
use super::remote::{Body, Query};
use super::{Failure, Global, OrUnavailable, Remote, note};
use crate::clock::Clock;
use crate::http::migrations::{BroughtOver, LegacyExport, Surrender as Given, Surrendered};
use crate::import::ImportOptions;
use crate::legacy::{
    self, Export, ExportError, MAX_MAPPING_BYTES, Mapping, MigrationProgress, NotBrought,
    Transport, parse_mapping,
};
use crate::operator::Effects;
use crate::store::event::Occasion;

/// Bring over the rights of an older licensing system
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Import(Import),
    Report(Report),
    Surrender(Surrender),
}

/// Bring over an export of node-locked keys, dongles or site licences
///
/// A mapping file says what its columns, products, customers and hosts are here; docs/migration.md
/// has one. Each right becomes an entitlement, reserved for the device that takes the place of its
/// host or dongle. Units before are units after, or nothing is kept. The same again changes nothing.
#[derive(Debug, clap::Args)]
struct Import {
    /// The export, as CSV
    export: PathBuf,
    /// What it means, as TOML
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Tell what would come of it and what the mapping lacks, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Bring over what is mapped, and leave out the rest
    #[arg(long)]
    skip_unmapped: bool,
}

/// Show how far each migration is
#[derive(Debug, clap::Args)]
struct Report {
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Record that a customer has given up a right of the older system
///
/// One that is bound to a device is given up when the device signs for what came of it; a site
/// licence, or one whose host never came, when somebody says so.
#[derive(Debug, clap::Args)]
struct Surrender {
    /// The older system, as the mapping calls it
    system: String,
    /// What that system calls the right
    right: String,
}

row!(
    /// A word that the mapping lacks.
    UnmappedLine {
        table: String,
        word: String,
        rows: u64,
    }
);

row!(
    /// How far the migration of a product is.
    ProgressLine {
        system: String,
        kind: String,
        product: String,
        rights: u64,
        units: i64,
        on_devices: i64,
        surrendered: u64,
        left: u64,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return on(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::Import(args) => import(&ledger, args),
        Command::Report(args) => report(&ledger, args),
        Command::Surrender(args) => surrender(&ledger, args),
    }
}

/// The same, on another gateway.
fn on(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Import(args) => import_on(gateway, args),
        Command::Report(args) => {
            show_progress(args, gateway.get("/reports/migration", &Query::default())?)
        }
        Command::Surrender(args) => {
            let asked = Given {
                system: args.system.clone(),
                right: args.right.clone(),
            };
            let path = "/legacy-rights/surrender";
            gateway.post::<Surrendered>(path, &Query::default(), &Body::Json(&asked))?;
            note("it is given up");
            Ok(())
        }
    }
}

/// Looks first, so that what the mapping lacks is shown; then brings over, if that may be.
fn import_on(gateway: &Remote, args: &Import) -> Result<(), Failure> {
    let reading = |path: &Path| format!("cannot read {}", path.display());
    let asked = LegacyExport {
        mapping: read_text(&args.mapping)?,
        export: std::fs::read_to_string(&args.export).or_unavailable(|| reading(&args.export))?,
        skip_unmapped: args.skip_unmapped,
    };
    let send = |preview| {
        let query = Query::preview(preview);
        gateway.post::<BroughtOver>("/legacy-rights/import", &query, &Body::Json(&asked))
    };
    let looked = send(true)?;
    tell_of_export(args, &looked)?;
    let brought = if args.dry_run { looked } else { send(false)? };
    conclude(args, &brought)
}

fn import(ledger: &Ledger, args: &Import) -> Result<(), Failure> {
    let mapping = read_mapping(&args.mapping)?;
    let reading = || format!("cannot read {}", args.export.display());
    let file = File::open(&args.export).or_unavailable(reading)?;
    let export = Export::read(file, &mapping).map_err(|error| unreadable(&args.export, error))?;
    let looked = BroughtOver::of(&export);
    tell_of_export(args, &looked)?;
    let config = ledger.config();
    let transport = Transport {
        mapping,
        export,
        options: ImportOptions {
            dry_run: false,
            amend: false,
            skip_bad: false,
            actor: actor(),
            now: Clock::system().now(),
            product_lines: config.product_lines(),
            time_zone: config.time_zone.clone(),
            manufacturer: None,
        },
    };
    let effects = match args.dry_run {
        true => Effects::Undone,
        false => Effects::Kept,
    };
    let operator = ledger.operator()?;
    let brought = runtime()?.block_on(operator.bring_over(transport, effects))?;
    conclude(args, &looked.with(&brought))
}

/// Shows what the mapping lacks, and refuses what must not go on.
fn tell_of_export(args: &Import, looked: &BroughtOver) -> Result<(), Failure> {
    for fault in &looked.faults {
        note(&output::printable(&format!(
            "{}: {fault}",
            args.export.display()
        )));
    }
    let words: Vec<_> = looked
        .unmapped
        .iter()
        .map(|unmapped| UnmappedLine {
            table: unmapped.table.clone(),
            word: unmapped.word.clone(),
            rows: unmapped.rows,
        })
        .collect();
    if !words.is_empty() {
        output::print(Format::Table, &words)
            .or_unavailable(|| "cannot write the list".to_owned())?;
    }
    if !looked.faults.is_empty() {
        return Err(Failure::refused(anyhow!(
            "{} rows cannot be read, so nothing was brought over",
            looked.faults.len()
        )));
    }
    if looked.left_out > 0 && !args.skip_unmapped && !args.dry_run {
        return Err(Failure::refused(anyhow!(
            "the mapping lacks the words above, so nothing was brought over; add them, or leave out \
             {} rights of {} units with --skip-unmapped",
            looked.left_out,
            looked.units_left_out
        )));
    }
    Ok(())
}

fn conclude(args: &Import, brought: &BroughtOver) -> Result<(), Failure> {
    let BroughtOver {
        left_out,
        units_left_out,
        ..
    } = brought;
    let would = if args.dry_run { "would be " } else { "" };
    note(&format!(
        "{} rights {would}brought over, {} were before, {left_out} left out",
        brought.new, brought.known
    ));
    note(&format!(
        "units before: {} ({units_left_out} more left out), units after: {}; without a number: {} \
         before, {} after",
        brought.units_before,
        brought.units_after,
        brought.unlimited_before,
        brought.unlimited_after
    ));
    note(&format!(
        "{} units {would}reserved for devices",
        brought.reserved
    ));
    match left_out {
        0 => Ok(()),
        _ if args.skip_unmapped => Ok(()),
        _ => Err(Failure::refused(anyhow!(
            "the mapping lacks the words above: {left_out} rights of {units_left_out} units"
        ))),
    }
}

fn read_mapping(path: &Path) -> Result<Mapping, Failure> {
    parse_mapping(&read_text(path)?)
        .map_err(|error| Failure::input(anyhow!(error).context(path.display().to_string())))
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let reading = || format!("cannot read {}", path.display());
    let file = File::open(path).or_unavailable(reading)?;
    let mut text = String::new();
    match file.take(MAX_MAPPING_BYTES + 1).read_to_string(&mut text) {
        Err(error) if error.kind() != io::ErrorKind::InvalidData => {
            return Err(error).or_unavailable(reading);
        }
        Ok(read) if read as u64 <= MAX_MAPPING_BYTES => {}
        _ => {
            return Err(Failure::input(anyhow!(
                "{} is no text in UTF-8 of at most {MAX_MAPPING_BYTES} bytes",
                path.display()
            )));
        }
    }
    Ok(text)
}

fn unreadable(path: &Path, error: ExportError) -> Failure {
    Failure::input(anyhow!(error).context(path.display().to_string()))
}

fn report(ledger: &Ledger, args: &Report) -> Result<(), Failure> {
    show_progress(args, ledger.read(|db| legacy::progress(db, None))?)
}

fn show_progress(args: &Report, progress: Vec<MigrationProgress>) -> Result<(), Failure> {
    let lines: Vec<_> = progress.into_iter().map(ProgressLine::from).collect();
    output::print(args.output, &lines).or_unavailable(|| "cannot write the report".to_owned())
}

impl From<MigrationProgress> for ProgressLine {
    fn from(line: MigrationProgress) -> Self {
        Self {
            system: line.system,
            kind: line.kind,
            product: line.product,
            rights: line.rights,
            units: line.units,
            on_devices: line.on_devices,
            surrendered: line.surrendered,
            left: line.left,
        }
    }
}

fn surrender(ledger: &Ledger, args: &Surrender) -> Result<(), Failure> {
    let (system, right) = (args.system.clone(), args.right.clone());
    let (now, actor) = (Clock::system().now(), actor());
    let done = ledger.store().write_blocking("surrender", move |db| {
        let occasion = Occasion {
            at: now,
            actor: &actor,
            cause: &[],
        };
        legacy::surrender(db, &system, &right, occasion)
    })?;
    if !done {
        return Err(Failure::refused(anyhow!(
            "{} has no right {:?} here that is not given up",
            args.system,
            args.right
        )));
    }
    note("it is given up");
    Ok(())
}

impl From<NotBrought> for Failure {
    fn from(error: NotBrought) -> Self {
        match error {
            NotBrought::Act(error) => error.into(),
            error => Self::refused(error),
        }
    }
}
