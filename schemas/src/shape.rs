//! What a message looks like on the wire, as data: one description for reading and for writing.
//!
//! A description says what the CDDL beside it says. Code for each field would take several times
//! the flash of a device: [`crate::strict::Reader`] and [`crate::writer::Writer`] go through the
//! description instead, and carry `Values` from and to the typed messages.

use crate::limits;
use crate::malformed::Malformed;
use crate::message::CLAIM_PRIVATE;

/// What stands at one place.
#[derive(Debug)]
pub enum Shape {
    /// An unsigned integer in this range.
    Uint(&'static Range),
    /// A number of a closed list, first to last.
    Code(u8, u8),
    /// This integer and no other; it carries no value.
    Is(i8, Malformed),
    /// From so many to so many bytes.
    Bytes(u8, u16),
    /// A number of 32 bits, or 3 or 16 bytes (RFC 9711 section 4.2.3).
    OemId,
    /// One to so many bytes of UTF-8, in these characters.
    Text(u8, Characters),
    /// A map.
    Map(&'static &'static [Field]),
    /// An array of exactly these.
    Array(&'static &'static [Shape]),
    /// An array whose first element is a number that says what the others are; all cases have
    /// equally many.
    Cases(&'static &'static [&'static [Shape]]),
    /// It, or `null`.
    OrNull(&'static Shape),
    /// An array of equals.
    List(&'static List),
    /// An array of two or more equals, or one of them without an array around it.
    Some(&'static List),
}

/// Lowest and highest.
#[derive(Debug)]
pub struct Range(pub(crate) u64, pub(crate) u64);

/// Characters that a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// All but control characters.
    Printable,
    /// The visible ones of ASCII.
    Visible,
    /// Those of a device id.
    DeviceId,
}

/// One key of a map. Keys stand in the order of their encodings.
#[derive(Debug)]
pub struct Field {
    pub(crate) key: i16,
    pub(crate) is_optional: bool,
    pub(crate) of: Shape,
}

/// Elements of a list.
#[derive(Debug)]
pub struct List {
    pub(crate) min: u8,
    pub(crate) max: u8,
    pub(crate) of: Shape,
    /// So many of its first values say what an element is about: no two are about the same thing.
    /// 0: whatever they are.
    pub(crate) subject: u8,
}

/// The key of the private claim, which is no 16 bits.
const PRIVATE: i16 = i16::MIN;

impl Field {
    /// A key that is always there.
    pub(crate) const fn new(key: i16, of: Shape) -> Self {
        let is_optional = false;
        Self {
            key,
            is_optional,
            of,
        }
    }

    /// A key that may be absent.
    pub(crate) const fn optional(key: i16, of: Shape) -> Self {
        let is_optional = true;
        Self {
            key,
            is_optional,
            of,
        }
    }

    /// The private claim.
    pub(crate) const fn private(claims: &'static &'static [Self]) -> Self {
        Self::new(PRIVATE, Shape::Map(claims))
    }

    /// The key on the wire.
    pub(crate) const fn key(&self) -> i64 {
        match self.key {
            PRIVATE => CLAIM_PRIVATE,
            key => key as i64,
        }
    }
}

impl Shape {
    pub(crate) const U32: Self = Self::Uint(&Range(0, u32::MAX as u64));
    pub(crate) const U64: Self = Self::Uint(&Range(0, u64::MAX));
    pub(crate) const COUNTER: Self = Self::Uint(&Range(0, limits::MAX_COUNTER));
    pub(crate) const INSTANT: Self = Self::Uint(&Range(0, limits::MAX_INSTANT));
    pub(crate) const VERSION: Self = Self::Is(limits::VERSION as i8, Malformed::Version);
    pub(crate) const DEVICE: Self = Self::Text(limits::MAX_DEVICE_ID as u8, Characters::DeviceId);
    pub(crate) const REALM: Self = Self::printable(limits::MAX_REALM);
    pub(crate) const FEATURE: Self = Self::name(limits::MAX_FEATURE);
    /// An id, a nonce, a challenge.
    pub(crate) const ID: Self = Self::Bytes(16, 16);
    pub(crate) const HASH: Self = Self::Bytes(32, 32);
    pub(crate) const KID: Self = Self::Bytes(8, 8);

    pub(crate) const fn printable(max: usize) -> Self {
        Self::Text(max as u8, Characters::Printable)
    }

    pub(crate) const fn name(max: usize) -> Self {
        Self::Text(max as u8, Characters::Visible)
    }

    /// How many values it carries.
    pub(crate) fn values(&self) -> usize {
        match self {
            Self::Is(..) => 0,
            Self::Map(fields) => fields.iter().map(|field| field.of.values()).sum(),
            Self::Array(shapes) => shapes.iter().map(Self::values).sum(),
            Self::Cases(cases) => 1 + cases.first().map_or(0, |case| case.len()),
            Self::OrNull(of) => of.values(),
            _ => 1,
        }
    }

    /// The most bytes it takes.
    pub(crate) const fn largest(&self) -> usize {
        match self {
            Self::Uint(range) => head(range.1),
            Self::Code(_, last) => head(*last as u64),
            Self::Is(value, _) => head(value.unsigned_abs() as u64),
            Self::Bytes(_, max) => head(*max as u64) + *max as usize,
            Self::OemId => head(16) + 16,
            Self::Text(max, _) => head(*max as u64) + *max as usize,
            Self::Map(fields) => map(fields),
            Self::Array(of) => array(of),
            Self::Cases(cases) => {
                let (mut largest, mut rest) = (0, **cases);
                while let [case, more @ ..] = rest {
                    let size = 1 + array(case);
                    largest = if size > largest { size } else { largest };
                    rest = more;
                }
                largest
            }
            Self::OrNull(of) => of.largest(),
            Self::List(list) | Self::Some(list) => list.largest(list.max as usize),
        }
    }
}

impl List {
    /// The most bytes that so many take.
    pub(crate) const fn largest(&self, elements: usize) -> usize {
        head(elements as u64) + elements * self.of.largest()
    }
}

/// Bytes of a head with this argument (RFC 8949 section 3).
const fn head(argument: u64) -> usize {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

const fn array(of: &[Shape]) -> usize {
    let (mut size, mut rest) = (head(of.len() as u64), of);
    while let [shape, more @ ..] = rest {
        size += shape.largest();
        rest = more;
    }
    size
}

const fn map(fields: &[Field]) -> usize {
    let (mut size, mut rest) = (head(fields.len() as u64), fields);
    while let [field, more @ ..] = rest {
        size += head(field.key().unsigned_abs()) + field.of.largest();
        rest = more;
    }
    size
}
