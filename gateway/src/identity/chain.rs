//! Path validation: rustls-webpki finds and verifies the path, the rules judge it.

use std::cell::RefCell;

use fleetgrant_core::domain::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor as WebpkiAnchor};
use sha2::{Digest as _, Sha256};
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, RequiredEkuNotFoundContext,
    VerifiedPath,
};

use super::certificate::Certificate;
use super::refusal::{Place, Refusal};
use super::revocation::{CrlRules, InvalidCrl, RevocationLists, unix_time};
use super::rules::{self, Purpose};
use super::webpki_error::{NO_CRL_SIGN, is_about_form, malformed, refusal};

/// id-kp-clientAuth and anyExtendedKeyUsage (RFC 5280 section 4.2.1.12).
const CLIENT_AUTH: [usize; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 2];
const ANY_EXTENDED_KEY_USAGE: [usize; 5] = [2, 5, 29, 37, 0];

/// What a path may end at, go through, and be stopped by.
#[derive(Debug)]
pub(super) struct Trust {
    roots: Vec<Root>,
    /// The same roots in the same order, as rustls-webpki wants them.
    anchors: Vec<WebpkiAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    revocation: RevocationLists,
    digest: [u8; 32],
}

#[derive(Debug)]
struct Root(CertificateDer<'static>);

/// Why a set of roots, intermediates and CRLs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTrust {
    /// Nothing could ever be accepted.
    #[error("there is no root certificate")]
    NoRoot,
    /// A certificate breaks a rule that holds for all.
    #[error("{0}")]
    Certificate(#[from] Refusal),
    /// A CRL cannot be read.
    #[error("{0}")]
    Crl(#[from] InvalidCrl),
}

/// A verified path.
#[derive(Debug)]
pub(super) struct Path {
    /// The CAs above the leaf, its issuer first, the root left out.
    pub(super) issuers: Vec<Vec<u8>>,
    /// Until when every certificate of the path is in force.
    pub(super) in_force_until: Timestamp,
}

impl Trust {
    /// Reads the certificates and lists. Whether a certificate may issue is judged where a path
    /// goes through it, so that one of many that may not stops no device of the others.
    pub(super) fn new(
        roots: Vec<Vec<u8>>,
        intermediates: Vec<Vec<u8>>,
        crls: &[Vec<u8>],
        crl_rules: CrlRules,
    ) -> Result<Self, InvalidTrust> {
        if roots.is_empty() {
            return Err(InvalidTrust::NoRoot);
        }
        for (place, ders) in [(Place::Root, &roots), (Place::Issuer(1), &intermediates)] {
            for der in ders {
                Certificate::parse(place, der)?;
            }
        }
        let digest = digest(&[&roots, &intermediates, crls], crl_rules);
        let roots: Vec<_> = roots
            .into_iter()
            .map(|der| Root(CertificateDer::from(der)))
            .collect();
        let anchors = roots
            .iter()
            .map(|Root(der)| Ok(webpki::anchor_from_trusted_cert(der)?.to_owned()))
            .collect::<Result<_, Error>>()
            .map_err(|error| malformed(Place::Root, &error))?;
        Ok(Self {
            roots,
            anchors,
            intermediates: intermediates
                .into_iter()
                .map(CertificateDer::from)
                .collect(),
            revocation: RevocationLists::parse(crls, crl_rules)?,
            digest,
        })
    }

    /// Verifies the leaf, given what was presented above it.
    pub(super) fn verify(
        &self,
        leaf: &[u8],
        presented: &[&[u8]],
        now: Timestamp,
        purpose: Purpose,
    ) -> Result<Path, Refusal> {
        let leaf_der = CertificateDer::from(leaf);
        let leaf =
            EndEntityCert::try_from(&leaf_der).map_err(|error| malformed(Place::Leaf, &error))?;
        let intermediates: Vec<_> = presented
            .iter()
            .map(|der| CertificateDer::from(*der))
            .chain(
                self.intermediates
                    .iter()
                    .map(|der| CertificateDer::from(der.as_ref())),
            )
            .collect();
        let lists = self.revocation.borrowed();

        // rustls-webpki tries the next path when this one is turned down, and takes no error but
        // its own, so the verdict is kept here.
        let verdict = RefCell::new(None);
        let judge = |path: &VerifiedPath<'_>| {
            let judged = self.judge(path, now);
            let passed = judged.is_ok();
            verdict.replace(Some(judged));
            passed.then_some(()).ok_or(Error::UnknownIssuer)
        };
        let verified = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.anchors,
            &intermediates,
            unix_time(now),
            ForClients(purpose),
            self.revocation.options(&lists),
            Some(&judge),
        );
        match (verified, verdict.take()) {
            (_, Some(verdict)) => verdict,
            (Err(error), None) => Err(self
                .broken_issuer(&error, &leaf_der, &intermediates)
                .unwrap_or_else(|| refusal(&error))),
            (Ok(_), None) => Err(Refusal::UnknownIssuer),
        }
    }

    /// Applies the rules to a path whose signatures, names and CRLs hold.
    fn judge(&self, path: &VerifiedPath<'_>, now: Timestamp) -> Result<Path, Refusal> {
        let mut found = Path {
            issuers: Vec::new(),
            in_force_until: Timestamp::from_micros(i64::MAX),
        };
        for (cas_below, issuer) in path.intermediate_certificates().enumerate() {
            let der = issuer.der();
            let certificate = Certificate::parse(Place::Issuer(cas_below + 1), &der)?;
            rules::check_any(&certificate)?;
            rules::check_issuer(&certificate, now, cas_below)?;
            if cas_below == 0 && !self.revocation.covers_devices_of(&certificate) {
                return Err(Refusal::RevocationUnknown);
            }
            found.in_force_until = found.in_force_until.min(certificate.not_after());
            found.issuers.push(der.to_vec());
        }
        let Root(root) = self
            .anchors
            .iter()
            .position(|anchor| std::ptr::eq(anchor, path.anchor()))
            .map(|index| &self.roots[index])
            .ok_or(Refusal::UnknownIssuer)?;
        let root = Certificate::parse(Place::Root, root)?;
        rules::check_any(&root)?;
        rules::check_issuer(&root, now, found.issuers.len())?;
        if found.issuers.is_empty() && !self.revocation.covers_devices_of(&root) {
            return Err(Refusal::RevocationUnknown);
        }
        if self.revocation.has_list_of(&root) && !rules::may_sign_crls(&root) {
            return Err(Refusal::CrlUnusable(NO_CRL_SIGN.to_owned()));
        }
        found.in_force_until = found.in_force_until.min(root.not_after());
        Ok(found)
    }

    /// rustls-webpki does not say which certificate it could not use: the first above the leaf, by
    /// name, that breaks a rule for every certificate.
    fn broken_issuer(
        &self,
        error: &Error,
        leaf: &[u8],
        intermediates: &[CertificateDer<'_>],
    ) -> Option<Refusal> {
        if !is_about_form(error) {
            return None;
        }
        let mut candidates: Vec<_> = intermediates
            .iter()
            .map(|der| (Place::Issuer(1), der.as_ref()))
            .chain(
                self.roots
                    .iter()
                    .map(|Root(der)| (Place::Root, der.as_ref())),
            )
            .filter_map(|(place, der)| Certificate::parse(place, der).ok())
            .collect();
        let leaf = Certificate::parse(Place::Leaf, leaf).ok()?;
        let mut wanted = leaf.x509().issuer().as_raw();
        loop {
            let next = candidates
                .iter()
                .position(|candidate| candidate.x509().subject().as_raw() == wanted)?;
            let candidate = candidates.swap_remove(next);
            if let Err(refusal) = rules::check_any(&candidate) {
                return Some(refusal);
            }
            wanted = candidate.x509().issuer.as_raw();
        }
    }

    /// What an operator should know: roots and intermediates that could not issue now, CRLs that
    /// are missing, and those that are past their nextUpdate.
    pub(super) fn faults(&self, now: Timestamp) -> Vec<String> {
        let roots = self.roots.iter().map(|Root(der)| (Place::Root, der));
        let intermediates = self.intermediates.iter().map(|der| (Place::Issuer(1), der));
        let cas = roots.chain(intermediates);
        let uncovered = cas.clone().filter_map(|(place, der)| {
            let certificate = Certificate::parse(place, der).ok()?;
            let subject = certificate.x509().subject();
            self.revocation
                .lacks_list_of(&certificate, place)
                .then(|| format!("there is no CRL of {subject}, so what it issued is refused"))
        });
        let broken = cas.filter_map(|(place, der)| {
            let certificate = Certificate::parse(place, der).ok()?;
            let refusal = rules::check_any(&certificate)
                .and_then(|()| rules::check_issuer(&certificate, now, 0))
                .err()?;
            Some(format!("{}: {refusal}", certificate.x509().subject()))
        });
        let stale = self.revocation.stale(now);
        broken
            .chain(uncovered)
            .chain(stale.map(|issuer| format!("the CRL of {issuer} is past its nextUpdate")))
            .collect()
    }

    /// Whether a root of either is a root of the other, by key.
    pub(super) fn shares_a_root_with(&self, other: &Self) -> bool {
        self.anchors.iter().any(|own| {
            other
                .anchors
                .iter()
                .any(|theirs| own.subject_public_key_info == theirs.subject_public_key_info)
        })
    }

    /// Changes whenever anything does that decides what is accepted.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

fn digest(lists: &[&[Vec<u8>]], crl_rules: CrlRules) -> [u8; 32] {
    let CrlRules {
        refuse_stale,
        coverage,
    } = crl_rules;
    let mut hash = Sha256::new_with_prefix([u8::from(refuse_stale), coverage as u8]);
    for list in lists {
        hash.update(list.len().to_be_bytes());
        for der in *list {
            hash.update(der.len().to_be_bytes());
            hash.update(der);
        }
    }
    hash.finalize().into()
}

/// clientAuth or any, in every certificate of the path that has an extendedKeyUsage.
struct ForClients(Purpose);

impl ExtendedKeyUsageValidator for ForClients {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for usage in usages {
            present.push(usage?.to_decoded_oid());
        }
        let allows = |oid: &Vec<usize>| *oid == CLIENT_AUTH || *oid == ANY_EXTENDED_KEY_USAGE;
        if self.0 == Purpose::Any || present.is_empty() || present.iter().any(allows) {
            return Ok(());
        }
        Err(Error::RequiredEkuNotFoundContext(
            RequiredEkuNotFoundContext {
                required: webpki::KeyUsage::client_auth(),
                present,
            },
        ))
    }
}
