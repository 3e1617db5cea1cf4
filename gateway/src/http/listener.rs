//! The socket, and the limits of its connections.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::{Api, ahead, head, router};
use crate::config::Http;

/// How long a connection may take for a head, or stay idle between two.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How old a connection gets before it is closed after the request under way.
const MAX_AGE: Duration = Duration::from_secs(300);
/// How long that request may take: a caller that never reads its answer is cut here.
const LAST_REQUEST: Duration = Duration::from_secs(60);
/// How long what is under way may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a request may take then that only reads, and so can be sent again.
const LAST_READ: Duration = Duration::from_millis(500);
/// The wait after the system could not accept, as when it has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP API cannot listen on {address}: {source}; {hint}", hint = hint(.source))]
pub struct BindError {
    /// The address of the configuration.
    address: SocketAddr,
    /// What the system said.
    source: io::Error,
}

/// A bound socket that nobody is answered on yet.
#[derive(Debug)]
pub struct HttpListener {
    socket: TcpListener,
    local_addr: SocketAddr,
    max_connections: usize,
}

/// A server that answers until it is stopped.
#[derive(Debug)]
pub struct HttpServer {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    ahead: Option<JoinHandle<()>>,
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "another process has this port: stop it, or set http.listen to another"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges: set http.listen to a higher one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: set http.listen to one it has"
        }
        _ => "set http.listen to another address",
    }
}

impl HttpListener {
    /// Takes the address, so that nothing else is started where it is taken.
    ///
    /// # Errors
    /// It is taken, or not this machine's.
    pub async fn bind(config: &Http) -> Result<Self, BindError> {
        let refused = |source| BindError {
            address: config.listen,
            source,
        };
        let socket = TcpListener::bind(config.listen).await.map_err(refused)?;
        let local_addr = socket.local_addr().map_err(refused)?;
        if !local_addr.ip().is_loopback() {
            tracing::warn!(
                %local_addr,
                "the HTTP API is reachable from elsewhere, and its keys cross the network in \
                 clear; put a proxy with TLS before it"
            );
        }
        Ok(Self {
            socket,
            local_addr,
            max_connections: config.max_connections.get(),
        })
    }

    /// The address that was bound, with the port the system chose if the configuration said 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers requests from now on.
    #[must_use]
    pub fn serve(self, api: Api) -> HttpServer {
        let (stop, stopped) = watch::channel(false);
        let ahead = api.parts.reports.ahead.map(|every| {
            let making = ahead::run(api.clone(), every, stopped.clone());
            tokio::spawn(making)
        });
        let accept = Accept {
            router: router(api),
            permits: Arc::new(Semaphore::new(self.max_connections)),
        };
        HttpServer {
            stop,
            accepting: tokio::spawn(accept.run(self.socket, stopped)),
            ahead,
        }
    }
}

impl HttpServer {
    /// Accepts nobody any more, and lets what is under way end.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A task that panicked has said so, and has nothing left to stop.
        let _ = self.accepting.await;
        if let Some(ahead) = self.ahead {
            let _ = ahead.await;
        }
    }
}

/// Tells a request that the server stops.
#[derive(Clone, Debug)]
pub(super) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Resolves when what only reads has to end.
    pub(super) async fn over(mut self) {
        until_stopped(&mut self.0).await;
        tokio::time::sleep(LAST_READ).await;
    }
}

#[derive(Clone)]
struct Accept {
    router: Router,
    permits: Arc<Semaphore>,
}

impl Accept {
    async fn run(self, socket: TcpListener, mut stopped: watch::Receiver<bool>) {
        let stopping = stopped.clone();
        let mut connections = JoinSet::new();
        loop {
            // Who comes when all connections are taken waits in the system's queue.
            tokio::select! {
                (permit, accepted) = self.next(&socket) => match accepted {
                    Ok(stream) => {
                        connections.spawn(self.clone().converse(stream, permit, stopping.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                () = until_stopped(&mut stopped) => break,
            }
        }
        drop(socket);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, all_ended).await.is_err() {
            tracing::warn!("requests were still under way; they were cut");
        }
    }

    async fn next(&self, socket: &TcpListener) -> (OwnedSemaphorePermit, io::Result<TcpStream>) {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        (permit, socket.accept().await.map(|(stream, _)| stream))
    }

    async fn converse(
        self,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        mut stopped: watch::Receiver<bool>,
    ) {
        // An answer goes out when it is there; a failure shows when it is written to.
        let _ = stream.set_nodelay(true);
        let stopping = Stopping(stopped.clone());
        let service =
            self.router
                .map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(stopping.clone());
                    request.map(Body::new)
                });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_headers(head::READ_FIELDS)
                .max_buf_size(head::READ)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = timeout(MAX_AGE, until_stopped(&mut stopped)) => {
                connection.as_mut().graceful_shutdown();
                timeout(LAST_REQUEST, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
        drop(permit);
    }
}

async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    // An error is a server that was dropped: it stops too.
    let _ = stopped.wait_for(|stop| *stop).await;
}
