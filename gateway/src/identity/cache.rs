//! Certificates that were verified lately.

use fleetgrant_core::domain::Timestamp;
use fleetgrant_schemas::id::CertificateThumbprint;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::authenticate::VerifiedCertificate;
use super::device_identity::TrustDigest;

/// What an entry takes beside its chain, in bytes, roughly.
const OVERHEAD: u64 = 512;

/// A verdict holds for one certificate under one set of anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    trust: TrustDigest,
    certificate: CertificateThumbprint,
}

#[derive(Clone)]
struct ByChain;

impl Weighter<Key, VerifiedCertificate> for ByChain {
    fn weight(&self, _: &Key, verified: &VerifiedCertificate) -> u64 {
        verified.chain().len() as u64 + OVERHEAD
    }
}

/// Verified certificates, bounded in bytes. An entry is forgotten when its path expires; those of
/// other anchors or CRLs are never found, and make room in time.
pub(super) struct CredentialCache {
    entries: Cache<Key, VerifiedCertificate, ByChain>,
}

impl CredentialCache {
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / (2 * OVERHEAD)).unwrap_or(usize::MAX);
        Self {
            entries: Cache::with_weighter(items, bytes, ByChain),
        }
    }

    pub(super) fn insert(&self, verified: VerifiedCertificate) {
        let key = Key {
            trust: verified.trust(),
            certificate: verified.certificate(),
        };
        self.entries.insert(key, verified);
    }

    pub(super) fn find(
        &self,
        trust: TrustDigest,
        certificate: &CertificateThumbprint,
        now: Timestamp,
    ) -> Option<VerifiedCertificate> {
        let key = Key {
            trust,
            certificate: *certificate,
        };
        let found = self.entries.get(&key)?;
        if found.in_force_until() < now {
            self.entries.remove(&key);
            return None;
        }
        Some(found)
    }
}

impl std::fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialCache")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
