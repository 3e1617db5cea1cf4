//! `fleetgrant pki roots`: the offline roots.

use std::io::Write as _;
use std::path::PathBuf;

use super::super::stdout::stdout;
use super::super::{Failure, OrUnavailable};
use crate::pki::make_roots;

/// Make the two offline roots, which sign key sets
///
/// Make them on a machine without a network, keep root-1.key and root-2.key in two places, and
/// build root-1.pub and root-2.pub into the firmware. Neither is ever given to the gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to make them in
    #[arg(long, default_value = "roots")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let roots = make_roots(&args.dir)?;
    let mut out = stdout();
    for root in roots {
        writeln!(
            out,
            "{} (key id {}); devices pin {}",
            root.key.display(),
            root.kid,
            root.public.display()
        )
        .or_unavailable(|| "cannot write what was made".to_owned())?;
    }
    Ok(())
}
