//! `fleetgrant factory grants`: the files that a line puts on its devices.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use data_encoding::BASE64;

use super::batch_called;
use crate::cli::ledger::{Ledger, device_id, runtime};
use crate::cli::output::{self, Format, row};
use crate::cli::remote::{Body, Query};
use crate::cli::{Failure, Global, OrUnavailable, Remote, note};
use crate::clock::Clock;
use crate::factory::{Built, Line, NotBuilt};
use crate::gateway;
use crate::http::grants::{FactoryGrant, GrantsMade, MOST, NewGrants};
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
    if let Some(gateway) = Remote::of(global)? {
        return on(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    let batch = batch_called(&ledger, &args.batch)?;
    make_folder(args)?;
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
            let granted = runtime.block_on(line.grant(&unit));
            lines.push(put(unit, granted, &args.out)?);
        }
    }
    tell(args, &lines)
}

/// The same, on another gateway.
fn on(gateway: &Remote, args: &Args) -> Result<(), Failure> {
    let path = format!("/batches/{}/grants", gateway.batch(&args.batch)?.id);
    make_folder(args)?;
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let asked = NewGrants { after, limit: MOST };
        let made: GrantsMade = gateway.post(&path, &Query::default(), &Body::Json(&asked))?;
        for grant in made.items {
            lines.push(put_fetched(grant, &args.out)?);
        }
        after = made.next;
        if after.is_none() {
            return tell(args, &lines);
        }
    }
}

fn make_folder(args: &Args) -> Result<(), Failure> {
    fs::create_dir_all(&args.out)
        .or_unavailable(|| format!("cannot make the folder {}", args.out.display()))
}

fn tell(args: &Args, lines: &[GrantLine]) -> Result<(), Failure> {
    output::print(args.output, lines).or_unavailable(|| "cannot write the list".to_owned())?;
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

fn put(unit: Unit, granted: Result<Built, NotBuilt>, folder: &Path) -> Result<GrantLine, Failure> {
    let (is_new, message, reason) = match granted {
        Ok(built) => (built.is_new, Some(built.message), None),
        Err(error) if error.is_general() => return Err(general(error)),
        Err(error) => (false, None, Some(error.to_string())),
    };
    line_of(unit.id, unit.serial, (is_new, message, reason), folder)
}

fn put_fetched(grant: FactoryGrant, folder: &Path) -> Result<GrantLine, Failure> {
    // It names a file here.
    let device = device_id(&grant.device).map_err(|why| Failure::unavailable(anyhow!("{why}")))?;
    let message = grant.message.map(|text| BASE64.decode(text.as_bytes()));
    let message = message.transpose().map_err(Failure::unavailable)?;
    let became = (grant.is_new, message, grant.reason);
    line_of(device.to_string(), grant.serial, became, folder)
}

/// What became of a device: whether its grant is new, the grant, or why it has none.
type Became = (bool, Option<Vec<u8>>, Option<String>);

fn line_of(
    device: String,
    serial: String,
    (is_new, message, reason): Became,
    folder: &Path,
) -> Result<GrantLine, Failure> {
    let file = match message {
        Some(message) => {
            let name = format!("{device}.grant");
            write(folder, &name, &message)
                .or_unavailable(|| format!("the grant of {device} is recorded, but not written"))?;
            Some(name)
        }
        None => None,
    };
    let grant = match (&file, is_new) {
        (None, _) => "none",
        (Some(_), true) => "made",
        (Some(_), false) => "again",
    };
    Ok(GrantLine {
        device,
        serial,
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
