//! Why a certificate or chain is not accepted: one variant a reason.

use std::fmt;

/// Which certificate a refusal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The one whose key signs messages.
    Leaf,
    /// A CA between the leaf and the root; 1 issued the leaf.
    Issuer(usize),
    /// The configured root.
    Root,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf => f.write_str("the device's certificate"),
            Self::Issuer(1) => f.write_str("the issuing CA's certificate"),
            Self::Issuer(n) => write!(f, "the certificate of CA {n} above the device"),
            Self::Root => f.write_str("the root certificate"),
        }
    }
}

/// Why a certificate is refused. [`Refusal::name`] is stable; the sentence is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No certificate at all.
    #[error("no certificate was presented")]
    NoCertificate,
    /// More certificates than are read.
    #[error("{count} certificates were presented; at most {max} are read, without the root")]
    ChainTooLong {
        /// Presented.
        count: usize,
        /// Read.
        max: usize,
    },
    /// One certificate is larger than is read.
    #[error("{place} has {length} bytes; at most {max} are read")]
    CertificateTooLong {
        /// Which.
        place: Place,
        /// Its bytes.
        length: usize,
        /// Bytes read.
        max: usize,
    },
    /// Not an X.509 certificate in DER.
    #[error("{place} is no well-formed X.509 certificate: {detail}")]
    Malformed {
        /// Which.
        place: Place,
        /// What the parser saw.
        detail: String,
    },
    /// Bytes after the certificate.
    #[error("{count} bytes follow {place}; it would have more than one reading")]
    TrailingBytes {
        /// Which.
        place: Place,
        /// How many.
        count: usize,
    },
    /// Version 1 or 2: it has no extensions that could limit it.
    #[error("{0} is X.509 version 1 or 2; only version 3 is accepted")]
    NotVersion3(Place),
    /// The same extension twice (RFC 5280 section 4.2).
    #[error("{place} has extension {oid} twice")]
    DuplicateExtension {
        /// Which.
        place: Place,
        /// Its OID.
        oid: String,
    },
    /// A critical extension nobody here understands (RFC 5280 section 4.2).
    #[error("{place} has the critical extension {oid}, which is not understood")]
    UnknownCriticalExtension {
        /// Which.
        place: Place,
        /// Its OID.
        oid: String,
    },
    /// The leaf is a CA.
    #[error("the device's certificate is a CA's")]
    LeafIsCa,
    /// The leaf's key is of another kind.
    #[error("the device's key is {found}; only P-256 is accepted")]
    LeafKeyNotP256 {
        /// What it is.
        found: String,
    },
    /// The leaf's key is compressed or off the curve.
    #[error("the device's key is no uncompressed point on P-256")]
    LeafKeyInvalid,
    /// keyUsage without digitalSignature.
    #[error("the device's certificate has a keyUsage without digitalSignature")]
    LeafKeyUsage,
    /// EKU without clientAuth.
    #[error("the device's certificate has an extendedKeyUsage with neither clientAuth nor any")]
    LeafExtendedKeyUsage,
    /// Before the leaf's notBefore.
    #[error("the device's certificate is not valid yet; is the gateway's clock right?")]
    NotYetValid,
    /// Before an intermediate's notBefore.
    #[error("the certificate of a CA above the device is not valid yet")]
    IssuerNotYetValid,
    /// Before the root's notBefore.
    #[error("the root certificate is not valid yet")]
    AnchorNotYetValid,
    /// After the leaf's notAfter.
    #[error("the device's certificate has expired")]
    Expired,
    /// After an intermediate's notAfter.
    #[error("the certificate of a CA above the device has expired")]
    IssuerExpired,
    /// After the root's notAfter.
    #[error("the root certificate has expired")]
    AnchorExpired,
    /// No path to a configured root.
    #[error("no configured root or intermediate is the issuer; is the issuing CA missing?")]
    UnknownIssuer,
    /// A signature in the path does not verify.
    #[error("a signature in the chain is not its issuer's")]
    BadSignature,
    /// basicConstraints lacks CA:TRUE.
    #[error("a certificate used as an issuer does not say CA:TRUE")]
    IssuerNotCa,
    /// keyUsage lacks keyCertSign.
    #[error("{0} has a keyUsage without keyCertSign, so it may not issue")]
    IssuerKeyUsage(Place),
    /// An issuer's EKU allows neither clientAuth nor any.
    #[error("a CA above the device has an extendedKeyUsage with neither clientAuth nor any")]
    IssuerExtendedKeyUsage,
    /// The issuer's key is of type id-RSASSA-PSS.
    #[error(
        "an issuer's key is of type id-RSASSA-PSS, which is not supported; a key of type \
         rsaEncryption that signs with RSASSA-PSS is"
    )]
    IssuerKeyRsassaPss,
    /// An algorithm that is not supported.
    #[error("an issuer's key or signature algorithm is not supported ({0})")]
    UnsupportedAlgorithm(String),
    /// A pathLen is exceeded, or the path is too deep.
    #[error("the path has more CAs than an issuer's path length allows")]
    PathTooLong,
    /// Name constraints are violated, or not understood.
    #[error("a name in the chain breaks an issuer's name constraints")]
    NameConstraint,
    /// Too much work to find a path.
    #[error("the chain takes too many steps to verify")]
    PathTooComplex,
    /// On a CRL.
    #[error("the device's certificate or a CA's above it is revoked")]
    Revoked,
    /// No CRL says whether it is revoked.
    #[error(
        "no CRL covers the device's certificate, or a CA's above it: add the CRLs of their issuers \
         to crls, or let what is not covered pass by crl_coverage"
    )]
    RevocationUnknown,
    /// A CRL that covers the chain cannot be used.
    #[error("the CRL that covers this chain cannot be used: {0}")]
    CrlUnusable(String),
    /// The identity rule finds nothing.
    #[error("the certificate has no {rule}, or it is empty or no text")]
    NoUsableIdentity {
        /// The rule.
        rule: String,
    },
    /// The identity rule finds more than one.
    #[error("the certificate has more than one {rule}, so its identity is ambiguous")]
    DuplicateIdentity {
        /// The rule.
        rule: String,
    },
    /// A role certificate that names no role.
    #[error("the certificate is from the role CA but its subject's OU names no known role")]
    UnknownRole,
}

impl Refusal {
    /// The stable name: in metrics, in logs, and on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::ChainTooLong { .. } => "chain-too-long",
            Self::CertificateTooLong { .. } => "certificate-too-long",
            Self::Malformed { .. } => "malformed",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::NotVersion3(_) => "not-version-3",
            Self::DuplicateExtension { .. } => "duplicate-extension",
            Self::UnknownCriticalExtension { .. } => "unknown-critical-extension",
            Self::LeafIsCa => "leaf-is-ca",
            Self::LeafKeyNotP256 { .. } => "leaf-key-not-p256",
            Self::LeafKeyInvalid => "leaf-key-invalid",
            Self::LeafKeyUsage => "leaf-key-usage",
            Self::LeafExtendedKeyUsage => "leaf-extended-key-usage",
            Self::NotYetValid => "not-yet-valid",
            Self::IssuerNotYetValid => "issuer-not-yet-valid",
            Self::AnchorNotYetValid => "anchor-not-yet-valid",
            Self::Expired => "expired",
            Self::IssuerExpired => "issuer-expired",
            Self::AnchorExpired => "anchor-expired",
            Self::UnknownIssuer => "unknown-issuer",
            Self::BadSignature => "bad-signature",
            Self::IssuerNotCa => "issuer-not-ca",
            Self::IssuerKeyUsage(_) => "issuer-key-usage",
            Self::IssuerExtendedKeyUsage => "issuer-extended-key-usage",
            Self::IssuerKeyRsassaPss => "issuer-key-rsassa-pss",
            Self::UnsupportedAlgorithm(_) => "unsupported-algorithm",
            Self::PathTooLong => "path-too-long",
            Self::NameConstraint => "name-constraint",
            Self::PathTooComplex => "path-too-complex",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
            Self::CrlUnusable(_) => "crl-unusable",
            Self::NoUsableIdentity { .. } => "no-usable-identity",
            Self::DuplicateIdentity { .. } => "duplicate-identity",
            Self::UnknownRole => "unknown-role",
        }
    }
}
