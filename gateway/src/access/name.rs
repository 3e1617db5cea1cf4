//! What people call a key.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// The name of a key, which stands in the history as who acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

/// The text cannot name a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to {LONGEST} of A-Z a-z 0-9 . _ -")]
pub struct InvalidKeyName;

impl KeyName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(text: &str) -> Result<Self, InvalidKeyName> {
        let fits = (1..=LONGEST).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKeyName)
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
