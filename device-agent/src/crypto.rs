//! What the agent needs of the device's key: behind this trait stands software, a secure element
//! or an accelerator.

use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::keys::PublicKey;

/// The device's key, its certificates, the check of others' signatures, and randomness.
///
/// Both directions are ES256: ECDSA on P-256 over [`SigStructure::digest`]. A signature is
/// `r ‖ s`, 32 bytes each, big-endian.
pub trait KeyOperations {
    /// The public half of the device's key: the one its certificate bears.
    fn public_key(&self) -> PublicKey;

    /// The DER of one certificate of the chain: the leaf at 0, then its issuers, the root left
    /// out; `None` past the last. At most 4 are sent.
    fn certificate(&self, index: usize) -> Option<&[u8]>;

    /// Signs with the device's key. Signing twice may give two signatures.
    fn sign(&mut self, message: &SigStructure<'_>) -> Result<Signature, KeyError>;

    /// Whether `signature` is good under `key`. Both high and low s are; r or s of zero, or at
    /// or above the group's order, and a key that is no point of the curve are not.
    fn verify(
        &mut self,
        key: &PublicKey,
        message: &SigStructure<'_>,
        signature: &Signature,
    ) -> bool;

    /// Fills with bytes nobody can guess: nonces are made of them.
    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError>;
}

/// The key store could not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl core::fmt::Display for KeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the key store failed")
    }
}

impl core::error::Error for KeyError {}
