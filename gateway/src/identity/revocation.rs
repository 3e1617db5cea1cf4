//! Certificate revocation lists, read at start.

use fleetgrant_core::domain::Timestamp;
use rustls_pki_types::UnixTime;
use webpki::{
    CertRevocationList, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::asn1_rs::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::Certificate;

/// The CRLs of one anchor. They speak for the leaf and every CA between it and the root; a
/// certificate that no CRL covers passes, since not every CA publishes one.
#[derive(Debug, Default)]
pub(super) struct RevocationLists {
    lists: Vec<CertRevocationList<'static>>,
    headers: Vec<Header>,
    refuse_stale: bool,
}

/// Whose a CRL is, and until when.
#[derive(Debug)]
struct Header {
    issuer: String,
    issuer_der: Vec<u8>,
    next_update: Option<Timestamp>,
}

/// The bytes are no usable CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable CRL: {0} (it must be version 2, complete, direct, and have a nextUpdate)")]
pub struct InvalidCrl(String);

impl RevocationLists {
    /// Reads CRLs in DER.
    pub(super) fn parse(ders: &[Vec<u8>], refuse_stale: bool) -> Result<Self, InvalidCrl> {
        let mut found = Self {
            refuse_stale,
            ..Self::default()
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

    pub(super) fn borrowed(&self) -> Vec<&CertRevocationList<'static>> {
        self.lists.iter().collect()
    }

    /// How rustls-webpki is to use these lists; `None` if there are none.
    pub(super) fn options<'a>(
        &self,
        borrowed: &'a [&'a CertRevocationList<'a>],
    ) -> Option<RevocationOptions<'a>> {
        let stale = if self.refuse_stale {
            ExpirationPolicy::Enforce
        } else {
            ExpirationPolicy::Ignore
        };
        RevocationOptionsBuilder::new(borrowed).ok().map(|builder| {
            builder
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(stale)
                .build()
        })
    }
}

/// Whole seconds; what lies before 1970 is 1970.
pub(super) fn unix_time(instant: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(instant.seconds()))
}
