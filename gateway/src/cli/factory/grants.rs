//! `fleetgrant factory grants`: the files that a line puts on its devices.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::batch_called;
use crate::cli::ledger::{Ledger, runtime};
use crate::cli::output::{self, Format, row};
use crate::cli::{Failure, Global, OrUnavailable, note};
use crate::clock::Clock;
use crate::factory::{Line, NotBuilt};
use crate::gateway;
use crate::store::batch::{self, Unit};

/// Devices that are read at once.
const PAGE: i64 = 500;

/// Make the factory grants of a batch: a file for each device, which it takes before it ever asked
///
/// A grant gives what is reserved for a device, what its order line gives, and nothing whose time
/// would start to run on the shelf. It is bound to the key that the manifest names, and can be
/// installed for two years. The same again writes the same grants; a device that was heard, or that
/// cannot have all that it is owed, is left out and told of.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The batch, as the manifest calls it
    #[arg(long, value_name = "NAME")]
    batch: String,
    /// The folder that the files are written to, each named for its device
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The form of the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

row!(
    /// What became of a device.
    GrantLine {
        device: String,
        serial: String,
        grant: &'static str,
        file: Option<String>,
        reason: Option<String>,
    }
);

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    let batch = batch_called(&ledger, &args.batch)?;
    fs::create_dir_all(&args.out)
        .or_unavailable(|| format!("cannot make the folder {}", args.out.display()))?;
    let desk = gateway::file_desk(ledger.config(), ledger.store().clone(), Clock::system())?;
    let line = Line {
        operator: ledger.operator()?,
        issuer: desk.issuer,
    };
    let runtime = runtime()?;
    let mut lines = Vec::new();
    let mut after = String::new();
    loop {
        let (id, last) = (batch.id, after.clone());
        let units = ledger.read(move |db| batch::units(db, id, &last, PAGE))?;
        let Some(last) = units.last() else { break };
        after.clone_from(&last.id);
        for unit in units {
            lines.push(runtime.block_on(put(&line, unit, &args.out))?);
        }
    }
    output::print(args.output, &lines).or_unavailable(|| "cannot write the list".to_owned())?;
    let left_out = lines.iter().filter(|line| line.file.is_none()).count();
    note(&format!(
        "{} of {} devices of the batch have their grant in {}",
        lines.len() - left_out,
        lines.len(),
        args.out.display()
    ));
    match left_out {
        0 => Ok(()),
        _ => Err(Failure::refused(anyhow!(
            "{left_out} devices have none, for the reasons in the list"
        ))),
    }
}

async fn put(line: &Line, unit: Unit, folder: &Path) -> Result<GrantLine, Failure> {
    let (grant, file, reason) = match line.grant(&unit).await {
        Ok(built) => {
            let name = format!("{}.grant", unit.id);
            write(folder, &name, &built.message).or_unavailable(|| {
                format!("the grant of {} is recorded, but not written", unit.id)
            })?;
            let grant = if built.is_new { "made" } else { "again" };
            (grant, Some(name), None)
        }
        Err(error) if error.is_general() => return Err(general(error)),
        Err(error) => ("none", None, Some(error.to_string())),
    };
    Ok(GrantLine {
        device: unit.id,
        serial: unit.serial,
        grant,
        file,
        reason,
    })
}

fn general(error: NotBuilt) -> Failure {
    match error {
        NotBuilt::Act(error) => error.into(),
        error => Failure::unavailable(error),
    }
}

/// Writes a file whole or not at all; over one that is there, since a grant is always the same.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!(".{name}.draft"));
    fs::write(&draft, bytes)?;
    fs::rename(draft, folder.join(name))
}
