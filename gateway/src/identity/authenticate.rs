//! From a chain to a verified certificate, and with a signed message to an authenticated device.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fleetgrant_core::domain::{DeviceId, Timestamp};
use fleetgrant_schemas::id::{CertificateThumbprint, KeyThumbprint, MessageDigest};
use fleetgrant_schemas::limits;
use sha2::{Digest as _, Sha256};

use super::anchor::{AdmissionMode, TrustAnchor};
use super::cache::CredentialCache;
use super::certificate::{self, Certificate};
use super::device_id::device_id;
use super::refusal::{Place, Refusal};
use super::rules::{self, Purpose};
use crate::crypto::{Es256, P256PublicKey, SignatureRefused};

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
    issuer_expired: bool,
    not_after: Timestamp,
    in_force_until: Timestamp,
    chain: Vec<u8>,
}

/// A certificate whose chain holds. Whoever presented it has proven nothing yet.
#[derive(Clone)]
pub struct VerifiedCertificate(Arc<DeviceIdentity>);

/// A device that has signed the message with this digest with the key its factory certified.
#[derive(Clone)]
pub struct AuthenticatedDevice {
    identity: Arc<DeviceIdentity>,
    message: MessageDigest,
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

/// Why the anchors cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// No device could ever be authenticated.
    #[error("no trust anchor is configured: add a [[trust_anchor]]")]
    NoAnchor,
    /// The database tells them apart by name.
    #[error("two trust anchors are named {0:?}: rename one")]
    SameName(String),
    /// Equal serials of the two lines would be one device.
    #[error(
        "the product lines {first:?} and {second:?} share the id prefix {prefix:?}, so their \
         devices' ids could collide: give each a prefix of its own"
    )]
    SharedPrefix {
        /// A product line.
        first: String,
        /// Another.
        second: String,
        /// What both begin with.
        prefix: String,
    },
}

/// Verifies device certificates under the configured anchors.
#[derive(Debug)]
pub struct DeviceVerifier {
    anchors: Vec<Arc<TrustAnchor>>,
    digest: TrustDigest,
    cache: Arc<CredentialCache>,
}

impl DeviceVerifier {
    /// A verifier under these anchors, in their order of precedence. Verdicts are remembered in
    /// up to `cache_bytes` bytes; a P-256 chain takes about 2 KiB.
    ///
    /// # Errors
    /// There is no anchor, or two of them do not go together.
    pub fn new(anchors: Vec<TrustAnchor>, cache_bytes: u64) -> Result<Self, VerifierError> {
        if anchors.is_empty() {
            return Err(VerifierError::NoAnchor);
        }
        let mut names = HashMap::new();
        let mut prefixes = HashMap::new();
        let mut digest = Sha256::new();
        for anchor in &anchors {
            if names.insert(anchor.name(), ()).is_some() {
                return Err(VerifierError::SameName(anchor.name().to_owned()));
            }
            let line = anchor.product_line();
            let first = *prefixes.entry(anchor.id_prefix().as_str()).or_insert(line);
            if first != line {
                return Err(VerifierError::SharedPrefix {
                    first: first.to_owned(),
                    second: line.to_owned(),
                    prefix: anchor.id_prefix().to_string(),
                });
            }
            digest.update(anchor.digest());
        }
        Ok(Self {
            digest: TrustDigest(digest.finalize().into()),
            anchors: anchors.into_iter().map(Arc::new).collect(),
            cache: Arc::new(CredentialCache::new(cache_bytes)),
        })
    }

    /// The anchors, in their order of precedence.
    #[must_use]
    pub fn anchors(&self) -> &[Arc<TrustAnchor>] {
        &self.anchors
    }

    /// The digest over the anchors, their CRLs included.
    #[must_use]
    pub const fn trust(&self) -> TrustDigest {
        self.digest
    }

    /// Verifies a chain, leaf first, root left out, or remembers that it was. Takes up to some
    /// milliseconds with large RSA issuers, so call it on the chain lane.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify(&self, chain: &[&[u8]], now: Timestamp) -> Result<VerifiedCertificate, Refusal> {
        let (leaf, _) = within_limits(chain)?;
        if let Some(remembered) = self.remembered(&thumbprint(leaf), now) {
            return Ok(remembered);
        }
        let verified = self.verify_afresh(chain, now, Purpose::Client);
        let verdict = verified.as_ref().map_or_else(Refusal::name, |_| "accepted");
        metrics::counter!("fleetgrant_chains_verified_total", "verdict" => verdict).increment(1);
        verified.inspect(|verified| self.cache.insert(self.digest, verified.clone()))
    }

    /// The verified certificate with this thumbprint, if it was verified lately under these
    /// anchors and its path is still in force: what an `x5t` stands for.
    #[must_use]
    pub fn remembered(
        &self,
        certificate: &CertificateThumbprint,
        now: Timestamp,
    ) -> Option<VerifiedCertificate> {
        self.cache.find(self.digest, certificate, now)
    }

    /// Takes up a credential from the database: as it was, if the anchors and CRLs are those it
    /// was verified under and its path is in force, else by verifying it anew.
    ///
    /// # Errors
    /// It no longer holds.
    pub fn recall(
        &self,
        stored: &StoredCredential,
        now: Timestamp,
    ) -> Result<VerifiedCertificate, Refusal> {
        let chain = certificate::split(&stored.chain)?;
        let known = self.anchors.iter().find(|a| a.name() == stored.anchor);
        match known {
            Some(anchor) if stored.trust == self.digest && now <= stored.in_force_until => {
                let recalled = reparse_without_verifying(anchor, &chain, stored)?;
                self.cache.insert(self.digest, recalled.clone());
                Ok(recalled)
            }
            _ => self.verify(&chain, now),
        }
    }

    /// Verifies a chain, whatever was verified before.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_afresh(
        &self,
        chain: &[&[u8]],
        now: Timestamp,
        purpose: Purpose,
    ) -> Result<VerifiedCertificate, Refusal> {
        let now = Timestamp::from_seconds(now.seconds());
        let (leaf_der, presented) = within_limits(chain)?;
        let leaf = Certificate::parse(Place::Leaf, leaf_der)?;
        rules::check_any(&leaf)?;
        for (index, der) in presented.iter().enumerate() {
            rules::check_any(&Certificate::parse(Place::Issuer(index + 1), der)?)?;
        }
        rules::check_leaf(&leaf, now, purpose)?;

        let mut refusal = Refusal::UnknownIssuer;
        for anchor in &self.anchors {
            match verify_under(anchor, &leaf, leaf_der, presented, now, purpose) {
                Ok(verified) => return Ok(verified),
                // An anchor that knows the issuer has more to say than one that does not.
                Err(later) if refusal == Refusal::UnknownIssuer => refusal = later,
                Err(_) => {}
            }
        }
        Err(refusal)
    }
}

/// Bounds a chain before anything of it is read: the leaf, and what is above it.
pub(super) fn within_limits<'c, 'd>(
    chain: &'c [&'d [u8]],
) -> Result<(&'d [u8], &'c [&'d [u8]]), Refusal> {
    let (leaf, presented) = chain.split_first().ok_or(Refusal::NoCertificate)?;
    if chain.len() > limits::MAX_CHAIN {
        return Err(Refusal::ChainTooLong {
            count: chain.len(),
            max: limits::MAX_CHAIN,
        });
    }
    for (index, der) in chain.iter().enumerate() {
        if der.len() > limits::MAX_CERTIFICATE {
            return Err(Refusal::CertificateTooLong {
                place: match index {
                    0 => Place::Leaf,
                    n => Place::Issuer(n),
                },
                length: der.len(),
                max: limits::MAX_CERTIFICATE,
            });
        }
    }
    Ok((leaf, presented))
}

/// SHA-256 of a certificate's DER.
fn thumbprint(der: &[u8]) -> CertificateThumbprint {
    CertificateThumbprint(Sha256::digest(der).into())
}

fn verify_under(
    anchor: &Arc<TrustAnchor>,
    leaf: &Certificate<'_>,
    leaf_der: &[u8],
    presented: &[&[u8]],
    now: Timestamp,
    purpose: Purpose,
) -> Result<VerifiedCertificate, Refusal> {
    let at = |instant| anchor.trust().verify(leaf_der, presented, instant, purpose);
    let (path, issuer_expired) = match at(now) {
        Ok(path) => (path, false),
        // Its issuers had to be in force when they issued it; CRLs are as they are now.
        Err(Refusal::IssuerExpired | Refusal::AnchorExpired)
            if anchor.pinned_devices_outlive_issuing_ca() =>
        {
            (at(leaf.not_before())?, true)
        }
        Err(refusal) => return Err(refusal),
    };
    let chain = [leaf_der]
        .into_iter()
        .chain(path.issuers.iter().map(Vec::as_slice));
    let in_force_until = if issuer_expired {
        leaf.not_after()
    } else {
        path.in_force_until.min(leaf.not_after())
    };
    Ok(VerifiedCertificate(Arc::new(DeviceIdentity {
        issuer_expired,
        in_force_until,
        chain: chain.collect::<Vec<_>>().concat(),
        ..identity(anchor, leaf, leaf_der)?
    })))
}

/// Re-makes what was verified before, from what was stored of it.
fn reparse_without_verifying(
    anchor: &Arc<TrustAnchor>,
    chain: &[&[u8]],
    stored: &StoredCredential,
) -> Result<VerifiedCertificate, Refusal> {
    let leaf_der = chain.first().ok_or(Refusal::NoCertificate)?;
    let leaf = Certificate::parse(Place::Leaf, leaf_der)?;
    Ok(VerifiedCertificate(Arc::new(DeviceIdentity {
        issuer_expired: stored.issuer_expired,
        in_force_until: stored.in_force_until,
        chain: stored.chain.clone(),
        ..identity(anchor, &leaf, leaf_der)?
    })))
}

/// What the leaf says by itself.
fn identity(
    anchor: &Arc<TrustAnchor>,
    leaf: &Certificate<'_>,
    leaf_der: &[u8],
) -> Result<DeviceIdentity, Refusal> {
    let found = anchor.identity_rule().find(leaf)?;
    let key = rules::p256_key(leaf)?;
    Ok(DeviceIdentity {
        device: device_id(anchor.id_prefix(), &found.identity),
        identity: found.identity,
        hardware_type: found.hardware_type,
        key,
        key_thumbprint: key.thumbprint(),
        certificate: thumbprint(leaf_der),
        anchor: Arc::clone(anchor),
        issuer_expired: false,
        not_after: leaf.not_after(),
        in_force_until: leaf.not_after(),
        chain: Vec::new(),
    })
}

impl VerifiedCertificate {
    /// Checks that the certified key signed `sig_structure` (RFC 9052 section 4.4): only then is
    /// it the device that speaks. Takes some 50 µs, so call it on the verify lane.
    ///
    /// # Errors
    /// The signature is not that key's over those bytes.
    pub fn authenticate(
        &self,
        backend: &dyn Es256,
        sig_structure: &[u8],
        signature: &[u8],
    ) -> Result<AuthenticatedDevice, SignatureRefused> {
        backend.verify(&self.0.key, sig_structure, signature)?;
        Ok(AuthenticatedDevice {
            identity: Arc::clone(&self.0),
            message: MessageDigest(Sha256::digest(sig_structure).into()),
        })
    }

    /// What the database should keep of it, given the verifier that verified it.
    #[must_use]
    pub fn to_stored(&self, verifier: &DeviceVerifier) -> StoredCredential {
        self.0.to_stored(verifier.trust())
    }
}

impl AuthenticatedDevice {
    /// The SHA-256 of what was signed: it identifies the message, whatever its signature's bytes.
    #[must_use]
    pub const fn message(&self) -> MessageDigest {
        self.message
    }

    /// What the database should keep of its certificate, given the verifier that verified it.
    #[must_use]
    pub fn to_stored(&self, verifier: &DeviceVerifier) -> StoredCredential {
        self.identity.to_stored(verifier.trust())
    }
}

impl Deref for VerifiedCertificate {
    type Target = DeviceIdentity;
    fn deref(&self) -> &DeviceIdentity {
        &self.0
    }
}

impl Deref for AuthenticatedDevice {
    type Target = DeviceIdentity;
    fn deref(&self) -> &DeviceIdentity {
        &self.identity
    }
}

impl DeviceIdentity {
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
            _ if self.issuer_expired => Admission::PinnedOnly,
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
        &self.chain
    }

    pub(super) const fn in_force_until(&self) -> Timestamp {
        self.in_force_until
    }

    fn to_stored(&self, trust: TrustDigest) -> StoredCredential {
        StoredCredential {
            chain: self.chain.clone(),
            anchor: self.anchor.name().to_owned(),
            trust,
            in_force_until: self.in_force_until,
            issuer_expired: self.issuer_expired,
        }
    }
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

impl fmt::Debug for VerifiedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedCertificate").field(&self.0).finish()
    }
}

impl fmt::Debug for AuthenticatedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatedDevice")
            .field("identity", &self.identity)
            .field("message", &self.message)
            .finish()
    }
}
