//! From rustls-webpki's errors to our refusals.

use webpki::Error;
use x509_parser::asn1_rs::{FromDer as _, Oid};

use super::refusal::{Place, Refusal};

/// Why a CRL by such an issuer counts for nothing.
pub(super) const NO_CRL_SIGN: &str = "the issuer's keyUsage lacks cRLSign";

/// Whether an error speaks of how a certificate is built, and not of what it says.
pub(super) const fn is_about_form(error: &Error) -> bool {
    matches!(
        error,
        Error::UnsupportedCertVersion
            | Error::UnsupportedCriticalExtension
            | Error::ExtensionValueInvalid
            | Error::MalformedExtensions
            | Error::TrailingData(_)
            | Error::BadDer
            | Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
    )
}

/// The leaf has passed its rules by now, so what speaks of one certificate speaks of an issuer.
pub(super) fn refusal(error: &Error) -> Refusal {
    match error {
        Error::UnknownIssuer => Refusal::UnknownIssuer,
        Error::CertExpired { .. } => Refusal::IssuerExpired,
        Error::CertNotValidYet { .. } => Refusal::IssuerNotYetValid,
        Error::CertRevoked => Refusal::Revoked,
        Error::UnknownRevocationStatus => Refusal::RevocationUnknown,
        Error::InvalidSignatureForPublicKey => Refusal::BadSignature,
        Error::CaUsedAsEndEntity => Refusal::LeafIsCa,
        Error::EndEntityUsedAsCa => Refusal::IssuerNotCa,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            Refusal::IssuerExtendedKeyUsage
        }
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => Refusal::PathTooLong,
        Error::NameConstraintViolation
        | Error::MalformedNameConstraint
        | Error::InvalidNetworkMaskConstraint
        | Error::UnsupportedNameType => Refusal::NameConstraint,
        Error::MaximumSignatureChecksExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => Refusal::PathTooComplex,
        Error::UnsupportedSignatureAlgorithmContext(algorithm) => {
            unsupported(&algorithm.signature_algorithm_id)
        }
        Error::UnsupportedSignatureAlgorithmForPublicKeyContext(algorithm) => {
            unsupported(&algorithm.public_key_algorithm_id)
        }
        Error::CrlExpired { .. }
        | Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            Refusal::CrlUnusable(crl_detail(error).to_owned())
        }
        _ => malformed(Place::Issuer(1), error),
    }
}

/// Names the OID that an AlgorithmIdentifier begins with; the SEQUENCE around it is gone.
fn unsupported(algorithm: &[u8]) -> Refusal {
    let oid = Oid::from_der(algorithm).map(|(_, oid)| oid.to_id_string());
    Refusal::UnsupportedAlgorithm(oid.unwrap_or_else(|_| "unreadable".to_owned()))
}

const fn crl_detail(error: &Error) -> &'static str {
    match error {
        Error::CrlExpired { .. } => "it is past its nextUpdate",
        Error::InvalidCrlSignatureForPublicKey => "its signature is not the issuer's",
        Error::IssuerNotCrlSigner => NO_CRL_SIGN,
        _ => "its signature algorithm is not supported",
    }
}

/// The library could not read a certificate.
pub(super) fn malformed(place: Place, error: &Error) -> Refusal {
    Refusal::Malformed {
        place,
        detail: error.to_string(),
    }
}
