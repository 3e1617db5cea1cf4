//! What the five messages have in common: a CWT claim set with one private claim.
//!
//! ```cddl
//! version = 1
//! printable = tstr .regexp "[^\\p{Cc}]*"
//! device = tstr .regexp "[A-Za-z0-9._\\-]{1,64}"
//! realm = (tstr .size (1..64)) .and printable
//! feature = tstr .regexp "[!-~]{1,32}"
//! kid = bstr .size 8
//! confirmation = { 5: thumbprint }
//! thumbprint = bstr .size 32
//! activation = bstr .size 16
//! cti = bstr .size 16
//! nonce = bstr .size 16
//! challenge = bstr .size 16
//! instant = uint .le 253402300799
//! u32 = uint .size 4
//! u48 = uint .size 6
//! u64 = uint .size 8
//! ```

use crate::id::{ActivationId, Cti};
use crate::limits;
use crate::malformed::Malformed;
use crate::seq;
use crate::seq::private::Codec;
use crate::shape::{Field, List, Shape};
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::values::Values;
use crate::writer::Writer;

/// `iss` (RFC 8392).
pub(crate) const CLAIM_ISS: i16 = 1;
/// `sub` (RFC 8392).
pub(crate) const CLAIM_SUB: i16 = 2;
/// `aud` (RFC 8392).
pub(crate) const CLAIM_AUD: i16 = 3;
/// `exp` (RFC 8392).
pub(crate) const CLAIM_EXP: i16 = 4;
/// `iat` (RFC 8392).
pub(crate) const CLAIM_IAT: i16 = 6;
/// `cti` (RFC 8392).
pub(crate) const CLAIM_CTI: i16 = 7;
/// `cnf` (RFC 8747).
pub(crate) const CLAIM_CNF: i16 = 8;
/// `nonce` (RFC 9711).
pub(crate) const CLAIM_NONCE: i16 = 10;
/// What is ours.
pub(crate) const CLAIM_PRIVATE: i64 = -65537;
/// Key 0 of the private claim, in every message.
pub(crate) const VERSION: i16 = 0;

/// The payload of one of the five messages.
pub trait Message<'b>: Codec<'b> {
    /// Which of the five.
    const TYPE: MessageType;

    /// Writes the claim set, deterministically encoded.
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.whole(self);
    }

    /// Reads the claim set; `payload` must be nothing else.
    fn decode(payload: &'b [u8]) -> Result<Self, Malformed> {
        let mut values = Values::new();
        Reader::whole(payload, Self::SHAPE, &mut values)?;
        let message = Self::take(&mut values);
        message.check()?;
        Ok(message)
    }

    /// Whether values that are right by themselves belong together.
    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// A grant set named by what orders it and by what identifies it.
///
/// ```cddl
/// held = [epoch: u32, generation: u48, cti: cti]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// Epoch of the authority key that signed it.
    pub epoch: u32,
    /// Its generation.
    pub generation: u64,
    /// Its id.
    pub cti: Cti,
}

impl Held {
    pub(crate) const SHAPE: Shape = Shape::Array(&HELD);

    pub(crate) fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_uint(self.epoch).put_uint(self.generation);
        values.put_bytes(&self.cti.0);
    }

    pub(crate) fn take(values: &mut Values<'_>) -> Self {
        Self {
            epoch: values.u32(),
            generation: values.uint(),
            cti: Cti(values.array()),
        }
    }
}

const HELD: &[Shape] = &[Shape::U32, Shape::COUNTER, Shape::ID];

/// What was used of one activation, in total since it began.
///
/// ```cddl
/// usage = [activation: activation, total: u64]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which activation.
    pub activation: ActivationId,
    /// Uses in total; it never falls.
    pub total: u64,
}

impl Usage {
    /// At most one for each right.
    pub(crate) const LIST: List = List {
        min: 0,
        max: limits::MAX_LISTED as u8,
        of: Shape::Array(&USAGE),
        subject: 1,
    };
}

const USAGE: &[Shape] = &[Shape::ID, Shape::U64];

impl<'b> Codec<'b> for Usage {
    const SHAPE: &'static Shape = &Shape::Array(&USAGE);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_bytes(&self.activation.0).put_uint(self.total);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            activation: ActivationId(values.array()),
            total: values.uint(),
        }
    }
}
impl<'b> seq::Item<'b> for Usage {}

impl<'b> Codec<'b> for ActivationId {
    const SHAPE: &'static Shape = &Shape::ID;

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_bytes(&self.0);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self(values.array())
    }
}
impl<'b> seq::Item<'b> for ActivationId {}

/// `{5: thumbprint}`: the key, by its COSE Key Thumbprint (RFC 9679 section 5.6).
pub(crate) const CONFIRMATION: Shape = Shape::Map(&CONFIRM_THUMBPRINT);
const CONFIRM_THUMBPRINT: &[Field] = &[Field::new(5, Shape::HASH)];
