//! Who is it? X.509 device identity, from a chain of certificates to an authenticated device.
//!
//! A device proves itself by a certificate from its factory (an IDevID, IEEE 802.1AR) and by
//! signing with the key in it. [`DeviceVerifier::verify`] turns a chain into a
//! [`VerifiedCertificate`]; that alone proves nothing, since certificates are public.
//! [`VerifiedCertificate::authenticate`] turns it and a signed message into an
//! [`AuthenticatedDevice`], which nothing else can make.
//!
//! The TLS wall ([`PeerVerifier`]) and the message wall go through the same verifier, so neither
//! refuses what the other admits. Path validation is rustls-webpki's (`chain.rs`); what it leaves
//! out is one list of rules (`rules.rs`).

pub mod pem_files;

mod anchor;
mod authenticate;
mod cache;
mod certificate;
mod chain;
mod device_id;
mod device_identity;
mod identity_rule;
mod refusal;
mod revocation;
mod rules;
mod tls;
mod verifier;
mod webpki_error;

#[cfg(test)]
mod tests;

pub use anchor::{
    AdmissionMode, AnchorConfig, AnchorError, AnchorMaterial, CrlCoverage, TrustAnchor,
};
pub use authenticate::{AuthenticatedDevice, VerifiedCertificate};
pub use chain::InvalidTrust;
pub use device_id::{IdPrefix, InvalidIdPrefix, device_id};
pub use device_identity::{Admission, DeviceIdentity, StoredCredential, TrustDigest};
pub use identity_rule::{IdentityRule, InvalidIdentityRule};
pub use refusal::{Place, Refusal};
pub use revocation::InvalidCrl;
pub use rules::Purpose;
pub use tls::{PeerIdentity, PeerVerifier, Role, RoleIdentity, RoleVerifier, SharedRoot};
pub use verifier::{DeviceVerifier, VerifierError};
