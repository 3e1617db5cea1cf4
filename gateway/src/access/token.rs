//! The secret of a key.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

/// What every token begins with, so that scanners for leaked secrets know one.
const PREFIX: &str = "fgk_";

/// The secret: 256 random bits. `Display` writes it, `Debug` does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// What is kept of a token: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl Token {
    /// A new one, from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads what a caller sent; none, if it cannot be a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        let mut token = [0; 32];
        if BASE64URL_NOPAD.decode_len(encoded.len()) != Ok(token.len()) {
            return None;
        }
        BASE64URL_NOPAD
            .decode_mut(encoded.as_bytes(), &mut token)
            .ok()?;
        Some(Self(token))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.to_string()), Some(token.clone()));
        assert_ne!(Token::random(), token);
        assert!(!format!("{token:?}").contains(&token.to_string()[4..]));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let token = Token([0xa5; 32]).to_string();
        for text in [
            "",
            "fgk_",
            &token[4..],
            &token[..token.len() - 1],
            &format!("{token}A"),
            &token.replace("paWl", "pa/l"),
            &format!("Fgk_{}", &token[4..]),
            &"x".repeat(100_000),
        ] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
