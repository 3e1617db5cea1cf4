//! `fleetgrant pki keys`: a key set, signed by a root.

use std::io::{self, Write as _};
use std::path::PathBuf;

use fleetgrant_schemas::keys::{AuthorityKey, Role};
use fleetgrant_schemas::limits;

use super::super::stdout::stdout;
use super::super::{Failure, OrUnavailable};
use crate::clock::Clock;
use crate::pki::{KeySetContent, read_public_key, sign_key_set};

/// Sign a key set: which keys of the authority devices trust from now on
///
/// It replaces the set before as a whole. Name the key that the gateway signs with, and the one it
/// follows for as long as devices may still get what that one signed. See docs/key-rollover.md.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The root that signs
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// The realm
    #[arg(long)]
    realm: String,
    /// Greater than that of every key set before; the first is 1
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    generation: u32,
    /// A key that signs grants and notices: its public half, its epoch, and from when until when
    /// it is valid, as pki/authority.pub,1,2026-01-01T00:00:00Z,2027-01-01T00:00:00Z
    #[arg(long, value_name = "FILE,EPOCH,FROM,UNTIL", required = true)]
    grants: Vec<KeyArgument>,
    /// A key that signs notices only
    #[arg(long, value_name = "FILE,EPOCH,FROM,UNTIL")]
    notices: Vec<KeyArgument>,
    /// The public half of a root that is never to be trusted again
    #[arg(long, value_name = "FILE")]
    retire: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "keys.cbor")]
    out: PathBuf,
}

/// A key as it is named on the command line.
#[derive(Clone, Debug)]
struct KeyArgument {
    file: PathBuf,
    epoch: u32,
    not_before: u64,
    not_after: u64,
}

impl std::str::FromStr for KeyArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.rsplitn(4, ',').collect();
        let [until, from, epoch, file] = parts.as_slice() else {
            return Err("give FILE,EPOCH,FROM,UNTIL".to_owned());
        };
        let instant = |text: &str| {
            let instant: jiff::Timestamp = text
                .parse()
                .map_err(|_| format!("{text:?} is no instant, as 2026-01-31T00:00:00Z is"))?;
            u64::try_from(instant.as_second()).map_err(|_| format!("{text:?} is before 1970"))
        };
        Ok(Self {
            file: PathBuf::from(*file),
            epoch: epoch
                .parse()
                .map_err(|_| format!("{epoch:?} is no epoch, a whole number"))?,
            not_before: instant(from)?,
            not_after: instant(until)?,
        })
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let of = |named: &KeyArgument, role| -> Result<AuthorityKey, Failure> {
        Ok(AuthorityKey {
            key: read_public_key(&named.file)?,
            not_before: named.not_before,
            not_after: named.not_after,
            epoch: named.epoch,
            role,
        })
    };
    let mut keys = Vec::new();
    for named in &args.grants {
        keys.push(of(named, Role::Grants)?);
    }
    for named in &args.notices {
        keys.push(of(named, Role::Notices)?);
    }
    let mut retired = Vec::new();
    for root in &args.retire {
        retired.push(read_public_key(root)?.thumbprint().key_id());
    }
    let content = KeySetContent {
        realm: &args.realm,
        issued_at: Clock::system().now().seconds(),
        generation: args.generation,
        keys: &keys,
        retired: &retired,
    };
    let signed = sign_key_set(&args.root, &content)?;
    std::fs::write(&args.out, &signed)
        .or_unavailable(|| format!("cannot write {}", args.out.display()))?;
    writeln!(
        stdout(),
        "{}: generation {}, {} keys, {} bytes; name it as authority.key_set",
        args.out.display(),
        args.generation,
        keys.len(),
        signed.len()
    )
    .or_unavailable(|| "cannot write what was made".to_owned())?;
    if signed.len() > limits::MIN_DOWN {
        // A warning that cannot be written is no reason to fail: the key set is there.
        let _ = writeln!(
            io::stderr(),
            "warning: devices that read messages of {} bytes only, as some announce, will not get \
             it: each needs room for {} bytes (max_down). Fewer keys make it smaller",
            limits::MIN_DOWN,
            signed.len()
        );
    }
    Ok(())
}
