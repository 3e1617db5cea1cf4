//! P-256 in software.

use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::keys::PublicKey;
use p256::AffinePoint;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::ecdsa::{self, SigningKey, VerifyingKey};
use p256::elliptic_curve::point::AffineCoordinates as _;

use crate::crypto::{KeyError, KeyOperations};

/// A private key in memory. Loading it costs a scalar multiplication, so it stays loaded.
#[derive(Debug)]
pub struct SoftwareKey {
    signing: SigningKey,
    public: PublicKey,
}

impl SoftwareKey {
    /// From the private scalar, 32 bytes big-endian; `None` if it is zero or not below the order.
    #[must_use]
    pub fn new(scalar: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(scalar).ok().map(Self::from)
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs deterministically (RFC 6979).
    pub fn sign(&self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        let signature: ecdsa::Signature = self
            .signing
            .sign_prehash(&message.digest().0)
            .map_err(|_| KeyError)?;
        Ok(signature.to_bytes().into())
    }
}

impl From<SigningKey> for SoftwareKey {
    fn from(signing: SigningKey) -> Self {
        let point = signing.verifying_key().to_sec1_point(false);
        let mut public = PublicKey {
            x: [0; 32],
            y: [0; 32],
        };
        // An uncompressed point of a valid key always has both coordinates.
        if let (Some(x), Some(y)) = (point.x(), point.y()) {
            public.x.copy_from_slice(x);
            public.y.copy_from_slice(y);
        }
        Self { signing, public }
    }
}

/// Whether `signature` over `message` is good under `key`.
#[must_use]
pub fn verify(key: &PublicKey, message: &SigStructure<'_>, signature: &Signature) -> bool {
    // From SEC 1 bytes it would link the decompression of points, three kilobytes.
    let point = AffinePoint::from_coordinates(&key.x.into(), &key.y.into());
    let Some(Ok(key)) = point.into_option().map(VerifyingKey::from_affine) else {
        return false;
    };
    let Ok(signature) = ecdsa::Signature::from_slice(signature) else {
        return false;
    };
    key.verify_prehash(&message.digest().0, &signature).is_ok()
}

/// [`KeyOperations`] of a key in memory, a chain in flash and a source of randomness.
#[derive(Debug)]
pub struct SoftwareKeys<'c, R> {
    key: SoftwareKey,
    chain: &'c [&'c [u8]],
    random: R,
}

impl<'c, R: FnMut(&mut [u8]) -> Result<(), KeyError>> SoftwareKeys<'c, R> {
    /// `chain` is DER, the leaf first and the root left out; `random` fills with entropy.
    pub const fn new(key: SoftwareKey, chain: &'c [&'c [u8]], random: R) -> Self {
        Self { key, chain, random }
    }
}

impl<R: FnMut(&mut [u8]) -> Result<(), KeyError>> KeyOperations for SoftwareKeys<'_, R> {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        self.chain.get(index).copied()
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
        verify(key, message, signature)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        (self.random)(bytes)
    }
}
