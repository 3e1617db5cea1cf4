//! P-256 in software.

use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::keys::PublicKey;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{self, SigningKey};
use p256::elliptic_curve::consts::U4;
use p256::elliptic_curve::ops::Reduce as _;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};
use wnaf::{WnafBase, WnafScalar};

use crate::crypto::{KeyError, KeyOperations};

/// A private key in memory. Loading it costs a scalar multiplication, so it stays loaded.
#[derive(Debug)]
pub struct SoftwareKey {
    signing: SigningKey,
    public: PublicKey,
}

impl SoftwareKey {
    /// From the private scalar, 32 bytes big-endian; `None` if it is zero or not below the order.
    #[must_use]
    pub fn new(scalar: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(scalar).ok().map(Self::from)
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs deterministically (RFC 6979).
    pub fn sign(&self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        let signature: ecdsa::Signature = self
            .signing
            .sign_prehash(&message.digest().0)
            .map_err(|_| KeyError)?;
        Ok(signature.to_bytes().into())
    }
}

impl From<SigningKey> for SoftwareKey {
    fn from(signing: SigningKey) -> Self {
        let point = signing.verifying_key().as_affine();
        let public = PublicKey {
            x: point.x().into(),
            y: point.y().into(),
        };
        Self { signing, public }
    }
}

/// Whether `signature` over `message` is good under `key`.
#[must_use]
pub fn verify(key: &PublicKey, message: &SigStructure<'_>, signature: &Signature) -> bool {
    is_good(key, message.digest().0.into(), signature).unwrap_or(false)
}

/// ECDSA verification (FIPS 186-5 section 6.4.2) on the arithmetic of the crate. Its own takes three
/// kilobytes of stack more: it moves its tables about, which are twice as large.
fn is_good(key: &PublicKey, digest: FieldBytes, signature: &Signature) -> Option<bool> {
    // From SEC 1 bytes it would link the decompression of points, three kilobytes.
    let key = AffinePoint::from_coordinates(&key.x.into(), &key.y.into()).into_option()?;
    // Refuses r or s of zero, or not below the order.
    let signature = ecdsa::Signature::from_slice(signature).ok()?;
    let (r, s) = signature.split_scalars();
    let inverse = s.as_ref().invert().into_option()?;
    let (u1, u2) = (Scalar::reduce(&digest) * inverse, *r * inverse);
    let sum = sum_of_products(&u1, &key.into(), &u2).to_affine();
    // The point at infinity has an x of zero here, which no r is.
    Some(Scalar::reduce(&sum.x()) == *r)
}

/// `u1 · G + u2 · key`, in variable time: nothing of it is secret.
#[inline(never)]
fn sum_of_products(u1: &Scalar, key: &ProjectivePoint, u2: &Scalar) -> ProjectivePoint {
    let (mut of_generator, mut of_key) = (Base::default(), Base::default());
    of_generator.init_from_base(&ProjectivePoint::GENERATOR);
    of_key.init_from_base(key);
    let (mut by_u1, mut by_u2) = (Digits::default(), Digits::default());
    by_u1.init_from_le_bytes(&little_endian(u1));
    by_u2.init_from_le_bytes(&little_endian(u2));
    Base::multiscalar_mul([(&of_generator, &by_u1), (&of_key, &by_u2)].into_iter())
}

fn little_endian(scalar: &Scalar) -> FieldBytes {
    let mut bytes = scalar.to_bytes();
    bytes.reverse();
    bytes
}

/// Four odd multiples of a point. Eight, with U5, take 384 bytes of stack more for each of the two
/// points, and a thirtieth less time.
type Base = WnafBase<ProjectivePoint, U4>;
type Digits = WnafScalar<Scalar, U4>;

/// [`KeyOperations`] of a key in memory, a chain in flash and a source of randomness.
#[derive(Debug)]
pub struct SoftwareKeys<'c, R> {
    key: SoftwareKey,
    chain: &'c [&'c [u8]],
    random: R,
}

impl<'c, R: FnMut(&mut [u8]) -> Result<(), KeyError>> SoftwareKeys<'c, R> {
    /// `chain` is DER, the leaf first and the root left out; `random` fills with entropy.
    pub const fn new(key: SoftwareKey, chain: &'c [&'c [u8]], random: R) -> Self {
        Self { key, chain, random }
    }
}

impl<R: FnMut(&mut [u8]) -> Result<(), KeyError>> KeyOperations for SoftwareKeys<'_, R> {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        self.chain.get(index).copied()
    }

    fn sign(&mut self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        self.key.sign(message)
    }

    fn verify(
        &mut self,
        key: &PublicKey,
        message: &SigStructure<'_>,
        signature: &Signature,
    ) -> bool {
        verify(key, message, signature)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        (self.random)(bytes)
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
    use proptest::prelude::*;

    use super::*;

    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];

    /// The crate's own verification.
    fn by_the_crate(key: &PublicKey, digest: &[u8; 32], signature: &Signature) -> bool {
        let key = VerifyingKey::from_sec1_bytes(&key.to_sec1());
        let signature = ecdsa::Signature::from_slice(signature);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key.verify_prehash(digest, &signature).is_ok(),
            _ => false,
        }
    }

    fn ours(key: &PublicKey, digest: &[u8; 32], signature: &Signature) -> bool {
        is_good(key, (*digest).into(), signature).unwrap_or(false)
    }

    fn signed(key: &SoftwareKey, digest: &[u8; 32]) -> Signature {
        let signed: Result<ecdsa::Signature, _> = key.signing.sign_prehash(digest);
        signed.map_or([0; 64], |signature| signature.to_bytes().into())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_good_is_good_for_the_crate_too(
            scalar in any::<[u8; 32]>(),
            digest in prop_oneof![any::<[u8; 32]>(), Just([0; 32]), Just(ORDER), Just([0xff; 32])],
            bit in 0_usize..512,
        ) {
            let Some(key) = SoftwareKey::new(&scalar) else { return Ok(()) };
            let public = key.public_key();
            let mut signature = signed(&key, &digest);
            prop_assert!(ours(&public, &digest, &signature));
            prop_assert!(by_the_crate(&public, &digest, &signature));
            // High s is as good as low s.
            let s: [u8; 32] = signature[32..].try_into().unwrap_or([0; 32]);
            let negated = Option::<Scalar>::from(p256::elliptic_curve::PrimeField::from_repr(s.into()));
            let negated: [u8; 32] = (-negated.unwrap_or(Scalar::ONE)).to_bytes().into();
            let mut high = signature;
            high[32..].copy_from_slice(&negated);
            prop_assert!(ours(&public, &digest, &high));
            signature[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(
                ours(&public, &digest, &signature),
                by_the_crate(&public, &digest, &signature)
            );
            prop_assert!(!ours(&public, &digest, &signature));
            let mut off_the_curve = public;
            off_the_curve.y[31] ^= 1;
            prop_assert!(!ours(&off_the_curve, &digest, &high));
        }
    }

    #[test]
    fn numbers_at_the_edges_are_judged_as_the_crate_does() {
        let numbers = [
            [0; 32],
            number(1),
            number(2),
            below_order(1),
            ORDER,
            [0xff; 32],
        ];
        let generator = SoftwareKey::new(&number(1)).map(|key| key.public_key());
        let minus = SoftwareKey::new(&below_order(1)).map(|key| key.public_key());
        for key in [generator, minus].into_iter().flatten() {
            for (r, s) in numbers.iter().flat_map(|r| numbers.map(|s| (*r, s))) {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&r);
                signature[32..].copy_from_slice(&s);
                for digest in numbers {
                    let good = by_the_crate(&key, &digest, &signature);
                    assert_eq!(ours(&key, &digest, &signature), good, "{signature:x?}");
                }
                // With a key of G and z of −r the sum is the point at infinity.
                let r =
                    Option::<Scalar>::from(p256::elliptic_curve::PrimeField::from_repr(r.into()));
                let minus_r: [u8; 32] = (-r.unwrap_or(Scalar::ONE)).to_bytes().into();
                assert_eq!(
                    ours(&key, &minus_r, &signature),
                    by_the_crate(&key, &minus_r, &signature)
                );
            }
        }
    }

    fn number(low: u8) -> [u8; 32] {
        let mut number = [0; 32];
        number[31] = low;
        number
    }

    fn below_order(by: u8) -> [u8; 32] {
        let mut number = ORDER;
        number[31] -= by;
        number
    }
}
