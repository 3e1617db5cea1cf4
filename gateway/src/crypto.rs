//! Signatures: ES256 behind one trait, the authority's key, and the threads that do the work.
//!
//! *ring* is the one provider for TLS, path validation and COSE, and is always passed
//! explicitly: two providers in one process make rustls's default ambiguous, and then its
//! builders panic. p256 holds and converts keys, and is the portable second opinion.

pub mod authority;
pub mod es256;
pub mod key_set;
pub mod lane;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use authority::{AuthorityKey, AuthorityKeyError};
pub use es256::{
    Es256, P256PublicKey, Portable, Ring, SIGNATURE_LENGTH, SignatureRefused, SigningFailed,
};
pub use key_set::{KeySetError, PublishedKeySet};
pub use lane::{Lane, LaneClosed, Lanes, LanesConfig};

/// The TLS provider for every rustls builder of this crate.
#[must_use]
pub fn tls_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
