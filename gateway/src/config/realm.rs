//! The name of an installation.

use std::fmt;

use fleetgrant_schemas::limits;

use super::ConfigError;

/// The name of an installation: `iss` down and `aud` up on the wire. Devices are provisioned with
/// it, so it cannot be changed later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(String);

impl Realm {
    pub(super) fn parse(text: Option<String>) -> Result<Self, ConfigError> {
        let text = text.ok_or(ConfigError::Missing {
            key: "realm",
            hint: "name the installation, as realm = \"acme\"; `fleetgrant quickstart` makes a \
                   configuration to start from",
        })?;
        let fits = (1..=limits::MAX_REALM).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
        if fits {
            Ok(Self(text))
        } else {
            Err(ConfigError::invalid(
                "realm",
                format!("{text:?}"),
                "1 to 64 of a-z 0-9 . -",
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
