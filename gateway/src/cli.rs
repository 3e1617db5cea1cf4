//! The command line: what it accepts, and what it answers.
//!
//! Data goes to standard output, everything else to standard error. The exit code says what kind
//! of end it was, so that a script can tell; `--help` lists them.

mod activations;
mod broker;
mod campaigns;
mod cases;
mod co_term;
mod codes;
mod completions;
mod contract_list;
mod contracts;
mod devices;
mod doctor;
mod entitlement_acts;
mod entitlements;
mod factory;
mod failure;
mod history;
mod import;
mod inspect;
mod keys;
mod ledger;
mod load;
mod message_file;
mod migrate;
mod migration;
mod models;
mod offline;
mod order_acts;
mod orders;
mod outage;
mod output;
mod own_policies;
mod parties;
mod pki;
mod policies;
mod policy_overrides;
mod preview;
mod products;
mod quickstart;
mod remote;
mod report;
mod scale;
mod serve;
mod shipments;
mod skus;
mod stdout;
mod temporary;
mod until;
mod webhooks;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use fleetgrant_core::domain::ActReason;

use crate::config::{self, Config, ConfigError, LogFormat, Overrides};
use crate::telemetry::{self, Telemetry};
pub(crate) use failure::{Failure, OrUnavailable};
use remote::Remote;

/// The entitlement gateway for device fleets.
#[derive(Debug, Parser)]
#[command(name = "fleetgrant", version, propagate_version = true, after_help = failure::EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command accepts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// The configuration [default: the first of ./fleetgrant.toml and ./data/fleetgrant.toml]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "FLEETGRANT_CONFIG"
    )]
    config: Option<PathBuf>,
    /// Sets a key over the file and the environment, as --set broker.address=host:8883
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Works on the gateway at this address, over HTTP, instead of on the local database [env:
    /// FLEETGRANT_SERVER]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "local")]
    server: Option<String>,
    /// The roots that its certificate chains to [default: those of the system] [env:
    /// FLEETGRANT_SERVER_CA]
    #[arg(long, global = true, value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// A file with the key to ask it with, which nobody else may read [env: FLEETGRANT_KEY_FILE, or the
    /// key itself in FLEETGRANT_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// What the request to it is called: the same again under the same name is done once
    #[arg(long, global = true, value_name = "NAME")]
    idempotency_key: Option<String>,
    /// Why it is done, for the history: at most 256 characters
    #[arg(long, global = true, value_name = "TEXT")]
    reason: Option<ActReason>,
    /// Works on the local database, whatever the environment and the configuration say
    #[arg(long, global = true)]
    local: bool,
    /// The form of log lines
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// What is logged, as info or info,fleetgrant=debug
    #[arg(long, global = true, value_name = "FILTER")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Quickstart(quickstart::Args),
    Serve(serve::Args),
    Broker(broker::Args),
    Load(load::Args),
    Scale(scale::Args),
    Migrate(migrate::Args),
    Import(import::Args),
    Parties(parties::Args),
    Orders(orders::Args),
    Shipments(shipments::Args),
    Devices(devices::Args),
    Entitlements(entitlements::Args),
    Activations(activations::Args),
    Models(models::Args),
    Products(products::Args),
    Skus(skus::Args),
    Contracts(contract_list::Args),
    Policies(policies::Args),
    Campaigns(campaigns::Args),
    Cases(cases::Args),
    Outage(outage::Args),
    Factory(factory::Args),
    Migration(migration::Args),
    Codes(codes::Args),
    Offline(offline::Args),
    Inspect(inspect::Args),
    Report(report::Args),
    History(history::Args),
    Keys(keys::Args),
    Webhooks(webhooks::Args),
    Doctor(doctor::Args),
    Pki(pki::Args),
    Completions(completions::Args),
}

impl Command {
    /// Whether it has to do with what is on this machine alone.
    const fn is_of_this_machine(&self) -> bool {
        matches!(
            self,
            Self::Quickstart(_)
                | Self::Serve(_)
                | Self::Broker(_)
                | Self::Load(_)
                | Self::Scale(_)
                | Self::Migrate(_)
                | Self::Offline(_)
                | Self::Inspect(_)
                | Self::Doctor(_)
                | Self::Pki(_)
                | Self::Completions(_)
        )
    }
}

/// What shells report of a program that a closed pipe ended: 128 + SIGPIPE.
const UNREAD: u8 = 141;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let outcome = match command {
        _ if global.server.is_some() && command.is_of_this_machine() => {
            Err(Failure::LocalOnly(global.server.unwrap_or_default()))
        }
        Command::Quickstart(args) => quickstart::run(&args),
        Command::Serve(args) => serve::run(&global, &args),
        Command::Broker(args) => broker::run(&global, &args),
        Command::Load(args) => load::run(&args),
        Command::Scale(args) => scale::run(&args),
        Command::Import(args) => import::run(&global, &args),
        Command::Parties(args) => parties::run(&global, &args),
        Command::Orders(args) => orders::run(&global, &args),
        Command::Shipments(args) => shipments::run(&global, &args),
        Command::Devices(args) => devices::run(&global, &args),
        Command::Entitlements(args) => entitlements::run(&global, &args),
        Command::Activations(args) => activations::run(&global, &args),
        Command::Migrate(args) => migrate::run(&global, &args),
        Command::Campaigns(args) => campaigns::run(&global, &args),
        Command::Cases(args) => cases::run(&global, &args),
        Command::Outage(args) => outage::run(&global, &args),
        Command::Factory(args) => factory::run(&global, &args),
        Command::Codes(args) => codes::run(&global, &args),
        Command::Migration(args) => migration::run(&global, &args),
        Command::Models(args) => models::run(&global, &args),
        Command::Products(args) => products::run(&global, &args),
        Command::Skus(args) => skus::run(&global, &args),
        Command::Contracts(args) => contract_list::run(&global, &args),
        Command::Policies(args) => policies::run(&global, &args),
        Command::Offline(args) => offline::run(&global, &args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Report(args) => report::run(&global, &args),
        Command::History(args) => history::run(&global, &args),
        Command::Keys(args) => keys::run(&global, &args),
        Command::Webhooks(args) => webhooks::run(&global, &args),
        Command::Doctor(args) => doctor::run(&global, &args),
        Command::Pki(args) => pki::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_unread() => ExitCode::from(UNREAD),
        Err(failure) => {
            // Nothing is left to tell when standard error is closed.
            let _ = write!(io::stderr(), "{failure}");
            failure.exit_code()
        }
    }
}

/// Tells a person something that is no data.
fn note(text: &str) {
    // Nothing is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

impl Global {
    /// The configuration this command runs with.
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), &self.overrides()?)
    }

    fn overrides(&self) -> Result<Overrides, ConfigError> {
        let mut overrides = Overrides::none();
        for pair in &self.set {
            overrides = overrides.parse(pair)?;
        }
        if let Some(format) = self.log_format {
            overrides = overrides.set("log.format", format.as_str());
        }
        if let Some(level) = &self.log_level {
            overrides = overrides.set("log.level", level);
        }
        Ok(overrides)
    }

    /// The gateway to work on, and what the configuration says of it; none: the local database.
    fn server(&self) -> Result<Option<(String, config::Remote)>, ConfigError> {
        if self.local {
            return Ok(None);
        }
        let told = self.server.clone().or_else(|| {
            let told = std::env::var("FLEETGRANT_SERVER").ok();
            told.filter(|server| !server.is_empty())
        });
        let config = config::Remote::load(self.config.as_deref(), &self.overrides()?)?;
        let server = told.or_else(|| config.server.clone());
        Ok(server.map(|server| (server, config)))
    }

    fn server_ca(&self) -> Option<PathBuf> {
        let told = || std::env::var_os("FLEETGRANT_SERVER_CA").map(PathBuf::from);
        self.server_ca.clone().or_else(told)
    }

    fn key_file(&self) -> Option<PathBuf> {
        let told = || std::env::var_os("FLEETGRANT_KEY_FILE").map(PathBuf::from);
        self.key_file.clone().or_else(told)
    }

    /// The configuration, with logs and metrics started as it says.
    fn start(&self) -> Result<(Config, Telemetry), Failure> {
        let config = self.load()?;
        let telemetry = telemetry::init(&config.log).map_err(Failure::config)?;
        Ok((config, telemetry))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    /// The arguments below a command that its help leaves unexplained.
    fn unexplained(command: &clap::Command, found: &mut Vec<String>) {
        let silent = command
            .get_arguments()
            .filter(|arg| arg.get_help().is_none());
        found.extend(silent.map(|arg| format!("{} {arg}", command.get_name())));
        for below in command.get_subcommands() {
            unexplained(below, found);
        }
    }

    #[test]
    fn every_argument_has_its_help() {
        let mut command = Cli::command();
        command.build();
        let mut found = Vec::new();
        unexplained(&command, &mut found);
        found.retain(|arg| !arg.starts_with("help "));
        assert!(found.is_empty(), "without help: {found:#?}");
    }
}
