//! The rules that path validation leaves out.
//!
//! rustls-webpki checks signatures, names, validity, path lengths of intermediates, name
//! constraints and CRLs. It does not look at keyUsage at all, reduces a root to its name, key
//! and name constraints, and takes any key in a leaf. What it leaves out is here, one function
//! a rule, in three lists: what every certificate must satisfy, what the leaf must, and what
//! each issuer in the path, the root included, must. The first rule that is broken is the
//! refusal.
//!
//! Left lenient on purpose, because real devices need it: a leaf without extendedKeyUsage,
//! keyUsage, basicConstraints or key identifiers; a critical subject alternative name; an empty
//! subject; far-future dates, and GeneralizedTime where UTCTime would do; serial numbers of any
//! length; issuers with RSA and P-384 keys.

use std::collections::HashSet;

use fleetgrant_core::domain::Timestamp;
use x509_parser::asn1_rs::Oid;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS,
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
    OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS,
    OID_X509_EXT_SUBJECT_ALT_NAME,
};
use x509_parser::x509::X509Version;

use super::certificate::Certificate;
use super::refusal::{Place, Refusal};
use crate::crypto::P256PublicKey;

/// What a leaf is verified for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To sign messages and to authenticate as a TLS client.
    #[default]
    Client,
    /// Whatever its keyUsage and extendedKeyUsage say.
    Any,
}

/// A certificate in its place in a path.
struct Placed<'c> {
    certificate: &'c Certificate<'c>,
    now: Timestamp,
    purpose: Purpose,
    /// CAs between this one and the leaf.
    cas_below: usize,
}

type Rule = fn(&Placed<'_>) -> Result<(), Refusal>;

const EVERY: &[Rule] = &[
    is_version_3,
    has_no_extension_twice,
    has_readable_extensions,
    has_no_unknown_critical_extension,
    issuer_key_is_not_rsassa_pss,
];

const LEAF: &[Rule] = &[
    leaf_is_no_ca,
    leaf_key_is_p256,
    leaf_may_sign,
    leaf_may_be_a_client,
    leaf_is_in_force,
];

const ISSUER: &[Rule] = &[
    issuer_is_a_ca,
    issuer_may_sign_certificates,
    path_is_short_enough,
    issuer_is_in_force,
];

/// What holds for every certificate in a path, wherever it stands and whenever.
pub(super) fn check_any(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    check(
        EVERY,
        &Placed {
            certificate,
            now: Timestamp::from_micros(0),
            purpose: Purpose::Any,
            cas_below: 0,
        },
    )
}

/// What holds for a leaf beyond [`check_any`].
pub(super) fn check_leaf(
    certificate: &Certificate<'_>,
    now: Timestamp,
    purpose: Purpose,
) -> Result<(), Refusal> {
    check(
        LEAF,
        &Placed {
            certificate,
            now,
            purpose,
            cas_below: 0,
        },
    )
}

/// What holds for an issuer with so many CAs below it, beyond [`check_any`].
pub(super) fn check_issuer(
    certificate: &Certificate<'_>,
    now: Timestamp,
    cas_below: usize,
) -> Result<(), Refusal> {
    check(
        ISSUER,
        &Placed {
            certificate,
            now,
            purpose: Purpose::Any,
            cas_below,
        },
    )
}

fn check(rules: &[Rule], placed: &Placed<'_>) -> Result<(), Refusal> {
    rules.iter().try_for_each(|rule| rule(placed))
}

fn is_version_3(it: &Placed<'_>) -> Result<(), Refusal> {
    match it.certificate.x509().version() {
        X509Version::V3 => Ok(()),
        _ => Err(Refusal::NotVersion3(it.certificate.place())),
    }
}

fn has_no_extension_twice(it: &Placed<'_>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    match it
        .certificate
        .extensions()
        .iter()
        .find(|e| !seen.insert(&e.oid))
    {
        None => Ok(()),
        Some(extension) => Err(Refusal::DuplicateExtension {
            place: it.certificate.place(),
            oid: extension.oid.to_id_string(),
        }),
    }
}

/// An extension that limits a certificate and cannot be read must not count as absent.
fn has_readable_extensions(it: &Placed<'_>) -> Result<(), Refusal> {
    let unreadable = it.certificate.extensions().iter().find(|extension| {
        is_understood(&extension.oid)
            && matches!(
                extension.parsed_extension(),
                ParsedExtension::ParseError { .. }
            )
    });
    match unreadable {
        None => Ok(()),
        Some(extension) => Err(Refusal::Malformed {
            place: it.certificate.place(),
            detail: format!("extension {} cannot be read", extension.oid),
        }),
    }
}

fn has_no_unknown_critical_extension(it: &Placed<'_>) -> Result<(), Refusal> {
    let unknown = it
        .certificate
        .extensions()
        .iter()
        .find(|extension| extension.critical && !is_understood(&extension.oid));
    match unknown {
        None => Ok(()),
        Some(extension) => Err(Refusal::UnknownCriticalExtension {
            place: it.certificate.place(),
            oid: extension.oid.to_id_string(),
        }),
    }
}

/// The extensions that these rules or rustls-webpki act on. certificatePolicies is not among
/// them, so a critical one is refused.
fn is_understood(oid: &Oid<'_>) -> bool {
    [
        OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_SUBJECT_ALT_NAME,
        OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_NAME_CONSTRAINTS,
        OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
        OID_X509_EXT_EXTENDED_KEY_USAGE,
    ]
    .contains(oid)
}

/// Only keys of type rsaEncryption are supported, whatever the padding they sign with.
fn issuer_key_is_not_rsassa_pss(it: &Placed<'_>) -> Result<(), Refusal> {
    if it.certificate.place() != Place::Leaf
        && *it.certificate.x509().public_key().algorithm.oid() == OID_PKCS1_RSASSAPSS
    {
        return Err(Refusal::IssuerKeyRsassaPss);
    }
    Ok(())
}

fn leaf_is_no_ca(it: &Placed<'_>) -> Result<(), Refusal> {
    if it.certificate.is_ca() {
        return Err(Refusal::LeafIsCa);
    }
    Ok(())
}

fn leaf_key_is_p256(it: &Placed<'_>) -> Result<(), Refusal> {
    p256_key(it.certificate).map(|_| ())
}

/// The key of a leaf.
pub(super) fn p256_key(certificate: &Certificate<'_>) -> Result<P256PublicKey, Refusal> {
    let spki = certificate.x509().public_key();
    let algorithm = spki.algorithm.oid();
    let curve = spki
        .algorithm
        .parameters()
        .and_then(|parameters| parameters.as_oid().ok());
    if *algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || curve.as_ref() != Some(&OID_EC_P256) {
        return Err(Refusal::LeafKeyNotP256 {
            found: match curve {
                _ if *algorithm == OID_PKCS1_RSAENCRYPTION => "RSA".to_owned(),
                Some(curve) => format!("of type {algorithm} on curve {curve}"),
                None => format!("of type {algorithm}"),
            },
        });
    }
    P256PublicKey::from_sec1(&spki.subject_public_key.data).map_err(|_| Refusal::LeafKeyInvalid)
}

fn leaf_may_sign(it: &Placed<'_>) -> Result<(), Refusal> {
    match (it.purpose, it.certificate.key_usage()) {
        (Purpose::Client, Some(usage)) if !usage.digital_signature() => Err(Refusal::LeafKeyUsage),
        _ => Ok(()),
    }
}

fn leaf_may_be_a_client(it: &Placed<'_>) -> Result<(), Refusal> {
    match (it.purpose, it.certificate.extended_key_usage()) {
        (Purpose::Client, Some(usage)) if !usage.client_auth && !usage.any => {
            Err(Refusal::LeafExtendedKeyUsage)
        }
        _ => Ok(()),
    }
}

fn leaf_is_in_force(it: &Placed<'_>) -> Result<(), Refusal> {
    if it.now < it.certificate.not_before() {
        return Err(Refusal::NotYetValid);
    }
    if it.now > it.certificate.not_after() {
        return Err(Refusal::Expired);
    }
    Ok(())
}

fn issuer_is_a_ca(it: &Placed<'_>) -> Result<(), Refusal> {
    if it.certificate.is_ca() {
        return Ok(());
    }
    Err(Refusal::IssuerNotCa)
}

fn issuer_may_sign_certificates(it: &Placed<'_>) -> Result<(), Refusal> {
    match it.certificate.key_usage() {
        Some(usage) if !usage.key_cert_sign() => {
            Err(Refusal::IssuerKeyUsage(it.certificate.place()))
        }
        _ => Ok(()),
    }
}

/// rustls-webpki asks this of every issuer but the root.
pub(super) fn may_sign_crls(root: &Certificate<'_>) -> bool {
    root.key_usage().is_none_or(|usage| usage.crl_sign())
}

fn path_is_short_enough(it: &Placed<'_>) -> Result<(), Refusal> {
    match it.certificate.path_length().flatten() {
        Some(allowed) if it.cas_below > allowed as usize => Err(Refusal::PathTooLong),
        _ => Ok(()),
    }
}

fn issuer_is_in_force(it: &Placed<'_>) -> Result<(), Refusal> {
    let is_root = it.certificate.place() == Place::Root;
    if it.now < it.certificate.not_before() {
        return Err(if is_root {
            Refusal::AnchorNotYetValid
        } else {
            Refusal::IssuerNotYetValid
        });
    }
    if it.now > it.certificate.not_after() {
        return Err(if is_root {
            Refusal::AnchorExpired
        } else {
            Refusal::IssuerExpired
        });
    }
    Ok(())
}
