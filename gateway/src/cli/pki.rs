//! `fleetgrant pki`: a development PKI, and a look at any certificate through the gateway's eyes.

mod keys;
mod roots;
mod verify;

use std::io::{self, Write};
use std::path::PathBuf;

use indicatif::ProgressBar;

use super::output::{self, Format, row};
use super::stdout::stdout;
use super::{Failure, OrUnavailable};
use crate::clock::Clock;
use crate::identity::{AdmissionMode, device_id};
use crate::pki::{DevPki, DevPkiOptions, NewAuthority, PkiError};

/// Make certificates and keys for development, or verify any device certificate
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Init(Init),
    Device(Device),
    Authority(Authority),
    Roots(roots::Args),
    Keys(keys::Args),
    Verify(verify::Args),
}

/// Make a factory's CA, the certificates of gateway and broker, and the authority's key
#[derive(Debug, clap::Args)]
struct Init {
    /// The folder to make it in
    #[arg(long, default_value = "pki")]
    dir: PathBuf,
    /// A DNS name or IP address of the broker; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    broker_name: Vec<String>,
}

/// Issue device certificates
#[derive(Debug, clap::Args)]
struct Device {
    /// The folder that `pki init` made
    #[arg(long, default_value = "pki")]
    dir: PathBuf,
    /// The serial; with --count, of the first device, and its last digits count up
    #[arg(long)]
    serial: String,
    /// The hardware model
    #[arg(long)]
    hwmodel: String,
    /// How many devices
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// The form of the list of what was made
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Make the authority's key of another epoch
#[derive(Debug, clap::Args)]
struct Authority {
    /// The folder to make it in
    #[arg(long, default_value = "pki")]
    dir: PathBuf,
    /// The epoch: one more than that of the key in use
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epoch: u32,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Init(args) => init(args),
        Command::Device(args) => device(args),
        Command::Authority(args) => authority(args),
        Command::Roots(args) => roots::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Verify(args) => verify::run(args),
    }
}

fn init(args: &Init) -> Result<(), Failure> {
    let options = DevPkiOptions {
        broker_names: args.broker_name.clone(),
    };
    let (pki, authority) = DevPki::create(&args.dir, &options, Clock::system().now())?;
    let describe = |out: &mut dyn Write| {
        writeln!(out, "made {}", pki.folder().display())?;
        writeln!(out)?;
        describe_anchor(out, &args.dir)?;
        writeln!(out)?;
        describe_authority(out, &authority)
    };
    describe(&mut stdout()).or_unavailable(|| "cannot write what was made".to_owned())
}

fn authority(args: &Authority) -> Result<(), Failure> {
    let authority = NewAuthority::create(&args.dir, args.epoch, Clock::system().now())?;
    describe_authority(&mut stdout(), &authority)
        .or_unavailable(|| "cannot write what was made".to_owned())
}

/// What the configuration must say of the devices' CA.
fn describe_anchor(out: &mut dyn Write, folder: &std::path::Path) -> io::Result<()> {
    let anchor = DevPki::anchor_config(folder, AdmissionMode::Manifest);
    let list = |paths: &[PathBuf]| -> String {
        let quoted: Vec<_> = paths.iter().map(|path| format!("{path:?}")).collect();
        format!("[{}]", quoted.join(", "))
    };
    writeln!(out, "[[trust_anchor]]")?;
    writeln!(out, "name = {:?}", anchor.name)?;
    writeln!(out, "product_line = {:?}", anchor.product_line)?;
    writeln!(out, "id_prefix = \"{}\"", anchor.id_prefix)?;
    writeln!(out, "identity = \"{}\"", anchor.identity)?;
    writeln!(out, "admission = \"manifest\"")?;
    writeln!(out, "roots = {}", list(&anchor.roots))?;
    writeln!(out, "intermediates = {}", list(&anchor.intermediates))
}

/// What the configuration must say of the key.
fn describe_authority(out: &mut dyn Write, authority: &NewAuthority) -> io::Result<()> {
    writeln!(out, "[authority]")?;
    writeln!(out, "# Thumbprint {}", authority.thumbprint())?;
    writeln!(out, "key = {:?}", authority.key)?;
    writeln!(out, "epoch = {}", authority.epoch)?;
    writeln!(out, "not_before = \"{}\"", authority.not_before)?;
    writeln!(out, "not_after = \"{}\"", authority.not_after)
}

row! {
    /// A device that was issued a certificate.
    Issued {
        serial: String,
        device: String,
        hwmodel: String,
        key_thumbprint: String,
        certificate: String,
        key: String,
    }
}

fn device(args: &Device) -> Result<(), Failure> {
    let pki = DevPki::open(&args.dir)?;
    let serials = serials(&args.serial, args.count)?;
    let prefix = DevPki::anchor_config(&args.dir, AdmissionMode::Open).id_prefix;
    let progress = ProgressBar::new(u64::from(args.count));
    let mut issued = Vec::new();
    for serial in serials {
        let device = pki.issue_device(&serial, &args.hwmodel)?;
        let (certificate, key) = device.write(&pki.devices())?;
        issued.push(Issued {
            device: device_id(&prefix, serial.as_bytes()).to_string(),
            serial,
            hwmodel: args.hwmodel.clone(),
            key_thumbprint: device.key_thumbprint().to_string(),
            certificate: certificate.display().to_string(),
            key: key.display().to_string(),
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    output::print(args.output, &issued).or_unavailable(|| "cannot write the list".to_owned())
}

/// `count` serials from the first on, counting up in its last digits.
fn serials(first: &str, count: u32) -> Result<Vec<String>, Failure> {
    if count == 1 {
        return Ok(vec![first.to_owned()]);
    }
    let stem = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &first[stem.len()..];
    let width = digits.len();
    let start: u64 = digits.parse().map_err(|_| {
        Failure::input(anyhow::anyhow!(
            "the serial {first:?} ends in no number that could count up, as SN-0001 does"
        ))
    })?;
    Ok((start..start.saturating_add(u64::from(count)))
        .map(|number| format!("{stem}{number:0width$}"))
        .collect())
}

impl From<PkiError> for Failure {
    fn from(cause: PkiError) -> Self {
        match cause {
            PkiError::Io { .. } => Self::Unavailable(cause.into()),
            PkiError::Serial(_)
            | PkiError::ServerName(_)
            | PkiError::NotAKey { .. }
            | PkiError::KeySet(_) => Self::input(cause),
            _ => Self::refused(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn serials_count_up_in_their_last_digits() {
        assert_eq!(
            serials("SN-0099", 3).unwrap(),
            ["SN-0099", "SN-0100", "SN-0101"]
        );
        assert_eq!(serials("9", 2).unwrap(), ["9", "10"]);
        assert_eq!(serials("A1B", 1).unwrap(), ["A1B"]);
        assert!(serials("A1B", 2).is_err());
    }
}
