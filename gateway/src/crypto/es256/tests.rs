#![allow(clippy::unwrap_used)]

use p256::elliptic_curve::Generate as _;
use proptest::prelude::*;

use super::*;

/// The order of P-256 (SEC 2 section 2.4.2).
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

const MESSAGE: &[u8] = b"what was signed";

fn backends() -> [&'static dyn Es256; 2] {
    [&Ring, &Portable]
}

/// `n - s`: the other signature that is just as valid.
fn negated(signature: &[u8; 64]) -> [u8; 64] {
    let mut other = *signature;
    let mut borrow = 0i16;
    for at in (0..32).rev() {
        let difference = i16::from(N[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        other[32 + at] = difference.rem_euclid(256) as u8;
    }
    other
}

fn with_r(signature: &[u8; 64], r: &[u8; 32]) -> Vec<u8> {
    [r.as_slice(), &signature[32..]].concat()
}

fn with_s(signature: &[u8; 64], s: &[u8; 32]) -> Vec<u8> {
    [&signature[..32], s.as_slice()].concat()
}

#[test]
fn each_backend_verifies_what_the_other_signed() {
    for _ in 0..16 {
        let secret = p256::SecretKey::generate();
        let public = P256PublicKey::from(secret.public_key());
        for signer in backends() {
            let signature = signer.signing_key(&secret).unwrap().sign(MESSAGE).unwrap();
            for verifier in backends() {
                assert_eq!(verifier.verify(&public, MESSAGE, &signature), Ok(()));
                assert_eq!(
                    verifier.verify(&public, &negated(&signature), &signature),
                    Err(SignatureRefused::Mismatch)
                );
            }
        }
    }
}

#[test]
fn a_high_s_and_a_low_s_signature_are_both_valid() {
    let secret = p256::SecretKey::generate();
    let public = P256PublicKey::from(secret.public_key());
    for signer in backends() {
        let signature = signer.signing_key(&secret).unwrap().sign(MESSAGE).unwrap();
        let other = negated(&signature);
        assert_ne!(signature, other);
        for verifier in backends() {
            assert_eq!(verifier.verify(&public, MESSAGE, &other), Ok(()));
        }
    }
}

#[test]
fn r_and_s_outside_their_range_are_refused() {
    let secret = p256::SecretKey::generate();
    let public = P256PublicKey::from(secret.public_key());
    let good = Ring.signing_key(&secret).unwrap().sign(MESSAGE).unwrap();
    let mut n_plus_one = N;
    n_plus_one[31] += 1;
    let mut one = [0; 32];
    one[31] = 1;
    for verifier in backends() {
        for bad in [[0; 32], N, n_plus_one, [0xff; 32], one] {
            for signature in [with_r(&good, &bad), with_s(&good, &bad)] {
                assert_eq!(
                    verifier.verify(&public, MESSAGE, &signature),
                    Err(SignatureRefused::Mismatch),
                    "{verifier:?} {bad:02x?}"
                );
            }
        }
        assert_eq!(
            verifier.verify(&public, MESSAGE, &[0; 64]),
            Err(SignatureRefused::Mismatch)
        );
    }
}

#[test]
fn a_signature_of_another_length_is_refused() {
    let secret = p256::SecretKey::generate();
    let public = P256PublicKey::from(secret.public_key());
    let good = Ring.signing_key(&secret).unwrap().sign(MESSAGE).unwrap();
    let der = p256::ecdsa::Signature::from_slice(&good).unwrap().to_der();
    let long = [good.as_slice(), &[0]].concat();
    for verifier in backends() {
        for signature in [&[][..], &good[..63], &long, der.as_bytes()] {
            assert_eq!(
                verifier.verify(&public, MESSAGE, signature),
                Err(SignatureRefused::Length(signature.len()))
            );
        }
    }
}

#[test]
fn a_point_off_the_curve_compressed_or_at_infinity_is_no_key() {
    let public = P256PublicKey::from(p256::SecretKey::generate().public_key());
    let mut off = *public.as_bytes();
    off[64] ^= 1;
    let mut compressed = public.as_bytes()[..33].to_vec();
    compressed[0] = 0x02;
    for bytes in [&off[..], &compressed, &[0], &[4; 64], &[]] {
        assert_eq!(P256PublicKey::from_sec1(bytes), Err(InvalidKey));
    }
    assert_eq!(P256PublicKey::from_sec1(public.as_bytes()), Ok(public));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is done to a signature, the two backends say the same.
    #[test]
    fn the_backends_agree_on_any_change(at in 0usize..64, with: u8, message: [u8; 8]) {
        let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
        let public = P256PublicKey::from(secret.public_key());
        let mut signature = Portable.signing_key(&secret).unwrap().sign(&message).unwrap();
        let unchanged = signature[at] == with;
        signature[at] = with;
        let expected = if unchanged { Ok(()) } else { Err(SignatureRefused::Mismatch) };
        for verifier in backends() {
            prop_assert_eq!(verifier.verify(&public, &message, &signature), expected);
        }
    }
}
