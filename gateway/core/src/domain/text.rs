//! Names that cross the wire, owned.

use std::fmt;
use std::sync::Arc;

use fleetgrant_schemas::{id, limits};

/// A text is empty, too long or has characters that may not stand in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no {kind}: {wanted}")]
pub struct InvalidText {
    kind: &'static str,
    wanted: &'static str,
    value: String,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $wanted:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text.
            pub fn new(text: &str) -> Result<Self, InvalidText> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidText {
                        kind: $kind,
                        wanted: $wanted,
                        value: text.chars().take(80).collect(),
                    })
                }
            }

            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text!(
    /// A device id, owned; see [`fleetgrant_schemas::id::DeviceId`].
    DeviceId, "device id", "1 to 64 of A-Z a-z 0-9 . _ -",
    |text| id::DeviceId::new(text).is_ok()
);
text!(
    /// The name of a feature, as the firmware asks for it.
    FeatureName, "feature name", "1 to 32 printable ASCII characters without spaces",
    |text| (1..=limits::MAX_FEATURE).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
);
text!(
    /// The name of an installation; devices take nothing from another realm.
    Realm, "realm", "1 to 64 bytes of UTF-8 without control characters",
    |text| (1..=limits::MAX_REALM).contains(&text.len()) && !text.chars().any(char::is_control)
);
text!(
    /// The name of a tier of parties.
    TierName, "tier", "1 to 32 of a-z 0-9 -",
    |text| (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

text!(
    /// Why somebody did something, in their words.
    ActReason, "reason", "1 to 256 characters, none of them a control character, and not blank",
    |text| (1..=256).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
);

impl From<id::DeviceId<'_>> for DeviceId {
    fn from(id: id::DeviceId<'_>) -> Self {
        Self(id.as_str().into())
    }
}
