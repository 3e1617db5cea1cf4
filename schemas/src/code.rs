//! Activation codes: what a person types, and what the device sends instead.
//!
//! A code is 25 Crockford base32 characters in groups of five: 8 for the id (5 bytes), 16 for
//! the secret (10 bytes) and one check character. The secret never travels: the device sends
//! the id and an HMAC that binds the secret to its realm, its key and one request.

use core::fmt;
use core::str::FromStr;

use hmac::{KeyInit, Mac, SimpleHmac};
use sha2::Sha256;

use crate::id::{CodeId, CodeProof, DeviceNonce, KeyThumbprint, sha256};
use crate::writer::Writer;

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DATA_CHARACTERS: usize = 24;
const CHARACTERS: usize = DATA_CHARACTERS + 1;
/// Characters of a code that are its id.
const ID_CHARACTERS: usize = 8;

/// A code as it was typed. It is not printed by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ActivationCode {
    /// Names the code; not secret.
    pub id: CodeId,
    /// Proves that one was given it.
    pub secret: [u8; 10],
}

/// What a device sends of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeClaim {
    /// Which code.
    pub id: CodeId,
    /// That it knows the secret.
    pub proof: CodeProof,
}

/// SHA-256 of a code's secret: all that the gateway keeps. It is not printed by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeKey(pub [u8; 32]);

/// The text is no activation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidCode {
    /// Not 25 characters, separators aside.
    Length,
    /// A character outside the alphabet.
    Character(char),
    /// The check character does not fit: a typing error.
    Check,
}

impl fmt::Display for InvalidCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("a code has 25 characters in five groups of five"),
            Self::Character(c) => write!(f, "{c:?} never stands in a code"),
            Self::Check => f.write_str("a character is mistyped or two are swapped"),
        }
    }
}

impl core::error::Error for InvalidCode {}

impl ActivationCode {
    /// What the gateway keeps of the secret.
    #[must_use]
    pub fn key(&self) -> CodeKey {
        CodeKey(sha256(&[&self.secret]))
    }

    /// What a device sends with the request that bears `nonce`.
    #[must_use]
    pub fn claim(&self, realm: &str, device: &KeyThumbprint, nonce: &DeviceNonce) -> CodeClaim {
        CodeClaim {
            id: self.id,
            proof: CodeProof(
                self.key()
                    .mac(realm, device, nonce)
                    .finalize()
                    .into_bytes()
                    .into(),
            ),
        }
    }

    fn data(&self) -> [u8; DATA_CHARACTERS] {
        let mut data = [0; DATA_CHARACTERS];
        let (id, secret) = data.split_at_mut(ID_CHARACTERS);
        spread(&self.id.0, id);
        spread(&self.secret[..5], &mut secret[..8]);
        spread(&self.secret[5..], &mut secret[8..]);
        data
    }
}

impl CodeId {
    /// The id of the code that begins with these eight characters, which are not secret; none, if no
    /// code does. Hyphens, spaces and case are read as in a whole code.
    #[must_use]
    pub fn of_beginning(text: &str) -> Option<Self> {
        let mut values = [0; ID_CHARACTERS];
        let mut len = 0;
        for c in text.chars().filter(|c| !matches!(c, '-' | ' ')) {
            *values.get_mut(len)? = value_of(c)?;
            len += 1;
        }
        (len == ID_CHARACTERS).then(|| Self(gather(&values)))
    }

    /// The eight characters that the code of this id begins with, grouped as in it.
    #[must_use]
    pub fn beginning(&self) -> impl fmt::Display {
        Beginning(*self)
    }
}

struct Beginning(CodeId);

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values = [0; ID_CHARACTERS];
        spread(&self.0.0, &mut values);
        write_grouped(f, values)
    }
}

impl CodeKey {
    /// Whether the proof was made with this key, in constant time.
    #[must_use]
    pub fn proves(
        &self,
        proof: &CodeProof,
        realm: &str,
        device: &KeyThumbprint,
        nonce: &DeviceNonce,
    ) -> bool {
        self.mac(realm, device, nonce)
            .verify_slice(&proof.0)
            .is_ok()
    }

    /// HMAC-SHA-256 over `["fg-code-v1", realm, thumbprint, nonce]` in deterministic CBOR.
    fn mac(&self, realm: &str, device: &KeyThumbprint, nonce: &DeviceNonce) -> SimpleHmac<Sha256> {
        let mut head = [0; 32];
        let mut writer = Writer::new(&mut head);
        let len = writer
            .array(4)
            .text("fg-code-v1")
            .text_head(realm.len())
            .position();
        // HMAC pads a short key with zeros to the hash's block (RFC 2104 section 2).
        let mut key = [0; 64];
        key[..32].copy_from_slice(&self.0);
        let mut mac = SimpleHmac::<Sha256>::new(&key.into());
        mac.update(head.get(..len).unwrap_or_default());
        mac.update(realm.as_bytes());
        mac.update(&[0x58, 32]);
        mac.update(&device.0);
        mac.update(&[0x50]);
        mac.update(&nonce.0);
        mac
    }
}

impl fmt::Display for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data();
        write_grouped(f, data.iter().copied().chain([check(&data)]))
    }
}

/// Characters in groups of five.
fn write_grouped(f: &mut fmt::Formatter<'_>, values: impl IntoIterator<Item = u8>) -> fmt::Result {
    for (position, value) in values.into_iter().enumerate() {
        if position > 0 && position % 5 == 0 {
            f.write_str("-")?;
        }
        write!(f, "{}", char::from(ALPHABET[usize::from(value)]))?;
    }
    Ok(())
}

impl FromStr for ActivationCode {
    type Err = InvalidCode;

    /// Hyphens and spaces are ignored, case too; O reads as 0, I and L as 1.
    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let mut values = [0; CHARACTERS];
        let mut len = 0;
        for c in text.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let value = value_of(c).ok_or(InvalidCode::Character(c))?;
            *values.get_mut(len).ok_or(InvalidCode::Length)? = value;
            len += 1;
        }
        if len != CHARACTERS {
            return Err(InvalidCode::Length);
        }
        let (data, given) = values.split_at(DATA_CHARACTERS);
        if check(data) != given[0] {
            return Err(InvalidCode::Check);
        }
        let mut secret = [0; 10];
        secret[..5].copy_from_slice(&gather(&data[8..16]));
        secret[5..].copy_from_slice(&gather(&data[16..24]));
        Ok(Self {
            id: CodeId(gather(&data[..ID_CHARACTERS])),
            secret,
        })
    }
}

impl fmt::Debug for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivationCode({}, …)", self.id)
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

fn value_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    ALPHABET
        .iter()
        .position(|&known| char::from(known) == c)
        .map(|position| position as u8)
}

/// The weighted sum Σ αⁱ·cᵢ over GF(32), α a generator: since αⁱ ≠ αʲ for distances below 31,
/// every single wrong character and every swap of two is found.
fn check(data: &[u8]) -> u8 {
    data.iter().fold(0, |sum, value| times_alpha(sum ^ value))
}

/// Multiplication by α = x in GF(32) with x⁵ + x² + 1.
fn times_alpha(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 0x20 == 0 {
        shifted
    } else {
        shifted ^ 0x25
    }
}

/// 40 bits as eight characters' values, most significant first.
fn spread(bytes: &[u8], values: &mut [u8]) {
    let bits = bytes.iter().fold(0u64, |bits, b| bits << 8 | u64::from(*b));
    for (position, value) in values.iter_mut().enumerate() {
        *value = (bits >> (35 - 5 * position) & 31) as u8;
    }
}

/// Eight characters' values as 40 bits.
fn gather(values: &[u8]) -> [u8; 5] {
    let bits = values
        .iter()
        .fold(0u64, |bits, v| bits << 5 | u64::from(*v));
    let mut bytes = [0; 5];
    bytes.copy_from_slice(&bits.to_be_bytes()[3..]);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    extern crate std;

    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    const CODE: ActivationCode = ActivationCode {
        id: CodeId([1, 2, 3, 4, 5]),
        secret: [255, 254, 253, 252, 251, 250, 249, 248, 247, 246],
    };

    #[test]
    fn what_is_printed_is_read_back() {
        let text = CODE.to_string();
        assert_eq!(text.len(), 29);
        assert_eq!(text.parse(), Ok(CODE));
        assert_eq!(text.to_lowercase().replace('-', " ").parse(), Ok(CODE));
    }

    #[test]
    fn every_typing_error_is_found() {
        let text: Vec<char> = CODE.to_string().replace('-', "").chars().collect();
        for position in 0..text.len() {
            for other in ALPHABET.iter().map(|&c| char::from(c)) {
                let mut typed = text.clone();
                typed[position] = other;
                let typed: std::string::String = typed.into_iter().collect();
                let is_same = text[position] == other;
                assert_eq!(typed.parse::<ActivationCode>().is_ok(), is_same, "{typed}");
            }
            for other in 0..position {
                let mut typed = text.clone();
                typed.swap(position, other);
                let is_same = typed == text;
                let typed: std::string::String = typed.into_iter().collect();
                assert_eq!(typed.parse::<ActivationCode>().is_ok(), is_same, "{typed}");
            }
        }
    }

    #[test]
    fn a_proof_holds_for_one_realm_key_and_nonce() {
        let (device, nonce) = (KeyThumbprint([7; 32]), DeviceNonce([9; 16]));
        let claim = CODE.claim("acme", &device, &nonce);
        let key = CODE.key();
        assert!(key.proves(&claim.proof, "acme", &device, &nonce));
        assert!(!key.proves(&claim.proof, "acne", &device, &nonce));
        assert!(!key.proves(&claim.proof, "acme", &KeyThumbprint([8; 32]), &nonce));
        assert!(!key.proves(&claim.proof, "acme", &device, &DeviceNonce([8; 16])));
    }
}
