//! What a certificate says of the device that holds its key.

use std::fmt;
use std::sync::Arc;

use fleetgrant_core::domain::{DeviceId, Timestamp};
use fleetgrant_schemas::id::{CertificateThumbprint, KeyThumbprint};
use sha2::{Digest as _, Sha256};

use super::anchor::{AdmissionMode, TrustAnchor};
use super::certificate::Certificate;
use super::device_id::device_id;
use super::refusal::Refusal;
use super::rules;
use crate::crypto::P256PublicKey;

/// What becomes of an authenticated device that is seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is admitted.
    Open,
    /// It is admitted if it stands on a factory manifest.
    Manifest,
    /// It waits for an operator.
    Quarantine,
    /// Its issuing CA has expired: it is served only if its key is pinned already.
    PinnedOnly,
}

/// A digest over the configured anchors; a verdict reached under one says nothing under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrustDigest(pub [u8; 32]);

/// Everything a certificate says about the device that holds its key.
pub struct DeviceIdentity {
    device: DeviceId,
    identity: Vec<u8>,
    hardware_type: Option<String>,
    key: P256PublicKey,
    key_thumbprint: KeyThumbprint,
    certificate: CertificateThumbprint,
    anchor: Arc<TrustAnchor>,
    not_after: Timestamp,
    path: VerifiedPath,
}

/// What came of verifying the path above a certificate.
pub(super) struct VerifiedPath {
    /// Under which anchors.
    pub(super) trust: TrustDigest,
    /// The certificates in DER one after the other, leaf first, root left out.
    pub(super) chain: Vec<u8>,
    /// Until when every certificate of the path is in force.
    pub(super) in_force_until: Timestamp,
    /// Whether it was accepted although its issuing CA had expired.
    pub(super) issuer_expired: bool,
}

/// What the database keeps of a verified certificate, so that it need not be verified again for
/// each message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredential {
    /// The certificates in DER one after the other, leaf first, root left out.
    pub chain: Vec<u8>,
    /// The anchor's name.
    pub anchor: String,
    /// Under which anchors the chain was verified.
    pub trust: TrustDigest,
    /// Until when every certificate of the path is in force.
    pub in_force_until: Timestamp,
    /// Whether it was accepted although its issuing CA had expired.
    pub issuer_expired: bool,
}

impl DeviceIdentity {
    /// Reads what the leaf says under an anchor whose path to it was verified.
    pub(super) fn read(
        anchor: &Arc<TrustAnchor>,
        leaf: &Certificate<'_>,
        path: VerifiedPath,
    ) -> Result<Self, Refusal> {
        let found = anchor.identity_rule().find(leaf)?;
        let key = rules::p256_key(leaf)?;
        Ok(Self {
            device: device_id(anchor.id_prefix(), &found.identity),
            identity: found.identity,
            hardware_type: found.hardware_type,
            key,
            key_thumbprint: key.thumbprint(),
            certificate: thumbprint(leaf.x509().as_raw()),
            anchor: Arc::clone(anchor),
            not_after: leaf.not_after(),
            path,
        })
    }

    /// The id that the device's topics bear.
    #[must_use]
    pub const fn device(&self) -> &DeviceId {
        &self.device
    }

    /// What the identity rule found: most often the serial number, as text.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// The hardware type of a hardwareModuleName, dotted.
    #[must_use]
    pub fn hardware_type(&self) -> Option<&str> {
        self.hardware_type.as_deref()
    }

    /// The certified key.
    #[must_use]
    pub const fn public_key(&self) -> &P256PublicKey {
        &self.key
    }

    /// The COSE Key Thumbprint of the certified key (RFC 9679).
    #[must_use]
    pub const fn key_thumbprint(&self) -> KeyThumbprint {
        self.key_thumbprint
    }

    /// SHA-256 of the certificate's DER.
    #[must_use]
    pub const fn certificate(&self) -> CertificateThumbprint {
        self.certificate
    }

    /// The anchor that vouches for it: its name, product line and id prefix.
    #[must_use]
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// What becomes of it if it is seen for the first time.
    #[must_use]
    pub fn admission(&self) -> Admission {
        match self.anchor.admission() {
            _ if self.path.issuer_expired => Admission::PinnedOnly,
            AdmissionMode::Open => Admission::Open,
            AdmissionMode::Manifest => Admission::Manifest,
            AdmissionMode::Quarantine => Admission::Quarantine,
        }
    }

    /// The last moment the certificate itself is in force; 9999 means for ever.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The certificates in DER one after the other, leaf first, root left out.
    #[must_use]
    pub fn chain(&self) -> &[u8] {
        &self.path.chain
    }

    /// What the database should keep of it.
    #[must_use]
    pub fn to_stored(&self) -> StoredCredential {
        StoredCredential {
            chain: self.path.chain.clone(),
            anchor: self.anchor.name().to_owned(),
            trust: self.path.trust,
            in_force_until: self.path.in_force_until,
            issuer_expired: self.path.issuer_expired,
        }
    }

    pub(super) const fn in_force_until(&self) -> Timestamp {
        self.path.in_force_until
    }

    pub(super) const fn trust(&self) -> TrustDigest {
        self.path.trust
    }
}

/// SHA-256 of a certificate's DER.
pub(super) fn thumbprint(der: &[u8]) -> CertificateThumbprint {
    CertificateThumbprint(Sha256::digest(der).into())
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceIdentity")
            .field("device", &self.device)
            .field("anchor", &self.anchor.name())
            .field("key_thumbprint", &self.key_thumbprint)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
