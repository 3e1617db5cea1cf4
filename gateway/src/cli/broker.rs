//! `fleetgrant broker`: the embedded broker in a process of its own.

use std::sync::Arc;

use tokio::runtime::Runtime;

use super::until::Until;
use super::{Failure, Global};
use crate::broker::EmbeddedBroker;
use crate::clock::Clock;
use crate::gateway::{StartError, broker_config, device_verifier};

/// Run the embedded broker in a process of its own, for `serve --without-broker`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    until: Until,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let (config, _telemetry) = global.start()?;
    let runtime = Runtime::new().map_err(Failure::unavailable)?;
    runtime.block_on(async {
        let verifier = Arc::new(device_verifier(&config)?);
        let Some(broker) = broker_config(&config, &verifier, &Clock::system())? else {
            return Err(Failure::config(anyhow::anyhow!(
                "broker.mode is \"external\": there is no embedded broker to run; set it to \
                 \"embedded\", or start the broker that it means"
            )));
        };
        let shutdown = async {
            // Without signals the process can still be killed.
            let _ = args.until.over().await;
        };
        EmbeddedBroker::run(broker, shutdown)
            .await
            .map_err(|error| StartError::Broker(error).into())
    })
}
