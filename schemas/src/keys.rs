//! The key set: the authority's keys, signed by one of two pinned offline roots.
//!
//! ```cddl
//! keys = {
//!   1: realm, 6: instant,
//!   -65537: { 0: version, 1: key-set-generation, 2: [1*8 authority-key], ? 3: [1*2 kid] },
//! }
//! ```

use crate::closed::closed;
use crate::id::{KeyId, KeyThumbprint};
use crate::limits;
use crate::malformed::Malformed;
use crate::message::{CLAIM_IAT, CLAIM_ISS, Message, VERSION};
use crate::seq::private::Codec;
use crate::seq::{self, Seq};
use crate::shape::{Field, List, Shape};
use crate::topic::MessageType;
use crate::values::Values;

const KEYS: &[Field] = &[
    Field::new(CLAIM_ISS, Shape::REALM),
    Field::new(CLAIM_IAT, Shape::INSTANT),
    Field::private(&PRIVATE),
];
const PRIVATE: &[Field] = &[
    Field::new(VERSION, Shape::VERSION),
    Field::new(1, Shape::U32),
    Field::new(2, Shape::List(&AUTHORITY_KEYS)),
    Field::optional(3, Shape::List(&RETIRED_ROOTS)),
];
const AUTHORITY_KEYS: List = List {
    min: 1,
    max: limits::MAX_KEYS as u8,
    of: Shape::Array(&AUTHORITY_KEY),
    subject: 2,
};
const RETIRED_ROOTS: List = List {
    min: 1,
    max: limits::MAX_RETIRED_ROOTS as u8,
    of: Shape::KID,
    subject: 1,
};
const AUTHORITY_KEY: &[Shape] = &[
    Shape::Map(&COSE_KEY),
    Shape::INSTANT,
    Shape::INSTANT,
    Shape::U32,
    Role::SHAPE,
];
/// kty: EC2, crv: P-256, x, y (RFC 9052 section 7.1, RFC 9053 section 7.1.1).
const COSE_KEY: &[Field] = &[
    Field::new(1, Shape::Is(2, Malformed::Algorithm)),
    Field::new(-1, Shape::Is(1, Malformed::Algorithm)),
    Field::new(-2, Shape::HASH),
    Field::new(-3, Shape::HASH),
];

closed! {
    /// What a key of the authority may sign.
    Role {
        /// Grants and notices.
        Grants = 1 "grants",
        /// Notices only.
        Notices = 2 "notices",
    }
}

/// A P-256 public key by its affine coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Big-endian.
    pub x: [u8; 32],
    /// Big-endian.
    pub y: [u8; 32],
}

impl PublicKey {
    /// Its thumbprint (RFC 9679).
    #[must_use]
    pub fn thumbprint(&self) -> KeyThumbprint {
        KeyThumbprint::of_p256(&self.x, &self.y)
    }

    /// `04 ‖ x ‖ y` (SEC 1 section 2.3.3).
    #[must_use]
    pub fn to_sec1(&self) -> [u8; 65] {
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&self.x);
        point[33..].copy_from_slice(&self.y);
        point
    }

    /// From `04 ‖ x ‖ y`; whether the point is on the curve is for whoever uses it to find out.
    #[must_use]
    pub fn from_sec1(point: &[u8; 65]) -> Option<Self> {
        let (mut x, mut y) = ([0; 32], [0; 32]);
        x.copy_from_slice(&point[1..33]);
        y.copy_from_slice(&point[33..]);
        (point[0] == 4).then_some(Self { x, y })
    }
}

/// One key of the authority.
///
/// ```cddl
/// authority-key = [key: cose-key, nbf: instant, exp: instant, epoch: epoch, role: role]
/// cose-key = { 1: 2, -1: 1, -2: bstr .size 32, -3: bstr .size 32 }
/// role = 1..2
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityKey {
    /// The key.
    pub key: PublicKey,
    /// An `iat` before this instant is refused (seconds since 1970).
    pub not_before: u64,
    /// An `iat` at or after this instant is refused.
    pub not_after: u64,
    /// A grant's epoch must be its key's.
    pub epoch: u32,
    /// What it may sign.
    pub role: Role,
}

impl<'b> Codec<'b> for AuthorityKey {
    const SHAPE: &'static Shape = &Shape::Array(&AUTHORITY_KEY);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_bytes(&self.key.x).put_bytes(&self.key.y);
        values.put_uint(self.not_before).put_uint(self.not_after);
        values.put_uint(self.epoch).put_uint(self.role.number());
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            key: PublicKey::take(values),
            not_before: values.uint(),
            not_after: values.uint(),
            epoch: values.u32(),
            role: Role::take(values),
        }
    }
}
impl<'b> seq::Item<'b> for AuthorityKey {}

impl PublicKey {
    fn take(values: &mut Values<'_>) -> Self {
        Self {
            x: values.array(),
            y: values.array(),
        }
    }
}

impl<'b> Codec<'b> for KeyId {
    const SHAPE: &'static Shape = &Shape::KID;

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_bytes(&self.0);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self(values.array())
    }
}
impl<'b> seq::Item<'b> for KeyId {}

/// A key set; it replaces the one before whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySet<'b> {
    /// Whose keys.
    pub realm: &'b str,
    /// When it was signed, in seconds since 1970.
    pub issued_at: u64,
    /// Grows with every key set.
    pub generation: u32,
    /// The keys, at least one.
    pub keys: Seq<'b, AuthorityKey>,
    /// Roots never to be trusted again.
    pub retired_roots: Seq<'b, KeyId>,
}

impl<'b> Message<'b> for KeySet<'b> {
    const TYPE: MessageType = MessageType::Keys;

    fn check(&self) -> Result<(), Malformed> {
        let mut rest = self.keys.iter();
        while let Some(key) = rest.next() {
            if key.not_after <= key.not_before {
                return Err(Malformed::OutOfRange);
            }
            let kid = key.key.thumbprint().key_id();
            for other in rest.clone() {
                if other.key.thumbprint().key_id() == kid {
                    return Err(Malformed::Repeated);
                }
            }
        }
        Ok(())
    }
}

impl<'b> Codec<'b> for KeySet<'b> {
    const SHAPE: &'static Shape = &Shape::Map(&KEYS);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_text(self.realm);
        values.put_uint(self.issued_at);
        values.put_uint(self.generation);
        values.put_list(&self.keys);
        values.put_some(&self.retired_roots);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            realm: values.text(),
            issued_at: values.uint(),
            generation: values.u32(),
            keys: values.list(),
            retired_roots: values.list(),
        }
    }
}
