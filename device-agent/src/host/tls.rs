//! Mutual TLS to the broker, by the cryptography that is handed over explicitly: two providers in
//! one process make rustls refuse to choose.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not the PEM it should be.
    #[error("{what} cannot be read as PEM: {source}")]
    Pem {
        /// Which.
        what: &'static str,
        /// Why.
        source: pem::Error,
    },
    /// A file holds nothing of use.
    #[error("there is no certificate in {0}")]
    Empty(&'static str),
    /// rustls refuses the key or a certificate.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// Trust in a broker whose certificate comes from one of these roots, in PEM.
///
/// # Errors
/// It is no PEM, holds no certificate, or one that cannot be a root.
pub fn broker_roots(pem: &[u8]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates("the broker's roots", pem)? {
        roots.add(root)?;
    }
    Ok(Arc::new(roots))
}

/// TLS in which the device shows this chain, the leaf first, by this key in PKCS#8, both in DER.
///
/// # Errors
/// The key is of no use to TLS, or is not that of the leaf.
pub fn mutual_tls(
    roots: Arc<RootCertStore>,
    chain: &[Vec<u8>],
    key: &[u8],
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = chain.iter().cloned().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    // Each connection proves the certificate anew, so that one that was revoked meanwhile fails;
    // and tickets cost some 10 kB of memory a device.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The certificates in a PEM file, in DER and in their order.
///
/// # Errors
/// It is no PEM, or holds no certificate.
pub fn chain_from_pem(pem: &[u8]) -> Result<Vec<Vec<u8>>, TlsError> {
    let certificates = certificates("the device's certificates", pem)?;
    Ok(certificates.into_iter().map(|der| der.to_vec()).collect())
}

/// The private key in a PEM file (PKCS#8), in DER.
///
/// # Errors
/// It is no PEM, or holds no such key.
pub fn key_from_pem(pem: &[u8]) -> Result<Vec<u8>, TlsError> {
    let what = "the device's key";
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem);
    let key = key.map_err(|source| TlsError::Pem { what, source })?;
    Ok(key.secret_pkcs8_der().to_vec())
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|source| TlsError::Pem { what, source })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(what));
    }
    Ok(certificates)
}
