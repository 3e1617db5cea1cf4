//! What the embedded broker needs to be told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleetgrant_schemas::limits;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::clock::Clock;
use crate::crypto::tls_provider;
use crate::identity::PeerVerifier;
use crate::mqtt::{PACKET_OVERHEAD, TopicSpace};

/// Everything a broker needs to start.
pub struct BrokerConfig {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The broker's certificate and its chain, leaf first.
    pub certificate: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// Says whom a client's certificate stands for, and refuses the others.
    pub peers: Arc<PeerVerifier>,
    /// The clock that certificates are judged by.
    pub clock: Clock,
    /// The topics the access list speaks of.
    pub topics: TopicSpace,
    /// What one broker bears.
    pub limits: BrokerLimits,
    /// Where sessions and queued messages live.
    pub storage: BrokerStorage,
}

impl std::fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerConfig")
            .field("listen", &self.listen)
            .field("topics", &self.topics)
            .field("limits", &self.limits)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl BrokerConfig {
    /// TLS that requires a client certificate and judges it like the message wall does.
    pub(super) fn tls(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let config = ServerConfig::builder_with_provider(tls_provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(&self.peers) as _)
            .with_single_cert(self.certificate.clone(), self.key.clone_key())?;
        Ok(Arc::new(config))
    }
}

/// Where sessions and queued messages live. Nothing of the protocol depends on them surviving:
/// a device repeats its message until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerStorage {
    /// In memory: a stopped broker has forgotten everything.
    Memory,
    /// In files below a folder, which belongs to one broker at a time. A clean stop keeps
    /// everything; a crash may lose the last quarter of a second.
    Directory(PathBuf),
}

/// Capacities of one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Connections at a time; one more is closed before its TLS handshake.
    pub max_connections: usize,
    /// TLS handshakes at a time; further peers wait in the kernel's backlog.
    pub max_handshakes: usize,
    /// How long a peer may take for its TLS handshake.
    pub handshake_timeout: Duration,
    /// The largest MQTT packet, in bytes; at least 1,024.
    pub max_packet: usize,
    /// The longest a session outlives its connection.
    pub session_expiry: Duration,
    /// Messages that wait for one client; the oldest make room.
    pub max_queued_messages: usize,
    /// Bytes that wait for one client.
    pub max_queued_bytes: usize,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            max_handshakes: 512,
            handshake_timeout: Duration::from_secs(5),
            max_packet: limits::MAX_UP + PACKET_OVERHEAD,
            session_expiry: Duration::from_secs(86_400),
            max_queued_messages: 10_000,
            max_queued_bytes: 64 * 1024 * 1024,
        }
    }
}
