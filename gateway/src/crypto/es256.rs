//! ES256: ECDSA on P-256 with SHA-256, signatures as r‖s (RFC 9053 section 2.1).
//!
//! Both high-s and low-s signatures are valid, so a signature's bytes identify nothing: what
//! identifies a message is the SHA-256 of what was signed.

use std::fmt;

use fleetgrant_schemas::id::KeyThumbprint;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use ring::rand::SystemRandom;
use ring::signature as ring_signature;

/// Bytes of r‖s.
pub const SIGNATURE_LENGTH: usize = 64;

/// Bytes of an uncompressed point: 0x04, x, y (SEC 1 section 2.3.3).
const POINT_LENGTH: usize = 65;

/// A backend: verifies signatures and makes signing keys.
pub trait Es256: fmt::Debug + Send + Sync {
    /// Checks a signature over `message`, which is hashed here.
    ///
    /// # Errors
    /// A signature of the wrong length, with r or s out of `1..n`, or that does not match.
    fn verify(
        &self,
        key: &P256PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureRefused>;

    /// Prepares a private key for signing.
    ///
    /// # Errors
    /// The backend does not take the key.
    fn signing_key(&self, secret: &p256::SecretKey) -> Result<Box<dyn SigningKey>, InvalidKey>;
}

/// A private key, loaded.
pub trait SigningKey: Send + Sync {
    /// Signs `message`, which is hashed here.
    ///
    /// # Errors
    /// The system's random number generator failed.
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LENGTH], SigningFailed>;
}

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefused {
    /// Not 64 bytes.
    #[error("a signature is 64 bytes, r then s; this one is {0}")]
    Length(usize),
    /// r or s lies outside `1..n`, or the key did not sign this.
    #[error("the signature does not match the message and the key")]
    Mismatch,
}

/// The key is no P-256 key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 key in uncompressed form")]
pub struct InvalidKey;

/// No randomness was to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random number generator failed while signing")]
pub struct SigningFailed;

/// A point on P-256 that is not the identity, uncompressed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct P256PublicKey([u8; POINT_LENGTH]);

impl P256PublicKey {
    /// Parses an uncompressed SEC 1 point and checks that it lies on the curve.
    ///
    /// # Errors
    /// Another length or form, or not on the curve.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let point: [u8; POINT_LENGTH] = bytes.try_into().map_err(|_| InvalidKey)?;
        p256::PublicKey::from_sec1_bytes(&point).map_err(|_| InvalidKey)?;
        Ok(Self(point))
    }

    /// 0x04, x, y.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; POINT_LENGTH] {
        &self.0
    }

    /// The COSE Key Thumbprint with SHA-256 (RFC 9679).
    #[must_use]
    pub fn thumbprint(&self) -> KeyThumbprint {
        let (mut x, mut y) = ([0; 32], [0; 32]);
        x.copy_from_slice(&self.0[1..33]);
        y.copy_from_slice(&self.0[33..]);
        KeyThumbprint::of_p256(&x, &y)
    }
}

impl From<p256::PublicKey> for P256PublicKey {
    fn from(key: p256::PublicKey) -> Self {
        use p256::elliptic_curve::sec1::ToSec1Point as _;
        let mut point = [0; POINT_LENGTH];
        point.copy_from_slice(key.to_sec1_point(false).as_bytes());
        Self(point)
    }
}

impl fmt::Debug for P256PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P256PublicKey({})", self.thumbprint())
    }
}

/// The backend in use: the library that TLS uses as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ring;

impl Es256 for Ring {
    fn verify(
        &self,
        key: &P256PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureRefused> {
        if signature.len() != SIGNATURE_LENGTH {
            return Err(SignatureRefused::Length(signature.len()));
        }
        ring_signature::UnparsedPublicKey::new(
            &ring_signature::ECDSA_P256_SHA256_FIXED,
            key.as_bytes(),
        )
        .verify(message, signature)
        .map_err(|_| SignatureRefused::Mismatch)
    }

    fn signing_key(&self, secret: &p256::SecretKey) -> Result<Box<dyn SigningKey>, InvalidKey> {
        let random = SystemRandom::new();
        let pair = ring_signature::EcdsaKeyPair::from_private_key_and_public_key(
            &ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret.to_bytes(),
            P256PublicKey::from(secret.public_key()).as_bytes(),
            &random,
        )
        .map_err(|_| InvalidKey)?;
        Ok(Box::new(RingKey { pair, random }))
    }
}

struct RingKey {
    pair: ring_signature::EcdsaKeyPair,
    random: SystemRandom,
}

impl SigningKey for RingKey {
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LENGTH], SigningFailed> {
        let signature = self
            .pair
            .sign(&self.random, message)
            .map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

/// The same in portable Rust, some five times slower.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Es256 for Portable {
    fn verify(
        &self,
        key: &P256PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureRefused> {
        if signature.len() != SIGNATURE_LENGTH {
            return Err(SignatureRefused::Length(signature.len()));
        }
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_bytes())
            .map_err(|_| SignatureRefused::Mismatch)?;
        let signature = p256::ecdsa::Signature::from_slice(signature)
            .map_err(|_| SignatureRefused::Mismatch)?;
        key.verify(message, &signature)
            .map_err(|_| SignatureRefused::Mismatch)
    }

    fn signing_key(&self, secret: &p256::SecretKey) -> Result<Box<dyn SigningKey>, InvalidKey> {
        Ok(Box::new(PortableKey(p256::ecdsa::SigningKey::from(secret))))
    }
}

struct PortableKey(p256::ecdsa::SigningKey);

impl SigningKey for PortableKey {
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LENGTH], SigningFailed> {
        let signature: p256::ecdsa::Signature =
            self.0.try_sign(message).map_err(|_| SigningFailed)?;
        Ok(signature.to_bytes().into())
    }
}

#[cfg(test)]
mod tests;
