//! The embedded MQTT 5 broker: the first wall, behind an interface of our own.
//!
//! Mutual TLS is required of everybody, the certificate's identity is bound to the connection,
//! and an access list gives each device its own five topics and nothing else. Behind the listener
//! stands the `mqtt5` crate, of which nothing shows outside this module. The gateway does not
//! trust this broker more than any other: what a device says is believed for its signature.

mod access;
mod auth;
mod config;
mod engine;
mod listener;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

pub use config::{BrokerConfig, BrokerLimits, BrokerStorage};

use engine::Engine;
use listener::Listener;

/// Starts brokers.
#[derive(Debug)]
pub struct EmbeddedBroker;

/// A broker that accepts connections until it is stopped. Dropping it cuts every connection and
/// keeps nothing that was not yet written; [`RunningBroker::stop`] is the clean way.
#[derive(Debug)]
pub struct RunningBroker {
    local_addr: SocketAddr,
    listener: Listener,
    engine: Engine,
}

/// Why a broker did not start, or ended on its own.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address cannot be listened on.
    #[error("the broker cannot listen on {address}: {source}; {hint}", hint = bind_hint(.source))]
    Bind {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The broker's own certificate cannot be used.
    #[error(
        "the broker's certificate cannot be used: {0}; check that it is PEM, that the key is its own, and that the leaf comes first"
    )]
    Certificate(#[source] rustls::Error),
    /// The broker behind the listener refused its configuration or its storage.
    #[error(
        "the embedded broker did not start: {0}; check that its data folder can be written and that no other process uses it"
    )]
    Engine(#[source] mqtt5::MqttError),
    /// The broker behind the listener ended without being asked to.
    #[error("the embedded broker ended unexpectedly; restart it, the devices repeat what was lost")]
    Ended,
}

fn bind_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "another process has this port: stop it, or configure another",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges: configure a higher one"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: configure one it has",
        _ => "configure another address",
    }
}

impl EmbeddedBroker {
    /// Starts a broker and returns once it accepts connections.
    ///
    /// # Errors
    /// When the address cannot be bound or the storage cannot be opened.
    pub async fn start(config: BrokerConfig) -> Result<RunningBroker, BrokerError> {
        let tls = config.tls().map_err(BrokerError::Certificate)?;
        let bind = |source| BrokerError::Bind {
            address: config.listen,
            source,
        };
        let socket = TcpListener::bind(config.listen).await.map_err(bind)?;
        let local_addr = socket.local_addr().map_err(bind)?;
        let engine = Engine::start(&config).await?;
        let listener = Listener::spawn(socket, tls, &config, engine.connections());
        tracing::info!(%local_addr, "the embedded broker accepts connections");
        Ok(RunningBroker {
            local_addr,
            listener,
            engine,
        })
    }

    /// Runs a broker until `shutdown` resolves: the body of a process that is nothing else.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::start`], and when the broker ends on its own.
    pub async fn run(
        config: BrokerConfig,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), BrokerError> {
        let mut broker = Self::start(config).await?;
        tokio::select! {
            () = shutdown => {
                broker.stop().await;
                Ok(())
            }
            () = broker.ended() => Err(BrokerError::Ended),
        }
    }
}

impl RunningBroker {
    /// The address that was bound, with the port the system chose if the configuration said 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Resolves when the broker ends without [`RunningBroker::stop`], which it never should.
    pub async fn ended(&mut self) {
        self.engine.ended().await;
    }

    /// Tells every client that the server shuts down, closes the connections and, with
    /// [`BrokerStorage::Directory`], writes sessions and queued messages out. Takes milliseconds;
    /// a connection that does not end is cut after a few seconds.
    pub async fn stop(self) {
        // The handlers hand what is undelivered back to the session queues when they end, so
        // they go first and the storage is flushed after.
        self.listener.stop().await;
        self.engine.stop().await;
        tracing::info!("the embedded broker stopped");
    }
}
