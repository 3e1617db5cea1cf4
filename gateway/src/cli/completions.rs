//! `fleetgrant completions`: what a shell needs to complete our commands.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::stdout::stdout;
use super::{Cli, Failure, OrUnavailable};

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fleetgrant", &mut script);
    stdout()
        .write_all(&script)
        .or_unavailable(|| "cannot write the completions".to_owned())
}
