//! `fleetgrant serve`: the gateway.

use std::net::SocketAddr;

use tokio::runtime::Runtime;

use super::until::Until;
use super::{Failure, Global};
use crate::access::OidcVerifier;
use crate::clock::Clock;
use crate::config::{Config, Http};
use crate::gateway::{Gateway, StartError, WithBroker};
use crate::http::{Api, ApiParts, BindError, HttpListener, HttpServer};
use crate::store::SchemaPolicy;
use crate::telemetry::Telemetry;

/// Serve devices until SIGINT or SIGTERM
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Leave the embedded broker to `fleetgrant broker`, in a process of its own
    #[arg(long)]
    without_broker: bool,
    /// Run missing migrations before serving, instead of refusing to start
    #[arg(long)]
    migrate: bool,
    #[command(flatten)]
    until: Until,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let (config, telemetry) = global.start()?;
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
        let clock = Clock::system();
        let http = Bound::bind(&config).await?;
        let gateway = Gateway::start(&config, schema, with_broker, clock.clone()).await?;
        tokio::spawn(telemetry.clone().keep_up());
        let http = http.map(|http| http.serve(&gateway, clock, telemetry));
        tracing::info!(realm = %config.realm, broker = %config.broker.address, "serving");
        args.until.over().await.map_err(Failure::unavailable)?;
        tracing::info!("stopping");
        if let Some(http) = http {
            http.stop().await;
        }
        gateway.stop().await;
        Ok(())
    })
}

/// The HTTP API, its address taken before anything else starts.
pub(super) struct Bound<'a> {
    config: &'a Config,
    http: &'a Http,
    listener: HttpListener,
    people: Option<OidcVerifier>,
}

impl<'a> Bound<'a> {
    /// Takes the address, if the configuration has one.
    pub(super) async fn bind(config: &'a Config) -> Result<Option<Self>, Failure> {
        let Some(http) = &config.http else {
            return Ok(None);
        };
        Ok(Some(Self {
            config,
            http,
            listener: HttpListener::bind(http).await?,
            people: match &http.oidc {
                Some(oidc) => Some(OidcVerifier::new(oidc).map_err(Failure::config)?),
                None => None,
            },
        }))
    }

    /// The address that was taken.
    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Answers requests from a running gateway.
    pub(super) fn serve(self, gateway: &Gateway, clock: Clock, telemetry: Telemetry) -> HttpServer {
        tracing::info!(address = %self.local_addr(), "the HTTP API answers");
        let parts = ApiParts {
            store: gateway.store().clone(),
            link: gateway.link(),
            rules: gateway.rules(),
            product_lines: self.config.product_lines(),
            time_zone: self.config.time_zone.clone(),
            clock,
            telemetry,
            people: self.people,
            webhooks: gateway.webhooks().clone(),
            reports: self.config.reports,
            signing: Some(gateway.signing().clone()),
        };
        self.listener.serve(Api::new(parts, self.http.key))
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::unavailable(error)
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
