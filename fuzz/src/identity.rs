//! The gateway's reading of certificates and CRLs, from its own files: the whole gateway would
//! bring its database and its broker with it.
#![allow(
    dead_code,
    missing_docs,
    reason = "each file is here for what the next needs of it"
)]

use std::path::Path;

use fleetgrant_core::domain::Timestamp;

#[path = "../../gateway/src/identity/anchor.rs"]
mod anchor;
#[path = "../../gateway/src/identity/certificate.rs"]
mod certificate;
#[path = "../../gateway/src/identity/chain.rs"]
mod chain;
#[path = "../../gateway/src/identity/device_id.rs"]
mod device_id;
#[path = "../../gateway/src/identity/identity_rule.rs"]
mod identity_rule;
#[path = "../../gateway/src/identity/pem_files.rs"]
mod pem_files;
#[path = "../../gateway/src/identity/refusal.rs"]
mod refusal;
#[path = "../../gateway/src/identity/revocation.rs"]
mod revocation;
#[path = "../../gateway/src/identity/rules.rs"]
mod rules;
#[path = "../../gateway/src/identity/webpki_error.rs"]
mod webpki_error;

use anchor::CrlCoverage;
use certificate::Certificate;
use chain::Trust;
use identity_rule::IdentityRule;
use refusal::Place;
use revocation::{CrlRules, RevocationLists};
use rules::Purpose;
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Reads a device's certificate as the gateway does before it believes a signature above it.
///
/// # Panics
/// Two libraries read another key from what both accept, or two readings differ.
pub fn leaf(der: &[u8], now: Timestamp) {
    let split = certificate::split(der);
    let Ok(read) = Certificate::parse(Place::Leaf, der) else {
        return;
    };
    // What is stored one behind the other is found again.
    assert_eq!(split, Ok(vec![der]));
    let twice = certificate::split(&[der, der].concat()).map(|found| found.len());
    assert_eq!(twice, Ok(2));
    let _ = (read.not_before(), read.not_after(), read.path_length());
    let good = rules::check_any(&read).and_then(|()| {
        rules::check_leaf(&read, now, Purpose::Any)?;
        rules::check_leaf(&read, now, Purpose::Client)
    });
    let _ = rules::check_issuer(&read, now, 0);
    for rule in IdentityRule::ANY {
        if let Ok(found) = rule.find(&read) {
            assert!(!found.identity.is_empty());
            if let Ok(prefix) = "scope".parse() {
                // An id fits a topic, whatever stood in the certificate.
                let id = device_id::device_id(&prefix, &found.identity);
                assert!(fleetgrant_schemas::id::DeviceId::new(id.as_str()).is_ok());
            }
        }
    }
    // The library that builds paths must see the same key, or it would verify another's.
    let der = CertificateDer::from(der);
    if let (Ok(()), Ok(theirs)) = (good, EndEntityCert::try_from(&der)) {
        let theirs = theirs.subject_public_key_info();
        assert_eq!(theirs.as_ref(), read.x509().public_key().raw);
    }
}

/// Reads a CRL as the gateway does at its start.
pub fn crl(der: &[u8], now: Timestamp) {
    let rules = CrlRules {
        refuse_stale: true,
        coverage: CrlCoverage::Chain,
    };
    if let Ok(lists) = RevocationLists::parse(&[der.to_vec()], rules) {
        let _ = lists.stale(now).count();
        let _ = lists.options(&lists.borrowed()).is_some();
    }
}

/// The certificates of the vectors.
pub struct Vectors {
    trust: Trust,
    device: Vec<u8>,
    issuing: Vec<u8>,
}

impl Default for Vectors {
    /// # Panics
    /// The vectors are not where they were when this was written.
    fn default() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/vectors/pki");
        let read = |name: &str| {
            let read = pem_files::read(&folder.join(name), pem_files::Kind::Certificate);
            read.unwrap_or_else(|why| panic!("{why}"))
        };
        let trust = Trust::new(read("root.pem"), Vec::new(), &[], CrlRules::NO_LISTS);
        Self {
            trust: trust.unwrap_or_else(|why| panic!("{why}")),
            device: read("device.pem").concat(),
            issuing: read("issuing.pem").concat(),
        }
    }
}

impl Vectors {
    /// Verifies a chain, the leaf first, under the root of the vectors.
    ///
    /// # Panics
    /// A leaf is accepted that the vectors' authority did not sign.
    pub fn chain(&self, chain: &[&[u8]], now: Timestamp) {
        let Some((leaf, presented)) = chain.split_first() else {
            return;
        };
        if self
            .trust
            .verify(leaf, presented, now, Purpose::Client)
            .is_ok()
        {
            assert!(
                *leaf == self.device || *leaf == self.issuing,
                "a certificate that nobody signed"
            );
        }
        // As if an operator trusted whatever this is.
        let roots = presented.iter().map(|der| der.to_vec()).collect();
        if let Ok(trust) = Trust::new(roots, Vec::new(), &[], CrlRules::NO_LISTS) {
            let _ = trust.verify(leaf, presented, now, Purpose::Any);
            let _ = trust.faults(now);
        }
    }
}
