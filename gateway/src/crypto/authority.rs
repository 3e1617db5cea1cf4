//! The key that signs grants and notices.

use std::fmt;
use std::path::{Path, PathBuf};

use fleetgrant_core::domain::Timestamp;
use fleetgrant_schemas::id::{KeyId, KeyThumbprint};
use p256::pkcs8::DecodePrivateKey as _;

use super::es256::{
    Es256 as _, InvalidKey, P256PublicKey, Ring, SIGNATURE_LENGTH, SigningFailed, SigningKey,
};

/// Longest time an authority key may sign: a leap year, in seconds.
const MAX_LIFETIME: u64 = 366 * 86_400;

/// Why an authority key cannot be used. Says what to do about it, and nothing of the key.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityKeyError {
    /// The file cannot be read.
    #[error("cannot read the authority key {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} is no P-256 private key in PKCS#8 PEM (\"BEGIN PRIVATE KEY\"); make one with \
         `fleetgrant pki authority`",
        path.display()
    )]
    NotP256Pkcs8 {
        /// The file.
        path: PathBuf,
    },
    /// The validity is empty, or longer than a year.
    #[error(
        "the authority key may sign from {not_before} to {not_after}; it must be some time, and \
         at most a year: make a new key with the next epoch instead of a longer life"
    )]
    Validity {
        /// First moment.
        not_before: Timestamp,
        /// Last moment.
        not_after: Timestamp,
    },
}

/// A P-256 key that signs what devices receive, with the epoch and the time in which it may.
pub struct AuthorityKey {
    signing: Box<dyn SigningKey>,
    public: P256PublicKey,
    thumbprint: KeyThumbprint,
    epoch: u32,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl AuthorityKey {
    /// Loads a key from a PKCS#8 PEM file.
    ///
    /// # Errors
    /// See [`AuthorityKeyError`].
    pub fn load(
        path: &Path,
        epoch: u32,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Self, AuthorityKeyError> {
        if not_before >= not_after || not_before.plus_seconds(MAX_LIFETIME) < not_after {
            return Err(AuthorityKeyError::Validity {
                not_before,
                not_after,
            });
        }
        let pem =
            std::fs::read_to_string(path).map_err(|source| AuthorityKeyError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
        let not_a_key = || AuthorityKeyError::NotP256Pkcs8 {
            path: path.to_owned(),
        };
        let secret = p256::SecretKey::from_pkcs8_pem(&pem).map_err(|_| not_a_key())?;
        let public = P256PublicKey::from(secret.public_key());
        Ok(Self {
            signing: Ring
                .signing_key(&secret)
                .map_err(|InvalidKey| not_a_key())?,
            public,
            thumbprint: public.thumbprint(),
            epoch,
            not_before,
            not_after,
        })
    }

    /// Signs a Sig_structure: r‖s.
    ///
    /// # Errors
    /// The system's random number generator failed.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LENGTH], SigningFailed> {
        self.signing.sign(message)
    }

    /// Whether the key may sign at this moment; both ends belong to its validity.
    #[must_use]
    pub fn may_sign_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &P256PublicKey {
        &self.public
    }

    /// The COSE Key Thumbprint (RFC 9679).
    #[must_use]
    pub const fn thumbprint(&self) -> KeyThumbprint {
        self.thumbprint
    }

    /// What `kid` says in the protected header: the first 8 bytes of the thumbprint.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.thumbprint.key_id()
    }

    /// The epoch its grants bear.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// First moment at which it may sign.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last moment at which it may sign.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

impl fmt::Debug for AuthorityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityKey")
            .field("kid", &self.key_id())
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
