//! A key in memory, with the operating system's randomness.

use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::keys::PublicKey;
use p256::ecdsa::{SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rand::TryRng as _;

use crate::crypto::{KeyError, KeyOperations};
use crate::software::{self, SoftwareKey};

/// The bytes hold no P-256 private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no P-256 private key in PKCS#8")]
pub struct InvalidKey;

/// The text holds no P-256 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no P-256 public key in PEM (BEGIN PUBLIC KEY)")]
pub struct InvalidPublicKey;

/// A device's key and its certificates.
#[derive(Debug)]
pub struct HostKeys {
    key: SoftwareKey,
    chain: Vec<Vec<u8>>,
}

impl HostKeys {
    /// From PKCS#8 in DER, and the chain in DER: the leaf first, the root left out.
    ///
    /// # Errors
    /// The key is none of P-256.
    pub fn from_pkcs8_der(key: &[u8], chain: Vec<Vec<u8>>) -> Result<Self, InvalidKey> {
        let key = SigningKey::from_pkcs8_der(key).map_err(|_| InvalidKey)?;
        Ok(Self {
            key: key.into(),
            chain,
        })
    }

    /// Bytes of all certificates.
    pub(super) fn chain_len(&self) -> usize {
        self.chain.iter().map(Vec::len).sum()
    }
}

/// A public key in PEM (SubjectPublicKeyInfo), as the authority's and the roots' are handed out.
///
/// # Errors
/// It is none of P-256.
pub fn public_key_from_pem(pem: &str) -> Result<PublicKey, InvalidPublicKey> {
    let key = VerifyingKey::from_public_key_pem(pem).map_err(|_| InvalidPublicKey)?;
    let point = key.to_sec1_point(false);
    let point = point.as_bytes().try_into().map_err(|_| InvalidPublicKey)?;
    PublicKey::from_sec1(point).ok_or(InvalidPublicKey)
}

impl KeyOperations for &HostKeys {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        self.chain.get(index).map(Vec::as_slice)
    }

    fn sign(&mut self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        self.key.sign(message)
    }

    fn verify(
        &mut self,
        key: &PublicKey,
        message: &SigStructure<'_>,
        signature: &Signature,
    ) -> bool {
        software::verify(key, message, signature)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        rand::rngs::SysRng
            .try_fill_bytes(bytes)
            .map_err(|_| KeyError)
    }
}
