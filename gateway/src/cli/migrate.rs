//! `fleetgrant migrate`: brings the database's schema to this version.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;

use anyhow::anyhow;

use super::stdout::stdout;
use super::{Failure, Global, OrUnavailable};
use crate::store::dialect::{self, OpenError};

/// Make the database, or bring its schema to this version
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Changes nothing; ends with 1 if migrations are missing
    #[arg(long)]
    check: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let (config, _telemetry) = global.start()?;
    if !args.check {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data_dir)
            .or_unavailable(|| {
                format!(
                    "cannot make the data folder {}; choose another with --set data_dir=…",
                    config.data_dir.display()
                )
            })?;
    }
    let mut db = config.database.connect().map_err(Failure::database)?;
    let names = if args.check {
        dialect::pending_migrations(&mut db)
    } else {
        dialect::migrate(&mut db)
    }
    .map_err(Failure::database)?;
    report(args.check, &names).or_unavailable(|| "cannot write the names".to_owned())?;
    if args.check && !names.is_empty() {
        let cause = OpenError::SchemaTooOld {
            missing: names.len(),
        };
        return Err(Failure::refused(anyhow!(cause)));
    }
    Ok(())
}

fn report(check: bool, names: &[String]) -> io::Result<()> {
    let mut out = stdout();
    let did = if check { "missing" } else { "ran" };
    for name in names {
        writeln!(out, "{did} {name}")?;
    }
    if names.is_empty() {
        writeln!(out, "the schema is up to date")?;
    }
    Ok(())
}
