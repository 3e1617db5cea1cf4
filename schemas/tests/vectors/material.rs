//! The keys and certificates that the vectors are made with. They protect nothing.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use fleetgrant_schemas::Message;
use fleetgrant_schemas::envelope::{Draft, SigStructure, Signature, Signer};
use fleetgrant_schemas::id::{CertificateThumbprint, DeviceId, KeyId, KeyThumbprint};
use fleetgrant_schemas::keys::PublicKey;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::ecdsa::{SigningKey, VerifyingKey};
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::hex;

pub(crate) const REALM: &str = "acme.example";
pub(crate) const DEVICE: &str = "scope-4711";

/// The instant at which the story of the vectors plays: 15 January 2027, 08:00 UTC.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A key by its name in `material.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Key {
    Device,
    OtherDevice,
    Authority,
    NextAuthority,
    Root,
    SpareRoot,
}

impl Key {
    pub(crate) const ALL: &[Self] = &[
        Self::Device,
        Self::OtherDevice,
        Self::Authority,
        Self::NextAuthority,
        Self::Root,
        Self::SpareRoot,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::OtherDevice => "other-device",
            Self::Authority => "authority",
            Self::NextAuthority => "next-authority",
            Self::Root => "root",
            Self::SpareRoot => "spare-root",
        }
    }

    const fn use_of(self) -> &'static str {
        match self {
            Self::Device => {
                "signs the requests and acks of scope-4711; certified by pki/device.pem"
            }
            Self::OtherDevice => "a device's key that is not scope-4711's",
            Self::Authority => "signs grants and notices, epoch 1",
            Self::NextAuthority => "signs grants and notices, epoch 2",
            Self::Root => "pinned offline root: signs key sets",
            Self::SpareRoot => "the second pinned offline root",
        }
    }

    fn secret(self) -> SigningKey {
        let seed = format!("fleetgrant test vectors: {}", self.name());
        SigningKey::from_slice(&Sha256::digest(seed)).expect("below the order of the curve")
    }

    pub(crate) fn verifying(self) -> VerifyingKey {
        *self.secret().verifying_key()
    }

    pub(crate) fn public(self) -> PublicKey {
        let point = self.verifying().to_sec1_point(false);
        let point = point.as_bytes().try_into().expect("uncompressed");
        PublicKey::from_sec1(point).expect("uncompressed")
    }

    pub(crate) fn thumbprint(self) -> KeyThumbprint {
        self.public().thumbprint()
    }

    pub(crate) fn kid(self) -> KeyId {
        self.thumbprint().key_id()
    }

    /// ES256 with the nonce of RFC 6979, so that the same message gets the same bytes.
    pub(crate) fn sign(self, digest: &[u8]) -> Signature {
        let signature: p256::ecdsa::Signature =
            self.secret().sign_prehash(digest).expect("32 bytes");
        signature.to_bytes().into()
    }

    pub(crate) fn is_good(self, signed: &SigStructure<'_>, signature: &Signature) -> bool {
        p256::ecdsa::Signature::from_slice(signature)
            .and_then(|s| self.verifying().verify_prehash(&signed.digest().0, &s))
            .is_ok()
    }

    /// A finished message.
    pub(crate) fn message<'m, M: Message<'m>>(self, signer: &Signer<'_>, message: &M) -> Vec<u8> {
        let mut buffer = [0; 16_384];
        let draft = Draft::new(&mut buffer, signer, message).expect("it fits");
        let signature = self.sign(&draft.to_sign().digest().0);
        draft.finish(&signature).to_vec()
    }
}

pub(crate) fn device() -> DeviceId<'static> {
    DeviceId::new(DEVICE).expect("a device id")
}

/// The DER of a certificate in `pki/`.
pub(crate) fn certificate(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64.decode(base64.as_bytes()).expect("base64")
}

pub(crate) fn device_certificate() -> Vec<u8> {
    certificate(include_str!("../../vectors/pki/device.pem"))
}

pub(crate) fn issuing_certificate() -> Vec<u8> {
    certificate(include_str!("../../vectors/pki/issuing.pem"))
}

pub(crate) fn known_device() -> Signer<'static> {
    let digest = Sha256::digest(device_certificate());
    Signer::Thumbprint(CertificateThumbprint(digest.into()))
}

#[derive(Serialize)]
pub(crate) struct Material {
    description: &'static str,
    realm: &'static str,
    device: &'static str,
    keys: Vec<KeyMaterial>,
}

#[derive(Serialize)]
struct KeyMaterial {
    name: Key,
    #[serde(rename = "use")]
    use_of: &'static str,
    jwk: Jwk,
    private_key_pem: String,
    public_key_pem: String,
    d: String,
    x: String,
    y: String,
    thumbprint: String,
    kid: String,
}

#[derive(Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    d: String,
    x: String,
    y: String,
}

pub(crate) fn material() -> Material {
    Material {
        description: "Keys of the vectors: d is SHA-256 of 'fleetgrant test vectors: ' and the \
            name. thumbprint is the COSE Key Thumbprint with SHA-256 (RFC 9679), kid its first 8 \
            bytes. d, x, y, thumbprint and kid are hex; the jwk has base64url. The certificates \
            of the device are in pki/.",
        realm: REALM,
        device: DEVICE,
        keys: Key::ALL.iter().map(|key| key_material(*key)).collect(),
    }
}

fn key_material(key: Key) -> KeyMaterial {
    let secret = key.secret();
    let (d, public) = (secret.to_bytes(), key.public());
    KeyMaterial {
        name: key,
        use_of: key.use_of(),
        jwk: Jwk {
            kty: "EC",
            crv: "P-256",
            d: BASE64URL_NOPAD.encode(&d),
            x: BASE64URL_NOPAD.encode(&public.x),
            y: BASE64URL_NOPAD.encode(&public.y),
        },
        private_key_pem: secret
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a key has a PEM")
            .to_string(),
        public_key_pem: key
            .verifying()
            .to_public_key_pem(LineEnding::LF)
            .expect("a key has a PEM"),
        d: hex(&d),
        x: hex(&public.x),
        y: hex(&public.y),
        thumbprint: key.thumbprint().to_string(),
        kid: key.kid().to_string(),
    }
}
