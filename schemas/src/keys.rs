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
use crate::message::{
    CLAIM_IAT, CLAIM_ISS, CLAIM_PRIVATE, Message, VERSION, count, read_instant, read_realm,
    read_version, required,
};
use crate::seq::{self, Seq};
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::writer::Writer;

const GENERATION: i64 = 1;
const KEYS: i64 = 2;
const RETIRED_ROOTS: i64 = 3;

/// COSE key parameters (RFC 9052 section 7.1, RFC 9053 section 7.1.1).
const COSE_KTY: i64 = 1;
const COSE_CRV: i64 = -1;
const COSE_X: i64 = -2;
const COSE_Y: i64 = -3;
const KTY_EC2: i64 = 2;
const CRV_P256: i64 = 1;

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

impl<'b> seq::private::Codec<'b> for AuthorityKey {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.tuple(5)?;
        let key = read_cose_key(reader)?;
        let (not_before, not_after) = (read_instant(reader)?, read_instant(reader)?);
        if not_after <= not_before {
            return Err(Malformed::OutOfRange);
        }
        Ok(Self {
            key,
            not_before,
            not_after,
            epoch: reader.u32()?,
            role: Role::read(reader)?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.array(5).map(4).int(COSE_KTY).int(KTY_EC2);
        w.int(COSE_CRV).int(CRV_P256);
        w.int(COSE_X)
            .bytes(&self.key.x)
            .int(COSE_Y)
            .bytes(&self.key.y);
        w.uint(self.not_before).uint(self.not_after);
        w.uint(self.epoch.into()).uint(self.role.number().into());
    }
}
impl<'b> seq::Item<'b> for AuthorityKey {}

fn read_cose_key(reader: &mut Reader<'_>) -> Result<PublicKey, Malformed> {
    let (mut kty, mut crv, mut x, mut y) = (None, None, None, None);
    let mut keys = reader.map()?;
    while let Some(key) = reader.key(&mut keys)? {
        match key {
            COSE_KTY => kty = Some(reader.int()?),
            COSE_CRV => crv = Some(reader.int()?),
            COSE_X => x = Some(reader.array_of_bytes()?),
            COSE_Y => y = Some(reader.array_of_bytes()?),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    if required(kty)? != KTY_EC2 || required(crv)? != CRV_P256 {
        return Err(Malformed::Algorithm);
    }
    Ok(PublicKey {
        x: required(x)?,
        y: required(y)?,
    })
}

impl<'b> seq::private::Codec<'b> for KeyId {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.array_of_bytes().map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bytes(&self.0);
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

    fn encode(&self, w: &mut Writer<'_>) {
        w.map(3).int(CLAIM_ISS).text(self.realm);
        w.int(CLAIM_IAT).uint(self.issued_at).int(CLAIM_PRIVATE);
        w.map(3 + count(&[!self.retired_roots.is_empty()]));
        w.int(VERSION).uint(limits::VERSION.into());
        w.int(GENERATION).uint(self.generation.into());
        w.int(KEYS);
        self.keys.write(w);
        if !self.retired_roots.is_empty() {
            w.int(RETIRED_ROOTS);
            self.retired_roots.write(w);
        }
    }

    fn decode(payload: &'b [u8]) -> Result<Self, Malformed> {
        Reader::whole(payload, read)
    }
}

fn read<'b>(r: &mut Reader<'b>) -> Result<KeySet<'b>, Malformed> {
    let (mut realm, mut issued_at, mut private) = (None, None, None);
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            CLAIM_ISS => realm = Some(read_realm(r)?),
            CLAIM_IAT => issued_at = Some(read_instant(r)?),
            CLAIM_PRIVATE => private = Some(read_private(r)?),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    let (generation, keys, retired_roots) = required(private)?;
    Ok(KeySet {
        realm: required(realm)?,
        issued_at: required(issued_at)?,
        generation,
        keys,
        retired_roots,
    })
}

type Private<'b> = (u32, Seq<'b, AuthorityKey>, Seq<'b, KeyId>);

fn read_private<'b>(r: &mut Reader<'b>) -> Result<Private<'b>, Malformed> {
    let (mut version, mut generation, mut list) = (None, None, None);
    let mut retired_roots = Seq::empty();
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            VERSION => version = Some(read_version(r)?),
            GENERATION => generation = Some(r.u32()?),
            KEYS => {
                let keys: Seq<'_, AuthorityKey> = Seq::read_some(r, limits::MAX_KEYS)?;
                list = Some(keys.distinct(|key| key.key.thumbprint().key_id())?);
            }
            RETIRED_ROOTS => {
                let roots: Seq<'_, KeyId> = Seq::read_some(r, limits::MAX_RETIRED_ROOTS)?;
                retired_roots = roots.distinct(|root| *root)?;
            }
            _ => return Err(Malformed::UnknownKey),
        }
    }
    required(version)?;
    Ok((required(generation)?, required(list)?, retired_roots))
}
