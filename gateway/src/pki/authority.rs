//! Making the key that signs grants.

use std::path::{Path, PathBuf};

use fleetgrant_core::domain::Timestamp;
use fleetgrant_schemas::id::KeyThumbprint;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};

use super::error::PkiError;
use super::files::{self, Readable};
use crate::crypto::P256PublicKey;

/// How long a new authority key may sign, in seconds.
const LIFETIME: u64 = 365 * 86_400;

/// A new authority key, and what the configuration must say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuthority {
    /// Its file, PKCS#8 in PEM.
    pub key: PathBuf,
    /// The epoch its grants bear.
    pub epoch: u32,
    /// First moment at which it may sign.
    pub not_before: Timestamp,
    /// Last moment at which it may sign.
    pub not_after: Timestamp,
    /// The public key: what devices pin.
    pub public_key: P256PublicKey,
}

impl NewAuthority {
    /// Makes a key for an epoch in `folder`, beside its public half as PEM.
    ///
    /// # Errors
    /// A file exists already or cannot be written.
    pub fn create(folder: &Path, epoch: u32, now: Timestamp) -> Result<Self, PkiError> {
        let name = match epoch {
            1 => "authority".to_owned(),
            epoch => format!("authority-{epoch}"),
        };
        let key = folder.join(format!("{name}.key"));
        let public = folder.join(format!("{name}.pub"));
        let damaged = |path: &Path| PkiError::Damaged {
            path: path.to_owned(),
            reason: "the key could not be encoded".to_owned(),
        };
        let secret = p256::SecretKey::generate();
        let secret_pem = secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| damaged(&key))?;
        let public_pem = secret
            .public_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| damaged(&public))?;
        files::write_new(&key, &secret_pem, Readable::Owner)?;
        files::write_new(&public, &public_pem, Readable::All)?;
        let not_before = Timestamp::from_seconds(now.seconds());
        Ok(Self {
            key,
            epoch,
            not_before,
            not_after: not_before.plus_seconds(LIFETIME),
            public_key: secret.public_key().into(),
        })
    }

    /// The COSE Key Thumbprint (RFC 9679).
    #[must_use]
    pub fn thumbprint(&self) -> KeyThumbprint {
        self.public_key.thumbprint()
    }
}
