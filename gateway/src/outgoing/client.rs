//! The client: one for each part that asks, with limits of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

use super::{Reach, Target};
use crate::crypto::tls_provider;
use crate::tls::{self, TlsError};

/// How long a connection may take before another address is tried.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Who asks.
const AGENT: &str = concat!("fleetgrant/", env!("CARGO_PKG_VERSION"));

/// Asks others. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outgoing {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    timeout: Duration,
    longest: usize,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// Whether that is all of it.
    pub is_whole: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The address could not be reached, or does not speak HTTP.
    #[error("{0}")]
    Failed(String),
    /// It took too long.
    #[error("there was no answer within {} s", .0.as_secs())]
    TooSlow(Duration),
}

impl Outgoing {
    /// Asks within `reach`. Certificates must chain to the roots in `roots`, or to the system's; an
    /// answer comes within `timeout`, and no more than `longest` bytes of it are read.
    ///
    /// # Errors
    /// The roots are of no use.
    pub fn new(
        reach: Reach,
        roots: Option<&Path>,
        timeout: Duration,
        longest: usize,
    ) -> Result<Self, TlsError> {
        let roots = match roots {
            Some(path) => tls::root_store(path)?,
            None => system_roots(),
        };
        let config = ClientConfig::builder_with_provider(tls_provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new_with_resolver(Resolver(Arc::new(reach)));
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIME));
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(4)
            .build(connector);
        Ok(Self {
            client,
            timeout,
            longest,
        })
    }

    /// Sends a request to a target, and reads the answer.
    ///
    /// # Errors
    /// There is none.
    pub async fn send(
        &self,
        target: &Target,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, OutgoingError> {
        *request.uri_mut() = target.uri().clone();
        let agent = HeaderValue::from_static(AGENT);
        request.headers_mut().insert(header::USER_AGENT, agent);
        let answer = async {
            let response = self.client.request(request).await;
            let (head, body) = response.map_err(|error| failed(&error))?.into_parts();
            let (body, is_whole) = beginning(body, self.longest).await?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
                is_whole,
            })
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answered) => answered,
            Err(_) => Err(OutgoingError::TooSlow(self.timeout)),
        }
    }
}

async fn beginning(mut body: Incoming, longest: usize) -> Result<(Bytes, bool), OutgoingError> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = longest - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((read.into(), false));
        }
    }
    Ok((read.into(), true))
}

/// What happened, with what it was caused by: the outermost error alone says nothing.
fn failed(error: &(dyn std::error::Error + 'static)) -> OutgoingError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    OutgoingError::Failed(text)
}

/// What the system trusts. One without any can reach nothing, and says so then.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's root certificates cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Resolves names to addresses that may be connected to.
#[derive(Clone, Debug)]
struct Resolver(Arc<Reach>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = Arc::clone(&self.0);
        Box::pin(async move {
            // The port is that of the request.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found.filter(|found| reach.allows(found.ip())).collect();
            if allowed.is_empty() {
                return Err(io::Error::other(format!(
                    "{} has no address that may be sent to: they are of private networks or of \
                     this machine, and allow_networks does not name them",
                    name.as_str()
                )));
            }
            Ok(allowed.into_iter())
        })
    }
}
