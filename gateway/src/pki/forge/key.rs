//! Keys of every kind that signs certificates.

use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use rustls_pki_types::{AlgorithmIdentifier, alg_id};

use super::super::der;

/// A key and the algorithm it signs certificates with.
pub struct ForgeKey {
    kind: Kind,
    pkcs8: Vec<u8>,
}

enum Kind {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa { pair: RsaKeyPair, padding: Padding },
}

/// How an RSA key signs, and what its certificate says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// PKCS #1 v1.5, with a key of type rsaEncryption.
    Pkcs1,
    /// RSASSA-PSS, with a key of type rsaEncryption.
    Pss,
    /// RSASSA-PSS, with a key of type id-RSASSA-PSS.
    PssOnly,
}

impl ForgeKey {
    /// A new P-256 key.
    #[must_use]
    pub fn p256() -> Self {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .expect("the system has randomness");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &SystemRandom::new())
            .expect("it was just generated");
        Self {
            kind: Kind::P256(pair),
            pkcs8: pkcs8.as_ref().to_vec(),
        }
    }

    /// A new P-384 key.
    #[must_use]
    pub fn p384() -> Self {
        let algorithm = &ECDSA_P384_SHA384_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .expect("the system has randomness");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &SystemRandom::new())
            .expect("it was just generated");
        Self {
            kind: Kind::P384(pair),
            pkcs8: pkcs8.as_ref().to_vec(),
        }
    }

    /// A new Ed25519 key.
    #[must_use]
    pub fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .expect("the system has randomness");
        Self {
            kind: Kind::Ed25519(
                Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("it was just generated"),
            ),
            pkcs8: pkcs8.as_ref().to_vec(),
        }
    }

    /// The one RSA key of 2048 bits that the tests share; ring makes none.
    #[must_use]
    pub fn rsa(padding: Padding) -> Self {
        const PKCS8: &[u8] = include_bytes!("rsa-2048.pkcs8.der");
        let pair = RsaKeyPair::from_pkcs8(PKCS8).expect("the file is an RSA key");
        Self {
            kind: Kind::Rsa { pair, padding },
            pkcs8: PKCS8.to_vec(),
        }
    }

    /// The private key, PKCS#8 in DER.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key as it stands in a SubjectPublicKeyInfo's BIT STRING.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        match &self.kind {
            Kind::P256(pair) | Kind::P384(pair) => pair.public_key().as_ref(),
            Kind::Ed25519(pair) => pair.public_key().as_ref(),
            Kind::Rsa { pair, .. } => pair.public_key().as_ref(),
        }
    }

    /// The SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        let algorithm = match &self.kind {
            Kind::P256(_) => algorithm(&alg_id::ECDSA_P256),
            Kind::P384(_) => algorithm(&alg_id::ECDSA_P384),
            Kind::Ed25519(_) => algorithm(&alg_id::ED25519),
            Kind::Rsa {
                padding: Padding::PssOnly,
                ..
            } => algorithm(&alg_id::RSA_PSS_SHA256),
            Kind::Rsa { .. } => algorithm(&alg_id::RSA_ENCRYPTION),
        };
        spki(&algorithm, self.public())
    }

    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        algorithm(match &self.kind {
            Kind::P256(_) => &alg_id::ECDSA_SHA256,
            Kind::P384(_) => &alg_id::ECDSA_SHA384,
            Kind::Ed25519(_) => &alg_id::ED25519,
            Kind::Rsa {
                padding: Padding::Pkcs1,
                ..
            } => &alg_id::RSA_PKCS1_SHA256,
            Kind::Rsa { .. } => &alg_id::RSA_PSS_SHA256,
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.kind {
            Kind::P256(pair) | Kind::P384(pair) => pair
                .sign(&random, message)
                .expect("the system has randomness")
                .as_ref()
                .to_vec(),
            Kind::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Kind::Rsa { pair, padding } => {
                let encoding: &'static dyn signature::RsaEncoding = match padding {
                    Padding::Pkcs1 => &signature::RSA_PKCS1_SHA256,
                    Padding::Pss | Padding::PssOnly => &signature::RSA_PSS_SHA256,
                };
                let mut out = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &random, message, &mut out)
                    .expect("the buffer has the length of the modulus");
                out
            }
        }
    }
}

/// A SubjectPublicKeyInfo of an AlgorithmIdentifier and a key.
#[must_use]
pub fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der::sequence(&[algorithm, &bit_string(key)])
}

/// An AlgorithmIdentifier in DER.
#[must_use]
pub fn algorithm(id: &AlgorithmIdentifier) -> Vec<u8> {
    der::sequence(&[id.as_ref()])
}

pub(super) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    der::tlv(0x03, &[&[0], bytes].concat())
}
