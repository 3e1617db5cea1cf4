//! What TLS needs, from files: for the gateway as a client, for the embedded broker as a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::{EmbeddedBroker, GatewayTls};
use crate::crypto::tls_provider;
use crate::identity::pem_files::{self, Kind, UnreadableFile};
use crate::identity::{DeviceVerifier, InvalidTrust, PeerVerifier, RoleVerifier, SharedRoot};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate file is of no use.
    #[error(transparent)]
    Certificate(#[from] UnreadableFile),
    /// A key file is of no use. What it holds is never quoted.
    #[error("{} holds no private key in PEM that can be read", .0.display())]
    Key(PathBuf),
    /// Key and certificate do not go together, or a root cannot be used.
    #[error("{}: {source}", path.display())]
    Rustls {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// There is no version of TLS that both the provider and the configuration know.
    #[error("TLS cannot be set up: {0}")]
    Versions(#[source] rustls::Error),
    /// The role certificate names no instance.
    #[error("{} has no common name, which names the gateway's instance", .0.display())]
    NoInstance(PathBuf),
    /// The role CA is of no use.
    #[error("the roots of the role certificates: {0}")]
    Roles(#[from] InvalidTrust),
    /// A device anchor contains the role CA.
    #[error(transparent)]
    SharedRoot(#[from] SharedRoot),
}

/// The gateway as a client of the broker.
pub fn client_config(tls: &GatewayTls) -> Result<ClientConfig, TlsError> {
    let roots = root_store(&tls.roots)?;
    let builder = ClientConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| rustls(&tls.certificate, source))?
        .with_root_certificates(roots);
    with_client(builder, &tls.certificate, &tls.key)
}

/// A client that proves who it is with a certificate and its key, both in PEM.
pub(crate) fn with_client(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    certificate: &Path,
    key: &Path,
) -> Result<ClientConfig, TlsError> {
    builder
        .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
        .map_err(|source| rustls(certificate, source))
}

/// The roots that a broker's certificate must chain to.
pub fn root_store(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(path)? {
        roots.add(root).map_err(|source| rustls(path, source))?;
    }
    Ok(roots)
}

/// The instance that the gateway's role certificate names: its common name.
pub fn instance(tls: &GatewayTls) -> Result<String, TlsError> {
    let none = || TlsError::NoInstance(tls.certificate.clone());
    let chain = certificates(&tls.certificate)?;
    let leaf = chain.first().ok_or_else(none)?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| none())?;
    let mut names = leaf.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    name.map(str::to_owned).ok_or_else(none)
}

/// The embedded broker's certificate with its chain, leaf first, and its key.
pub fn server_identity(
    broker: &EmbeddedBroker,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    Ok((
        certificates(&broker.certificate)?,
        private_key(&broker.key)?,
    ))
}

/// Who the embedded broker's clients are: devices, and the maker's own services.
pub fn peers(
    broker: &EmbeddedBroker,
    devices: Arc<DeviceVerifier>,
) -> Result<PeerVerifier, TlsError> {
    let roles = pem_files::read(&broker.gateway_roots, Kind::Certificate)?;
    Ok(PeerVerifier::new(devices, RoleVerifier::new(roles)?)?)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let ders = pem_files::read(path, Kind::Certificate)?;
    Ok(ders.into_iter().map(CertificateDer::from).collect())
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|_| TlsError::Key(path.to_owned()))
}

fn rustls(path: &Path, source: rustls::Error) -> TlsError {
    TlsError::Rustls {
        path: path.to_owned(),
        source,
    }
}
