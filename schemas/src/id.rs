//! Typed identifiers of the wire. None allocates; what borrows, borrows from the message.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::limits;
use crate::values::Values;

/// A device id: 1 to 64 of `A-Z a-z 0-9 . _ -`. The topic bears it, the certificate proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId<'b>(&'b str);

/// The text is no device id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDeviceId;

impl fmt::Display for InvalidDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device id is 1 to 64 of A-Z a-z 0-9 . _ -")
    }
}

impl core::error::Error for InvalidDeviceId {}

impl<'b> DeviceId<'b> {
    /// Parses a device id.
    pub fn new(text: &'b str) -> Result<Self, InvalidDeviceId> {
        let fits = (1..=limits::MAX_DEVICE_ID).contains(&text.len());
        if fits && text.bytes().all(Self::is_allowed) {
            Ok(Self(text))
        } else {
            Err(InvalidDeviceId)
        }
    }

    /// Takes out what was read as one.
    pub(crate) fn take(values: &mut Values<'b>) -> Self {
        Self(values.text())
    }

    /// Whether a byte may stand in a device id.
    #[must_use]
    pub const fn is_allowed(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
    }

    /// The id as text.
    #[must_use]
    pub const fn as_str(&self) -> &'b str {
        self.0
    }
}

impl fmt::Display for DeviceId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

bytes_id!(
    /// One activation of units on one device; the device names it in acks and usage totals.
    ActivationId, 16
);
bytes_id!(
    /// CWT id of a grant or notice (RFC 8392 section 3.1.7).
    Cti, 16
);
bytes_id!(
    /// What a device draws afresh for each request and keeps for its retries.
    DeviceNonce, 16
);
bytes_id!(
    /// What the gateway sends with each grant, and the device echoes to prove a request is fresh.
    Challenge, 16
);
bytes_id!(
    /// The public half of an activation code.
    CodeId, 5
);
bytes_id!(
    /// Proof that the device was given the secret half of a code (HMAC-SHA-256).
    CodeProof, 32
);
bytes_id!(
    /// COSE Key Thumbprint with SHA-256 of a P-256 key (RFC 9679).
    KeyThumbprint, 32
);
bytes_id!(
    /// The first 8 bytes of an authority key's thumbprint.
    KeyId, 8
);
bytes_id!(
    /// SHA-256 of a certificate's DER, as in `x5t` (RFC 9360).
    CertificateThumbprint, 32
);
bytes_id!(
    /// SHA-256 of the Sig_structure: what was signed, whatever the signature's bytes.
    MessageDigest, 32
);

/// Writes bytes in lower-case hex. Formatting each by itself takes ten times as long, and every
/// event of the history names some.
///
/// # Errors
/// Those of the formatter.
pub fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for bytes in bytes.chunks(32) {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        let text = core::str::from_utf8(&text[..2 * bytes.len()]).map_err(|_| fmt::Error)?;
        f.write_str(text)?;
    }
    Ok(())
}

/// SHA-256 of the parts, one behind the other.
#[must_use]
#[inline(never)]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

impl KeyThumbprint {
    /// The thumbprint of the P-256 key with these affine coordinates (RFC 9679 section 4.2).
    #[must_use]
    pub fn of_p256(x: &[u8; 32], y: &[u8; 32]) -> Self {
        // {1: 2, -1: 1, -2: x, -3: y} in deterministic encoding.
        Self(sha256(&[
            b"\xa4\x01\x02\x20\x01\x21\x58\x20",
            x,
            b"\x22\x58\x20",
            y,
        ]))
    }

    /// The key id an authority key with this thumbprint signs under.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.0[..8]);
        KeyId(id)
    }
}
