//! Signatures that do not fit, after Wycheproof's list for ECDSA.

use fleetgrant_schemas::Malformed;
use sha2::{Digest, Sha256};

use super::{Forge, Invalid, Layer};
use crate::item::Item;
use crate::material::Key;
use crate::valid;

/// The order of P-256, which r and s must lie below.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

pub(crate) fn cases() -> Vec<Invalid> {
    ["worked-request", "worked-grant", "worked-ack"]
        .map(|name| Forge::of(valid::named(name)))
        .into_iter()
        .flat_map(|forge| {
            [
                wrong_scalars(&forge),
                wrong_content(&forge),
                wrong_form(&forge),
            ]
        })
        .flatten()
        .collect()
}

fn with(forge: &Forge, signature: &[u8], name: &str, description: &str) -> Invalid {
    let bytes = forge.sign1_with(signature).encode();
    forge.case_of(bytes, Layer::Signature, "signature", name, description)
}

fn wrong_scalars(forge: &Forge) -> Vec<Invalid> {
    let good = forge.key.sign(&forge.digest());
    let (r, s) = good.split_at(32);
    let (zero, one, most) = ([0; 32], scalar(1), [0xff; 32]);
    let mut beyond = ORDER;
    beyond[31] += 1;
    [
        (&zero[..], s, "r-zero", "r is zero"),
        (r, &zero[..], "s-zero", "s is zero"),
        (&zero, &zero, "both-zero", "r and s are zero"),
        (&one, &one, "both-one", "r and s are one"),
        (&ORDER, s, "r-order", "r is the order of the curve"),
        (r, &ORDER, "s-order", "s is the order of the curve"),
        (&beyond, s, "r-beyond", "r is the order and one"),
        (&most, &most, "both-most", "r and s are 2^256 − 1"),
        (s, r, "swapped", "s before r"),
    ]
    .into_iter()
    .map(|(r, s, name, description)| with(forge, &[r, s].concat(), name, description))
    .collect()
}

fn scalar(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = value;
    bytes
}

fn wrong_content(forge: &Forge) -> Vec<Invalid> {
    let good = forge.key.sign(&forge.digest());
    let (header, payload) = (forge.header.encode(), forge.payload.encode());
    let over = |context: &str, aad: &[u8]| {
        let structure = Item::Array(vec![
            Item::text(context),
            Item::bytes(&header),
            Item::bytes(aad),
            Item::bytes(&payload),
        ]);
        forge.key.sign(&Sha256::digest(structure.encode()))
    };
    let mut first_bit = good;
    first_bit[0] ^= 0x80;
    let mut last_bit = good;
    last_bit[63] ^= 1;
    let stranger = Forge {
        key: Key::OtherDevice,
        ..forge.clone()
    };
    let other = forge.payload(|payload| {
        // The realm or the device's name, one letter changed.
        if let Item::Text(text) = payload.at(&[1]) {
            text.replace_range(0..1, "b");
        }
    });
    vec![
        with(forge, &first_bit, "first-bit", "the first bit is flipped"),
        with(forge, &last_bit, "last-bit", "the last bit is flipped"),
        with(
            forge,
            &stranger.key.sign(&forge.digest()),
            "stranger",
            "by another key",
        ),
        with(&other, &good, "other-payload", "of another payload"),
        with(
            forge,
            &over("Signature", &[]),
            "context",
            "made for a COSE_Sign",
        ),
        with(
            forge,
            &over("Signature1", b"aad"),
            "aad",
            "made with an external_aad",
        ),
        with(
            forge,
            &forge.key.sign(&Sha256::digest(&payload)),
            "bare",
            "of the payload alone",
        ),
        with(
            forge,
            &forge.key.sign(&Sha256::digest(forge.digest())),
            "hashed-twice",
            "of the digest's digest",
        ),
    ]
}

/// Refused before any arithmetic.
fn wrong_form(forge: &Forge) -> Vec<Invalid> {
    let good = forge.key.sign(&forge.digest());
    let der = p256::ecdsa::Signature::from_slice(&good)
        .expect("a signature")
        .to_der();
    let raw = |signature: &[u8], name: &str, description: &str| {
        let bytes = forge.sign1_with(signature).encode();
        let reason = Malformed::WrongLength.as_str();
        forge.case_of(bytes, Layer::Envelope, reason, name, description)
    };
    vec![
        raw(&good[..63], "signature-63", "63 bytes of a signature"),
        raw(
            &[&good[..], &[0]].concat(),
            "signature-65",
            "65 bytes, the last zero",
        ),
        raw(&good[..32], "signature-half", "r alone"),
        raw(der.as_bytes(), "signature-der", "the signature in DER"),
        raw(
            &[&[0; 32], &good[..]].concat(),
            "signature-96",
            "as long as ES384's",
        ),
    ]
}
