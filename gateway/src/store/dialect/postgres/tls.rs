//! How the server proves who it is, and the gateway to it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::url::{Postgres, Tls};
use crate::crypto::tls_provider;
use crate::store::dialect::OpenError;
use crate::tls;

/// None where there is no TLS.
pub(super) fn connector(place: &Postgres) -> Result<Option<MakeRustlsConnect>, OpenError> {
    let unusable = |reason: String| OpenError::Unreachable {
        place: place.to_string(),
        reason: format!("TLS: {reason}"),
    };
    let provider = tls_provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    let config = match place.tls() {
        Tls::Off => return Ok(None),
        Tls::Encrypted => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
        Tls::Verified { roots, client } => {
            let roots = match roots {
                Some(file) => tls::root_store(file).map_err(|error| unusable(error.to_string()))?,
                None => system_roots().ok_or_else(|| {
                    unusable(
                        "this system has no root certificates; name a file with sslrootcert".into(),
                    )
                })?,
            };
            let builder = builder.with_root_certificates(roots);
            match client {
                Some(files) => tls::with_client(builder, &files.certificate, &files.key)
                    .map_err(|error| unusable(error.to_string()))?,
                None => builder.with_no_client_auth(),
            }
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// Those that can be read; single files that cannot are of no account.
fn system_roots() -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    (added > 0).then_some(roots)
}

/// Takes any certificate, as `sslmode=require` says; the handshake is still bound to its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
