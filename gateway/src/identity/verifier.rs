//! From a chain of certificates to a verified one, under the configured anchors.

use std::collections::HashMap;
use std::sync::Arc;

use fleetgrant_core::domain::Timestamp;
use fleetgrant_schemas::id::CertificateThumbprint;
use fleetgrant_schemas::limits;
use sha2::{Digest as _, Sha256};

use super::anchor::TrustAnchor;
use super::authenticate::VerifiedCertificate;
use super::cache::CredentialCache;
use super::certificate::{self, Certificate};
use super::device_identity::{
    DeviceIdentity, StoredCredential, TrustDigest, VerifiedPath, thumbprint,
};
use super::refusal::{Place, Refusal};
use super::rules::{self, Purpose};

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
    cache: CredentialCache,
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
            cache: CredentialCache::new(cache_bytes),
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
        verified.inspect(|verified| self.cache.insert(verified.clone()))
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
                self.cache.insert(recalled.clone());
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
            Certificate::parse(Place::Issuer(index + 1), der)?;
        }
        rules::check_leaf(&leaf, now, purpose)?;

        let mut refusal = Refusal::UnknownIssuer;
        for anchor in &self.anchors {
            match self.verify_under(anchor, &leaf, presented, now, purpose) {
                Ok(verified) => return Ok(verified),
                // An anchor that knows the issuer has more to say than one that does not.
                Err(later) if refusal == Refusal::UnknownIssuer => refusal = later,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn verify_under(
        &self,
        anchor: &Arc<TrustAnchor>,
        leaf: &Certificate<'_>,
        presented: &[&[u8]],
        now: Timestamp,
        purpose: Purpose,
    ) -> Result<VerifiedCertificate, Refusal> {
        let leaf_der = leaf.x509().as_raw();
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
        let issuers = path.issuers.iter().map(Vec::as_slice);
        let path = VerifiedPath {
            trust: self.digest,
            chain: std::iter::once(leaf_der)
                .chain(issuers)
                .collect::<Vec<_>>()
                .concat(),
            in_force_until: if issuer_expired {
                leaf.not_after()
            } else {
                path.in_force_until.min(leaf.not_after())
            },
            issuer_expired,
        };
        let identity = DeviceIdentity::read(anchor, leaf, path)?;
        Ok(VerifiedCertificate(Arc::new(identity)))
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

/// Re-makes what was verified before, from what was stored of it.
fn reparse_without_verifying(
    anchor: &Arc<TrustAnchor>,
    chain: &[&[u8]],
    stored: &StoredCredential,
) -> Result<VerifiedCertificate, Refusal> {
    let leaf = chain.first().ok_or(Refusal::NoCertificate)?;
    let leaf = Certificate::parse(Place::Leaf, leaf)?;
    let path = VerifiedPath {
        trust: stored.trust,
        chain: stored.chain.clone(),
        in_force_until: stored.in_force_until,
        issuer_expired: stored.issuer_expired,
    };
    let identity = DeviceIdentity::read(anchor, &leaf, path)?;
    Ok(VerifiedCertificate(Arc::new(identity)))
}
