//! What people call a webhook.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// The name of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookName(String);

/// The text cannot name a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's name has 1 to {LONGEST} of A-Z a-z 0-9 . _ -")]
pub struct InvalidWebhookName;

impl WebhookName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebhookName {
    type Err = InvalidWebhookName;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookName> {
        let fits = (1..=LONGEST).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidWebhookName)
        }
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
