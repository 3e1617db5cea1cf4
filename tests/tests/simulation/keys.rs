//! Signatures. Most schedules sign with a hash, a few with P-256.

use std::sync::Arc;

use fleetgrant_agent::software::{self, SoftwareKey};
use fleetgrant_agent::{KeyError, KeyOperations};
use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::keys::PublicKey;
use sha2::{Digest, Sha256};

use crate::cast::Identity;
use crate::chance::Chance;

/// What signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// SHA-256 over the public key and what is signed. Everybody could forge it; nobody here
    /// does, since the broker repeats only what it has seen. A thousand times faster than P-256.
    Hash,
    /// What devices use.
    P256,
}

/// A key pair of either scheme.
#[derive(Clone, Debug)]
pub(crate) enum KeyPair {
    Hash(PublicKey),
    P256(Arc<SoftwareKey>),
}

impl KeyPair {
    pub(crate) fn new(scheme: Scheme, seed: u8) -> Self {
        match scheme {
            Scheme::Hash => Self::Hash(PublicKey {
                x: [seed; 32],
                y: [0xff; 32],
            }),
            Scheme::P256 => Self::P256(Arc::new(SoftwareKey::new(&[seed; 32]).unwrap())),
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::Hash(public) => *public,
            Self::P256(key) => key.public_key(),
        }
    }

    pub(crate) fn sign(&self, message: &SigStructure<'_>) -> Signature {
        match self {
            Self::Hash(public) => hash(public, message),
            Self::P256(key) => key.sign(message).unwrap(),
        }
    }

    /// Checks another's signature, which is of the same scheme.
    pub(crate) fn verify(
        &self,
        key: &PublicKey,
        message: &SigStructure<'_>,
        signature: &Signature,
    ) -> bool {
        match self {
            Self::Hash(_) => hash(key, message) == *signature,
            Self::P256(_) => software::verify(key, message, signature),
        }
    }
}

fn hash(key: &PublicKey, message: &SigStructure<'_>) -> Signature {
    let digest = Sha256::new()
        .chain_update(key.x)
        .chain_update(message.digest().0)
        .finalize();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&digest);
    signature[32..].copy_from_slice(&digest);
    signature
}

/// The key operations of a device that was started with this luck.
#[derive(Debug)]
pub(crate) struct DeviceKeys {
    pub(crate) identity: &'static Identity,
    pub(crate) luck: Chance,
}

impl KeyOperations for DeviceKeys {
    fn public_key(&self) -> PublicKey {
        self.identity.key.public()
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        (index == 0).then_some(self.identity.certificate)
    }

    fn sign(&mut self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        Ok(self.identity.key.sign(message))
    }

    fn verify(
        &mut self,
        key: &PublicKey,
        message: &SigStructure<'_>,
        signature: &Signature,
    ) -> bool {
        self.identity.key.verify(key, message, signature)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        self.luck.fill(bytes);
        Ok(())
    }
}
