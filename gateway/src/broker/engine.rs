//! The `mqtt5` broker: sessions, routing and storage, without its listeners.
//!
//! Its TLS listener finishes one handshake before it accepts the next, so that one idle peer
//! blocks all others, and its certificate provider loses the identity. Both are ours; what is
//! used of it is the router, the storage and `ClientHandler`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::MqttBroker;
use mqtt5::broker::auth::AuthProvider;
use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::config::{BrokerConfig as Mqtt5Config, StorageBackend, StorageConfig};
use mqtt5::broker::resource_monitor::ResourceMonitor;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::server::BrokerShutdownHandle;
use mqtt5::broker::storage::DynamicStorage;
use mqtt5::broker::sys_topics::BrokerStats;
use mqtt5::broker::tls_acceptor::TlsStreamWrapper;
use mqtt5::broker::transport::BrokerTransport;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;

use super::auth::DenyEverybody;
use super::{BrokerConfig, BrokerError, BrokerStorage};

/// How long the storage may take to be written out.
const FLUSH: Duration = Duration::from_secs(10);

/// A running `mqtt5` broker.
pub(super) struct Engine {
    connections: Connections,
    shutdown: BrokerShutdownHandle,
    run: JoinHandle<()>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// What each connection shares with the broker.
#[derive(Clone)]
pub(super) struct Connections {
    config: Arc<Mqtt5Config>,
    router: Arc<MessageRouter>,
    storage: Option<Arc<DynamicStorage>>,
    stats: Arc<BrokerStats>,
    resources: Arc<ResourceMonitor>,
}

impl Engine {
    pub(super) async fn start(config: &BrokerConfig) -> Result<Self, BrokerError> {
        let config = mqtt5_config(config);
        let mut broker = MqttBroker::with_config(config.clone())
            .await
            .map_err(BrokerError::Engine)?
            .with_auth_provider(Arc::new(DenyEverybody));
        let connections = Connections {
            config: Arc::new(config),
            router: broker.router(),
            storage: broker.storage(),
            stats: broker.stats(),
            resources: broker.resource_monitor(),
        };
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let run = tokio::spawn(async move {
            if let Err(error) = Box::pin(broker.run()).await {
                tracing::error!(%error, "the embedded broker failed");
            }
        });
        let engine = Self {
            connections,
            shutdown,
            run,
        };
        // The sender is dropped without a word when recovery of the stored sessions fails.
        match ready.wait_for(|ready| *ready).await {
            Ok(_) => Ok(engine),
            Err(_) => Err(BrokerError::Ended),
        }
    }

    pub(super) fn connections(&self) -> Connections {
        self.connections.clone()
    }

    pub(super) async fn ended(&mut self) {
        // The task ends the same whether it returned or panicked, and both were logged.
        let _ = (&mut self.run).await;
    }

    pub(super) async fn stop(mut self) {
        self.shutdown.shutdown();
        if tokio::time::timeout(FLUSH, self.ended()).await.is_err() {
            tracing::warn!("the embedded broker's storage was not written out in time");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl Connections {
    /// Serves one authenticated connection until it ends.
    pub(super) async fn serve(
        self,
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
        auth: Arc<dyn AuthProvider>,
        shutdown: broadcast::Receiver<()>,
    ) -> mqtt5::Result<()> {
        let transport = BrokerTransport::tls(TlsStreamWrapper::new(stream));
        let handler = ClientHandler::new(
            transport,
            address,
            self.config,
            self.router,
            auth,
            self.storage,
            self.stats,
            self.resources,
            shutdown,
        );
        Box::pin(handler.run()).await
    }
}

fn mqtt5_config(config: &BrokerConfig) -> Mqtt5Config {
    let limits = &config.limits;
    let (backend, base_dir) = match &config.storage {
        BrokerStorage::Memory => (StorageBackend::Memory, std::path::PathBuf::new()),
        BrokerStorage::Directory(folder) => (StorageBackend::File, folder.clone()),
    };
    Mqtt5Config {
        bind_addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        max_clients: limits.max_connections,
        session_expiry_interval: limits.session_expiry,
        max_packet_size: limits.max_packet,
        topic_alias_maximum: 0,
        // The flag is announced but not enforced, so the sizes below enforce it: nothing of more
        // than one byte is retained, and one topic at most.
        retain_available: false,
        max_retained_messages: 1,
        max_retained_message_size: 1,
        maximum_qos: 1,
        max_subscriptions_per_client: 8,
        // Bounds the gateway's window as well: it commits in groups, and 64, the default, would
        // be its largest group. What a device is sent at a time is its own Receive Maximum.
        max_outbound_inflight: 1_024,
        client_channel_capacity: 4_096,
        server_receive_maximum: Some(1_024),
        storage_config: StorageConfig {
            backend,
            base_dir,
            enable_persistence: true,
            cleanup_interval: Duration::from_secs(600),
            max_queued_messages_per_client: limits.max_queued_messages,
            max_queued_bytes_per_client: limits.max_queued_bytes,
        },
        sys_topics_enabled: false,
        ..Mqtt5Config::default()
    }
}
