//! The TLS wall: the same verifier as the message wall, and the maker's own roles.

use std::fmt;
use std::sync::Arc;

use fleetgrant_core::domain::{DeviceId, Timestamp};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::oid_registry::OID_X509_ORGANIZATIONAL_UNIT;

use super::certificate::Certificate;
use super::chain::{InvalidTrust, Trust};

use super::identity_rule::IdentityRule;
use super::refusal::{Place, Refusal};
use super::revocation::CrlRules;
use super::rules::{self, Purpose};
use super::verifier::{DeviceVerifier, within_limits};

/// Who a TLS peer is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerIdentity {
    /// A device, by its factory certificate.
    Device(DeviceId),
    /// One of the maker's own services, by a certificate of the role CA.
    Role(RoleIdentity),
}

/// One of the maker's own services.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleIdentity {
    /// What it may do: the OU of its certificate's subject.
    pub role: Role,
    /// Which instance it is: the CN.
    pub instance: String,
}

/// What a service may do at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes requests and acks from the shared subscription, and publishes grants, notices, keys.
    Gateway,
}

impl Role {
    /// The OU that stands for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
        }
    }

    fn of(certificate: &Certificate<'_>) -> Result<Self, Refusal> {
        let subject = certificate.x509().subject();
        let mut units = subject.iter_by_oid(&OID_X509_ORGANIZATIONAL_UNIT);
        match (
            units.next().and_then(|unit| unit.as_str().ok()),
            units.next(),
        ) {
            (Some("gateway"), None) => Ok(Self::Gateway),
            _ => Err(Refusal::UnknownRole),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Verifies the certificates of the maker's own services.
#[derive(Debug)]
pub struct RoleVerifier {
    trust: Trust,
}

impl RoleVerifier {
    /// A verifier under these roots, in DER.
    ///
    /// # Errors
    /// There is no root, or one cannot be used.
    pub fn new(roots: Vec<Vec<u8>>) -> Result<Self, InvalidTrust> {
        let trust = Trust::new(roots, Vec::new(), &[], CrlRules::NO_LISTS)?;
        Ok(Self { trust })
    }

    /// Verifies a chain, leaf first.
    ///
    /// # Errors
    /// The first rule that is broken: the same rules as for devices.
    pub fn verify(&self, chain: &[&[u8]], now: Timestamp) -> Result<RoleIdentity, Refusal> {
        let now = Timestamp::from_seconds(now.seconds());
        let (leaf_der, presented) = within_limits(chain)?;
        let leaf = Certificate::parse(Place::Leaf, leaf_der)?;
        rules::check_any(&leaf)?;
        rules::check_leaf(&leaf, now, Purpose::Client)?;
        self.trust
            .verify(leaf_der, presented, now, Purpose::Client)?;
        let name = IdentityRule::SubjectCommonName.find(&leaf)?;
        Ok(RoleIdentity {
            role: Role::of(&leaf)?,
            instance: String::from_utf8_lossy(&name.identity).into_owned(),
        })
    }
}

/// Verifies TLS clients: devices, and the maker's own services.
pub struct PeerVerifier {
    devices: Arc<DeviceVerifier>,
    roles: RoleVerifier,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A device anchor contains the role CA, so a factory could make gateways.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the trust anchor {anchor:?} contains a root of the role CA, so its factory could make \
     gateways: use a role CA of its own"
)]
pub struct SharedRoot {
    anchor: String,
}

impl PeerVerifier {
    /// A verifier for a TLS server's clients.
    ///
    /// # Errors
    /// A device anchor shares a root with the role CA.
    pub fn new(devices: Arc<DeviceVerifier>, roles: RoleVerifier) -> Result<Self, SharedRoot> {
        let shared = devices
            .anchors()
            .iter()
            .find(|anchor| anchor.trust().shares_a_root_with(&roles.trust));
        if let Some(anchor) = shared {
            return Err(SharedRoot {
                anchor: anchor.name().to_owned(),
            });
        }
        Ok(Self {
            devices,
            roles,
            algorithms: crate::crypto::tls_provider().signature_verification_algorithms,
        })
    }

    /// Who presents this chain, leaf first: what a connection's `peer_certificates` stand for.
    ///
    /// # Errors
    /// The first rule that is broken, under the verifier that knows the issuer.
    pub fn identify(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<PeerIdentity, Refusal> {
        let chain: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
        match self.devices.verify(&chain, now) {
            Ok(verified) => Ok(PeerIdentity::Device(verified.device().clone())),
            Err(Refusal::UnknownIssuer) => self.roles.verify(&chain, now).map(PeerIdentity::Role),
            Err(refusal) => Err(refusal),
        }
    }
}

impl ClientCertVerifier for PeerVerifier {
    /// None: a device has one factory certificate, and hints would only make handshakes larger.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(end_entity)
            .chain(intermediates)
            .cloned()
            .collect();
        match self.identify(&chain, Timestamp::from_seconds(now.as_secs())) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refusal) => {
                metrics::counter!(
                    "fleetgrant_tls_clients_refused_total", "reason" => refusal.name()
                )
                .increment(1);
                Err(tls_error(refusal))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    /// All of them, although only P-256 leaves pass: some TLS clients hold this list against
    /// their issuers' signatures too, and would send no certificate at all.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Keeps the refusal, but for those that TLS has an alert of its own for (RFC 8446 section 6.2).
fn tls_error(refusal: Refusal) -> rustls::Error {
    rustls::Error::InvalidCertificate(match refusal {
        Refusal::NoCertificate => return rustls::Error::NoCertificatesPresented,
        Refusal::Expired | Refusal::IssuerExpired | Refusal::AnchorExpired => {
            CertificateError::Expired
        }
        Refusal::Revoked => CertificateError::Revoked,
        Refusal::UnknownIssuer => CertificateError::UnknownIssuer,
        Refusal::BadSignature => CertificateError::BadSignature,
        refusal => CertificateError::Other(OtherError(Arc::new(refusal))),
    })
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier")
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}
