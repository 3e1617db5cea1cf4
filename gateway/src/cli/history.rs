//! `fleetgrant history`: whether the history is what was written, and the history of one thing.

mod remote;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fleetgrant_core::domain::{DeviceId, OrderId};
use p256::pkcs8::DecodePublicKey as _;

use super::ledger::{Ledger, device_id, order_id};
use super::output;
use super::stdout::stdout;
use super::{Failure, Global, OrUnavailable, Remote};
use crate::clock::Clock;
use crate::crypto::P256PublicKey;
use crate::gateway;
use crate::history::checkpoint::{self, CheckpointError};
use crate::history::subject::{self, Subject};
use crate::history::verify::{self, VerifyError};
use crate::report::history::{self, Exported, HistoryFilter};
use crate::store::Store;
use crate::store::listing::Part;

/// Verify the history, sign where it stands, and export it
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(Verify),
    /// Verify the history, and write where each stream ends, signed by the authority, to standard
    /// output
    ///
    /// Keep it where whoever can write to the database cannot.
    Checkpoint,
    Export(Export),
}

/// Compute the chain of every stream again, and name the first event that is not what was written
///
/// A chain cannot tell that its end was cut off, or that all of it was written anew: give a checkpoint
/// to find that too.
#[derive(Debug, clap::Args)]
struct Verify {
    /// That the history still has what it had when this was made by `history checkpoint`
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public key that signed the checkpoint, as PEM [default: that of the configured key]
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    authority: Option<PathBuf>,
}

/// Export the history, all of it or that of one thing, an event a line
///
/// All of it is in the order in which it was written. Of one thing it is stream by stream: its own,
/// then those of what belongs to it.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Export {
    /// Of this device
    #[arg(long, value_parser = device_id)]
    device: Option<DeviceId>,
    /// Of this entitlement, and of its units on devices: its reference or id
    #[arg(long)]
    entitlement: Option<String>,
    /// Of this order, and of what it gave
    #[arg(long, value_parser = order_id)]
    order: Option<OrderId>,
    /// Of this party, and of what it pays, uses and owns: its name or id, or what some system calls it
    #[arg(long)]
    party: Option<String>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if let Some(gateway) = Remote::of(global)? {
        return remote::run(&gateway, args);
    }
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::Verify(args) => verify(&ledger, args),
        Command::Checkpoint => checkpoint(&ledger),
        Command::Export(args) => export(&ledger, args),
    }
}

fn verify(ledger: &Ledger, args: &Verify) -> Result<(), Failure> {
    let store = ledger.store();
    let whole = verify::chains(store, |_| Ok::<_, VerifyError>(()))?;
    tell_of_whole(whole.events, whole.streams);
    match &args.checkpoint {
        Some(file) => hold(ledger, store, file, args.authority.as_deref()),
        None => Ok(()),
    }
}

fn tell_of_whole(events: u64, streams: u64) {
    super::note(&format!(
        "every event is what was written: {events} in {streams} streams"
    ));
}

fn hold(
    ledger: &Ledger,
    store: &Store,
    file: &Path,
    authority: Option<&Path>,
) -> Result<(), Failure> {
    let key = match authority {
        Some(path) => public_key(path)?,
        None => *gateway::authority_key(ledger.config())?.public_key(),
    };
    let open =
        || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(BufReader::new(File::open(file)?))) };
    let streams = checkpoint::hold(store, &key, open)?;
    tell_of_held(&key.thumbprint().to_string(), streams);
    Ok(())
}

fn tell_of_held(key: &str, streams: u64) {
    super::note(&format!(
        "the checkpoint is by {key} and holds: {streams} streams have what they had then"
    ));
}

fn public_key(path: &Path) -> Result<P256PublicKey, Failure> {
    let pem =
        fs::read_to_string(path).or_unavailable(|| format!("cannot read {}", path.display()))?;
    let key = p256::PublicKey::from_public_key_pem(&pem).map_err(|_| {
        Failure::input(anyhow!(
            "{} is no P-256 public key in PEM (\"BEGIN PUBLIC KEY\")",
            path.display()
        ))
    })?;
    Ok(key.into())
}

fn checkpoint(ledger: &Ledger) -> Result<(), Failure> {
    let key = gateway::authority_key(ledger.config())?;
    let now = Clock::system()
        .trusted_now()
        .map_err(Failure::unavailable)?;
    let out = BufWriter::new(stdout());
    let whole = checkpoint::write(
        ledger.store(),
        &key,
        ledger.config().realm.as_str(),
        now,
        out,
    )?;
    super::note(&format!(
        "signed by {}: {} events in {} streams",
        key.thumbprint(),
        whole.events,
        whole.streams
    ));
    Ok(())
}

fn export(ledger: &Ledger, args: &Export) -> Result<(), Failure> {
    match subject(ledger, args)? {
        None => export_part(ledger, &HistoryFilter::default(), |_| true).map(drop),
        Some(subject) => {
            let parts = ledger.read(move |db| subject::parts(db, &subject))?;
            let mut exported = 0;
            for part in parts {
                let filter = HistoryFilter {
                    stream: Some(part.stream.clone()),
                    ..HistoryFilter::default()
                };
                exported += export_part(ledger, &filter, |event| {
                    part.has(event.body.get("entitlement").and_then(|id| id.as_str()))
                })?;
            }
            if exported == 0 {
                return Err(nothing());
            }
            Ok(())
        }
    }
}

fn nothing() -> Failure {
    Failure::refused(anyhow!(
        "the history has nothing of it: check the id, as `fleetgrant devices list` and `fleetgrant \
         orders list` have them"
    ))
}

fn subject(ledger: &Ledger, args: &Export) -> Result<Option<Subject>, Failure> {
    if let Some(device) = &args.device {
        return Ok(Some(Subject::Device(device.clone())));
    }
    if let Some(order) = args.order {
        return Ok(Some(Subject::Order(order)));
    }
    if let Some(entitlement) = &args.entitlement {
        let row = ledger.entitlement(entitlement)?;
        return Ok(Some(Subject::Entitlement(row.id.0)));
    }
    match &args.party {
        Some(called) => Ok(Some(Subject::Party(ledger.party(called)?))),
        None => Ok(None),
    }
}

/// Events that are read at once.
const PAGE: i64 = 1_000;

/// How many events were exported.
fn export_part(
    ledger: &Ledger,
    filter: &HistoryFilter,
    wanted: impl Fn(&Exported) -> bool,
) -> Result<usize, Failure> {
    let (mut part, mut exported) = (Part::default(), 0);
    loop {
        let (filter, from) = (filter.clone(), part.clone());
        let mut page = ledger.read(move |db| history::page(db, &filter, &from, PAGE))?;
        let Some(last) = page.last() else {
            return Ok(exported);
        };
        part = part.going_on(last);
        page.retain(&wanted);
        exported += page.len();
        output::print_json_lines(&page).or_unavailable(|| "cannot write the export".to_owned())?;
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Broken(_) | VerifyError::Gone(_) => Self::refused(error),
            VerifyError::Store(error) => error.into(),
        }
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Verify(error) => error.into(),
            CheckpointError::Io(error) => Self::unavailable(error),
            CheckpointError::Signing(_) => Self::unavailable(error),
            CheckpointError::NotValid(_) => Self::config(error),
            CheckpointError::Malformed { .. }
            | CheckpointError::Forged(_)
            | CheckpointError::Rewritten { .. } => Self::refused(error),
        }
    }
}
