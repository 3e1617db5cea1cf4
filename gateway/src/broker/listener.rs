//! Accepts TCP, does the TLS handshake and learns whose connection it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::BrokerConfig;
use super::access::AccessList;
use super::auth::ConnectionAuth;
use super::engine::Connections;
use crate::clock::Clock;
use crate::identity::{PeerIdentity, PeerVerifier};

/// How long connections may take to end when the broker stops.
const DRAIN: Duration = Duration::from_secs(3);

/// How long to wait after a failed accept: it fails when descriptors run out, and goes on failing
/// until some connection closes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Counts a peer, a subscription or a message that was turned away.
pub(super) fn refused(reason: &'static str) {
    metrics::counter!("fleetgrant_broker_refused_total", "reason" => reason).increment(1);
}

/// The accept loop of a running broker.
#[derive(Debug)]
pub(super) struct Listener {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Listener {
    pub(super) fn spawn(
        socket: TcpListener,
        tls: Arc<ServerConfig>,
        config: &BrokerConfig,
        mqtt: Connections,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let accept = Accept {
            door: Arc::new(Door {
                tls: TlsAcceptor::from(tls),
                handshake_timeout: config.limits.handshake_timeout,
                peers: Arc::clone(&config.peers),
                clock: config.clock.clone(),
                access: Arc::new(AccessList::new(&config.topics)),
                mqtt,
                shutdown: broadcast::channel(1).0,
            }),
            handshakes: Arc::new(Semaphore::new(config.limits.max_handshakes)),
            max_connections: config.limits.max_connections,
        };
        Self {
            stop: Some(stop),
            task: tokio::spawn(accept.run(socket, stopped)),
        }
    }

    pub(super) async fn stop(mut self) {
        // Nothing to stop if the loop has panicked.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Dropping the loop drops its set of tasks, which aborts them.
        self.task.abort();
    }
}

struct Accept {
    door: Arc<Door>,
    handshakes: Arc<Semaphore>,
    max_connections: usize,
}

impl Accept {
    async fn run(self, socket: TcpListener, mut stopped: oneshot::Receiver<()>) {
        let connections_gauge = metrics::gauge!("fleetgrant_broker_connections");
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                Some(_) = connections.join_next() => {}
                (permit, accepted) = self.next_peer(&socket) => match accepted {
                    Ok((stream, address)) if connections.len() < self.max_connections => {
                        connections.spawn(Arc::clone(&self.door).serve(stream, address, permit));
                    }
                    Ok((_, address)) => {
                        refused("too-many-connections");
                        tracing::warn!(%address, limit = self.max_connections,
                            "connection closed: the broker is full");
                    }
                    Err(error) => {
                        refused("accept");
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
            connections_gauge.set(gauge_value(connections.len()));
        }
        drop(socket);
        // Nobody may listen any more, which is as good as having been told.
        let _ = self.door.shutdown.send(());
        let drained = timeout(DRAIN, async {
            while connections.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!(
                left = connections.len(),
                "connections cut at the broker's stop"
            );
            connections.shutdown().await;
        }
        connections_gauge.set(0.0);
    }

    /// Takes the right to a handshake first, so that a peer beyond the limit waits in the kernel
    /// with its five seconds unspent: after an outage a whole fleet knocks at once.
    async fn next_peer(
        &self,
        socket: &TcpListener,
    ) -> (
        OwnedSemaphorePermit,
        std::io::Result<(TcpStream, SocketAddr)>,
    ) {
        let permit = Arc::clone(&self.handshakes)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        (permit, socket.accept().await)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
const fn gauge_value(count: usize) -> f64 {
    count as f64
}

/// What every peer passes on its way in.
struct Door {
    tls: TlsAcceptor,
    handshake_timeout: Duration,
    peers: Arc<PeerVerifier>,
    clock: Clock,
    access: Arc<AccessList>,
    mqtt: Connections,
    shutdown: broadcast::Sender<()>,
}

impl Door {
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        handshake: OwnedSemaphorePermit,
    ) {
        // Before the handshake, so that a stop in the middle of it is not missed.
        let shutdown = self.shutdown.subscribe();
        let Some((stream, peer)) = self.admit(stream, address).await else {
            return;
        };
        drop(handshake);
        metrics::counter!("fleetgrant_broker_connections_total", "peer" => kind(&peer))
            .increment(1);
        tracing::debug!(?peer, %address, "connected");
        let auth = Arc::new(ConnectionAuth {
            peer: peer.clone(),
            access: Arc::clone(&self.access),
        });
        let mqtt = self.mqtt.clone();
        drop(self);
        match mqtt.serve(stream, address, auth, shutdown).await {
            Ok(()) => tracing::debug!(?peer, %address, "disconnected"),
            Err(error) => tracing::debug!(?peer, %address, %error, "disconnected"),
        }
    }

    /// The TLS handshake, and the identity in the certificate that it verified.
    async fn admit(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(TlsStream<TcpStream>, PeerIdentity)> {
        // With Nagle's algorithm on, a round trip takes 40 ms: each side waits for the other's
        // delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%address, %error, "cannot turn off Nagle's algorithm");
        }
        let stream = match timeout(self.handshake_timeout, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                refused("tls");
                tracing::info!(%address, %error, "TLS handshake refused");
                return None;
            }
            Err(_) => {
                refused("handshake-timeout");
                tracing::debug!(%address, "no TLS handshake in time");
                return None;
            }
        };
        // Once more, from the cache: TLS says that the chain was verified, not for whom; and a
        // resumed session brings along a chain that was verified in another handshake.
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        match self.peers.identify(chain, self.clock.now()) {
            Ok(peer) => Some((stream, peer)),
            Err(reason) => {
                refused("identity");
                tracing::info!(%address, %reason, "the certificate of a resumed session is refused");
                None
            }
        }
    }
}

const fn kind(peer: &PeerIdentity) -> &'static str {
    match peer {
        PeerIdentity::Device(_) => "device",
        PeerIdentity::Role(_) => "role",
    }
}
