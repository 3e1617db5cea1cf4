//! `fleetgrant offline`: messages of devices that have no connection, carried in files.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fleetgrant_schemas::topic::MessageType;

use super::ledger::Ledger;
use super::stdout::stdout;
use super::{Failure, Global, OrUnavailable, message_file};
use crate::activation::{Answered, FileError};
use crate::clock::Clock;
use crate::gateway;

/// Serve devices without a connection: their messages come and go in files
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Request(Request),
    Ack(Ack),
}

/// Answer a device's request: its file in, a grant's file out
///
/// Ends with 1 if a notice answers instead of a grant; the device is to be given that too. The
/// same request again is answered with the same grant.
#[derive(Debug, clap::Args)]
struct Request {
    /// The request, as bytes or in hex; - reads standard input
    file: PathBuf,
    /// Where the answer is written; not over what is there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Record what a device installed: its acknowledgement's file in
#[derive(Debug, clap::Args)]
struct Ack {
    /// The acknowledgement, as bytes or in hex; - reads standard input
    file: PathBuf,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let ledger = Ledger::open(global)?;
    match &args.command {
        Command::Request(args) => request(&ledger, args),
        Command::Ack(args) => ack(&ledger, args),
    }
}

fn request(ledger: &Ledger, args: &Request) -> Result<(), Failure> {
    let answered = take(ledger, MessageType::Request, &args.file)?;
    let Some((message, bytes)) = &answered.answer else {
        return Err(Failure::refused(anyhow!(
            "{}: {}; there is nothing to answer",
            answered.device,
            answered.outcome
        )));
    };
    write_new(&args.out, bytes).or_unavailable(|| {
        format!(
            "the answer is recorded, but cannot be written to {}: give the same request again",
            args.out.display()
        )
    })?;
    tell(&format!(
        "{}: a {message} for {} ({})",
        args.out.display(),
        answered.device,
        answered.outcome
    ))?;
    match message {
        MessageType::Grant => Ok(()),
        _ => Err(Failure::refused(anyhow!(
            "the device gets no grant: {}; `fleetgrant inspect` shows the {message}",
            answered.outcome
        ))),
    }
}

fn ack(ledger: &Ledger, args: &Ack) -> Result<(), Failure> {
    let answered = take(ledger, MessageType::Ack, &args.file)?;
    match answered.answer {
        None => tell(&format!("{}: {}", answered.device, answered.outcome)),
        // What it refused is left out of its next set.
        Some((MessageType::Grant, _)) => tell(&format!(
            "{}: recorded; its next request is answered with another set",
            answered.device
        )),
        Some(_) => Err(Failure::refused(anyhow!(
            "{}: {}; nothing was recorded",
            answered.device,
            answered.outcome
        ))),
    }
}

fn take(ledger: &Ledger, kind: MessageType, file: &Path) -> Result<Answered, Failure> {
    let bytes = message_file::read(file)?;
    let desk = gateway::file_desk(ledger.config(), ledger.store().clone(), Clock::system())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(Failure::unavailable)?;
    runtime
        .block_on(desk.take(kind, bytes))
        .map_err(|error| match error {
            FileError::Unverified { .. } => Failure::refused(error),
            FileError::Unrecorded(_) | FileError::Unsigned(_) => Failure::unavailable(error),
        })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn tell(text: &str) -> Result<(), Failure> {
    writeln!(stdout(), "{text}").or_unavailable(|| "cannot write to standard output".to_owned())
}
