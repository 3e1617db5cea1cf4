//! Certificate revocation lists, read at start.

use fleetgrant_core::domain::Timestamp;
use rustls_pki_types::UnixTime;
use webpki::{
    CertRevocationList, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::asn1_rs::FromDer as _;
use x509_parser::oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT;
use x509_parser::revocation_list::CertificateRevocationList;

use super::anchor::CrlCoverage;
use super::certificate::Certificate;
use super::refusal::Place;

/// What is asked of the CRLs of an anchor.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrlRules {
    /// Whether one past its nextUpdate stops what it covers.
    pub(super) refuse_stale: bool,
    /// What they must cover, if there are any.
    pub(super) coverage: CrlCoverage,
}

impl CrlRules {
    /// Of an anchor that has no CRLs.
    pub(super) const NO_LISTS: Self = Self {
        refuse_stale: false,
        coverage: CrlCoverage::None,
    };
}

/// The CRLs of one anchor. They speak for the leaf and every CA between it and the root.
#[derive(Debug)]
pub(super) struct RevocationLists {
    lists: Vec<CertRevocationList<'static>>,
    headers: Vec<Header>,
    rules: CrlRules,
}

/// Whose a CRL is, and until when.
#[derive(Debug)]
struct Header {
    issuer: String,
    issuer_der: Vec<u8>,
    next_update: Option<Timestamp>,
    /// It has an issuingDistributionPoint (RFC 5280 section 5.2.5), and may speak of a part only of
    /// what its CA issued.
    is_partial: bool,
}

/// The bytes are no usable CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable CRL: {0} (it must be version 2, complete, direct, and have a nextUpdate)")]
pub struct InvalidCrl(String);

impl RevocationLists {
    /// Reads CRLs in DER.
    pub(super) fn parse(ders: &[Vec<u8>], rules: CrlRules) -> Result<Self, InvalidCrl> {
        let mut found = Self {
            lists: Vec::new(),
            headers: Vec::new(),
            rules,
        };
        for der in ders {
            let list = OwnedCertRevocationList::from_der(der)
                .map_err(|error| InvalidCrl(error.to_string()))?;
            found.lists.push(list.into());
            let (_, parsed) = CertificateRevocationList::from_der(der)
                .map_err(|error| InvalidCrl(error.to_string()))?;
            let next_update = parsed
                .next_update()
                .map(|time| Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000)));
            found.headers.push(Header {
                issuer: parsed.issuer().to_string(),
                issuer_der: parsed.issuer().as_raw().to_vec(),
                next_update,
                is_partial: parsed
                    .extensions()
                    .iter()
                    .any(|it| it.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT),
            });
        }
        Ok(found)
    }

    /// Issuers whose CRL is past its nextUpdate.
    pub(super) fn stale(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |list| list.next_update.is_some_and(|next| next <= now))
            .map(|list| list.issuer.as_str())
    }

    /// Whether one of the lists is this CA's.
    pub(super) fn has_list_of(&self, ca: &Certificate<'_>) -> bool {
        let name = ca.x509().subject().as_raw();
        self.headers.iter().any(|list| list.issuer_der == name)
    }

    /// Whether a certificate that this CA issued to a device passes, as far as lists must be there.
    pub(super) fn covers_devices_of(&self, ca: &Certificate<'_>) -> bool {
        self.lists.is_empty()
            || self.rules.coverage == CrlCoverage::None
            || self.has_complete_list_of(ca)
    }

    /// Whether what this CA issues is refused for want of a list.
    pub(super) fn lacks_list_of(&self, ca: &Certificate<'_>, place: Place) -> bool {
        let is_asked_for = match self.rules.coverage {
            CrlCoverage::None => false,
            // A root seldom issues to devices.
            CrlCoverage::Device => place != Place::Root,
            CrlCoverage::Chain => true,
        };
        is_asked_for && !self.lists.is_empty() && !self.has_complete_list_of(ca)
    }

    fn has_complete_list_of(&self, ca: &Certificate<'_>) -> bool {
        let name = ca.x509().subject().as_raw();
        self.headers
            .iter()
            .any(|list| list.issuer_der == name && !list.is_partial)
    }

    pub(super) fn borrowed(&self) -> Vec<&CertRevocationList<'static>> {
        self.lists.iter().collect()
    }

    /// How rustls-webpki is to use these lists; `None` if there are none.
    pub(super) fn options<'a>(
        &self,
        borrowed: &'a [&'a CertRevocationList<'a>],
    ) -> Option<RevocationOptions<'a>> {
        let stale = if self.rules.refuse_stale {
            ExpirationPolicy::Enforce
        } else {
            ExpirationPolicy::Ignore
        };
        // That the leaf must be covered, and the CAs need not, it cannot be told.
        let unknown = match self.rules.coverage {
            CrlCoverage::None | CrlCoverage::Device => UnknownStatusPolicy::Allow,
            CrlCoverage::Chain => UnknownStatusPolicy::Deny,
        };
        RevocationOptionsBuilder::new(borrowed).ok().map(|builder| {
            builder
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(unknown)
                .with_expiration_policy(stale)
                .build()
        })
    }
}

/// Whole seconds; what lies before 1970 is 1970.
pub(super) fn unix_time(instant: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(instant.seconds()))
}
