//! `fleetgrant serve`: the gateway.

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Global};
use crate::clock::Clock;
use crate::gateway::{Gateway, StartError, WithBroker};
use crate::store::SchemaPolicy;

/// Serve devices until SIGINT or SIGTERM
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Leave the embedded broker to `fleetgrant broker`, in a process of its own
    #[arg(long)]
    without_broker: bool,
    /// Run missing migrations before serving, instead of refusing to start
    #[arg(long)]
    migrate: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let (config, _telemetry) = global.start()?;
    let runtime = Runtime::new().map_err(Failure::unavailable)?;
    let schema = if args.migrate {
        SchemaPolicy::Migrate
    } else {
        SchemaPolicy::Require
    };
    let with_broker = if args.without_broker {
        WithBroker::No
    } else {
        WithBroker::IfConfigured
    };
    runtime.block_on(async {
        let gateway = Gateway::start(&config, schema, with_broker, Clock::system()).await?;
        tracing::info!(realm = %config.realm, broker = %config.broker.address, "serving");
        interrupted().await.map_err(Failure::unavailable)?;
        tracing::info!("stopping");
        gateway.stop().await;
        Ok(())
    })
}

/// Resolves when the process is told to stop.
pub(super) async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Database(cause) => Self::database(cause),
            StartError::Broker(_) | StartError::Threads(_) => Self::unavailable(error),
            _ => Self::config(error),
        }
    }
}
