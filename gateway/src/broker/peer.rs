//! Who is at the other end of a connection.

use rustls_pki_types::CertificateDer;

/// Whom a verified certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// A device, by its device id.
    Device(String),
    /// A part of the installation, by the name of its role.
    Role(String),
}

/// Reads the identity out of a chain that the TLS handshake has verified.
pub trait ResolveIdentity: Send + Sync {
    /// The identity in the chain, leaf first, or nothing if it stands for nobody.
    fn resolve(&self, chain: &[CertificateDer<'_>]) -> Option<PeerIdentity>;
}
