//! From a verified certificate and a signed message to an authenticated device.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fleetgrant_schemas::id::MessageDigest;
use sha2::{Digest as _, Sha256};

use super::device_identity::DeviceIdentity;
use crate::crypto::{Es256, SignatureRefused};

/// A certificate whose chain holds. Whoever presented it has proven nothing yet.
#[derive(Clone)]
pub struct VerifiedCertificate(pub(super) Arc<DeviceIdentity>);

/// A device that has signed the message with this digest with the key its factory certified.
#[derive(Clone)]
pub struct AuthenticatedDevice {
    identity: Arc<DeviceIdentity>,
    message: MessageDigest,
}

impl VerifiedCertificate {
    /// Checks that the certified key signed `sig_structure` (RFC 9052 section 4.4): only then is
    /// it the device that speaks. Takes some 50 µs, so call it on the verify lane.
    ///
    /// # Errors
    /// The signature is not that key's over those bytes.
    pub fn authenticate(
        &self,
        backend: &dyn Es256,
        sig_structure: &[u8],
        signature: &[u8],
    ) -> Result<AuthenticatedDevice, SignatureRefused> {
        backend.verify(self.0.public_key(), sig_structure, signature)?;
        Ok(AuthenticatedDevice {
            identity: Arc::clone(&self.0),
            message: MessageDigest(Sha256::digest(sig_structure).into()),
        })
    }
}

impl AuthenticatedDevice {
    /// The SHA-256 of what was signed: it identifies the message, whatever its signature's bytes.
    #[must_use]
    pub const fn message(&self) -> MessageDigest {
        self.message
    }
}

impl Deref for VerifiedCertificate {
    type Target = DeviceIdentity;
    fn deref(&self) -> &DeviceIdentity {
        &self.0
    }
}

impl Deref for AuthenticatedDevice {
    type Target = DeviceIdentity;
    fn deref(&self) -> &DeviceIdentity {
        &self.identity
    }
}

impl fmt::Debug for VerifiedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedCertificate").field(&self.0).finish()
    }
}

impl fmt::Debug for AuthenticatedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatedDevice")
            .field("identity", &self.identity)
            .field("message", &self.message)
            .finish()
    }
}
