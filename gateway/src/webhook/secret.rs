//! What messages are signed with.

use std::fmt;

use data_encoding::BASE64;
use fleetgrant_core::domain::Timestamp;
use ring::hmac;

use super::MessageId;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a new one.
pub(super) const LENGTH: usize = 32;

/// A secret that the gateway and one endpoint share. `Display` writes it, `Debug` does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// The text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is {PREFIX} and 24 to 64 bytes in base64")]
pub struct InvalidSecret;

impl Secret {
    /// A new one, from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; LENGTH] = rand::random();
        Self(bytes.to_vec())
    }

    /// The secret of these bytes.
    #[must_use]
    pub const fn of(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads a secret as it is shown.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = BASE64.decode(encoded.as_bytes());
        bytes
            .ok()
            .filter(|bytes| (24..=64).contains(&bytes.len()))
            .map(Self)
            .ok_or(InvalidSecret)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The signature of a message, as the header `webhook-signature` bears it.
    #[must_use]
    pub fn sign(&self, id: &MessageId, at: Timestamp, payload: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{}.", at.seconds()).as_bytes());
        context.update(payload);
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(&self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The example of the specification's reference implementations.
    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = MessageId::of("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned());
        let at = Timestamp::from_seconds(1_614_265_330);
        assert_eq!(
            secret.sign(&id, at, br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_is_read_as_it_was_written_and_not_told_by_debug() {
        let secret = Secret::random();
        let text = secret.to_string();
        assert_eq!(Secret::parse(&text), Ok(secret.clone()));
        assert_ne!(Secret::random(), secret);
        assert!(!format!("{secret:?}").contains(&text[6..]));
        for wrong in ["", "whsec_", &text[6..], "whsec_AAAA", &format!("{text}A")] {
            assert_eq!(Secret::parse(wrong), Err(InvalidSecret), "{wrong}");
        }
    }
}
