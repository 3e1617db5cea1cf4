//! From a certificate's identity to the device id that topics bear.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use fleetgrant_core::domain::DeviceId;
use sha2::{Digest as _, Sha256};

/// Longest id prefix, in characters.
const MAX_PREFIX: usize = 8;

/// What ids that are hashes begin with; no [`IdPrefix`] is this.
const HASHED: &str = "x";

/// The id of the device with this identity: `{prefix}-{identity}` where that is a device id, else
/// `x-` and the lower-case, unpadded base32 of SHA-256(prefix ‖ 0x00 ‖ identity). Prefixes have
/// no `-` and none is `x`, so ids under two prefixes never collide.
#[must_use]
pub fn device_id(prefix: &IdPrefix, identity: &[u8]) -> DeviceId {
    std::str::from_utf8(identity)
        .ok()
        .filter(|text| !text.is_empty())
        .and_then(|text| DeviceId::new(&format!("{prefix}-{text}")).ok())
        .unwrap_or_else(|| {
            let hash = Sha256::new()
                .chain_update(prefix.as_str())
                .chain_update([0])
                .chain_update(identity)
                .finalize();
            let hash = BASE32_NOPAD.encode(&hash).to_ascii_lowercase();
            DeviceId::new(&format!("{HASHED}-{hash}")).expect("54 of a-z 2-7 -")
        })
}

/// What the ids of one product line begin with: 1 to 8 of `a-z 0-9`, and not `x`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdPrefix(String);

/// The text is no id prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id prefix: 1 to 8 of a-z 0-9, and not `x`, which marks hashed ids")]
pub struct InvalidIdPrefix(String);

impl IdPrefix {
    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdPrefix {
    type Err = InvalidIdPrefix;
    fn from_str(text: &str) -> Result<Self, InvalidIdPrefix> {
        let fits = (1..=MAX_PREFIX).contains(&text.len());
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if fits && plain && text != HASHED {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdPrefix(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for IdPrefix {
    type Error = InvalidIdPrefix;
    fn try_from(text: String) -> Result<Self, InvalidIdPrefix> {
        text.parse()
    }
}

impl From<IdPrefix> for String {
    fn from(prefix: IdPrefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(prefix: &str, identity: &[u8]) -> String {
        device_id(&prefix.parse().unwrap(), identity).to_string()
    }

    #[test]
    fn what_fits_is_readable() {
        assert_eq!(id("acme", b"SN-0001"), "acme-SN-0001");
        assert_eq!(id("a", b"._-"), "a-._-");
        assert_eq!(id("acme", &[b'7'; 59]).len(), 64);
    }

    #[test]
    fn what_does_not_fit_is_hashed() {
        // printf 'acme\0SN 1' | sha256sum, in base32.
        assert_eq!(
            id("acme", b"SN 1"),
            "x-vpaus4qfjqr5yipgfmyotqnnhvep5gm235btvshf42ektzigmrzq"
        );
        for identity in [
            &b""[..],
            &[b'7'; 60],
            b"a/b",
            b"a+b",
            b"#",
            b"\xff\x00",
            "é".as_bytes(),
        ] {
            let hashed = id("acme", identity);
            assert!(hashed.starts_with("x-") && DeviceId::new(&hashed).is_ok());
        }
    }

    #[test]
    fn prefixes_keep_identities_apart() {
        assert_ne!(
            id("ab", b"c-d"),
            id("ab-c".split('-').next().unwrap(), b"d")
        );
        assert_ne!(id("a", b"b c"), id("ab", b" c"));
        assert_ne!(id("a", b"\0b"), id("b", b"\0b"));
    }

    #[test]
    fn a_prefix_is_short_plain_and_not_x() {
        for good in ["a", "x1", "xx", "12345678", "acme"] {
            assert_eq!(good.parse::<IdPrefix>().unwrap().as_str(), good);
        }
        for bad in ["", "x", "A", "a-b", "123456789", "é", "a b"] {
            assert!(bad.parse::<IdPrefix>().is_err(), "{bad}");
        }
    }
}
