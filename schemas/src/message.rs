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

use crate::id::{ActivationId, Cti, DeviceId, KeyThumbprint};
use crate::limits;
use crate::malformed::Malformed;
use crate::seq::{self, Seq};
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::writer::Writer;

/// `iss` (RFC 8392).
pub(crate) const CLAIM_ISS: i64 = 1;
/// `sub` (RFC 8392).
pub(crate) const CLAIM_SUB: i64 = 2;
/// `aud` (RFC 8392).
pub(crate) const CLAIM_AUD: i64 = 3;
/// `exp` (RFC 8392).
pub(crate) const CLAIM_EXP: i64 = 4;
/// `iat` (RFC 8392).
pub(crate) const CLAIM_IAT: i64 = 6;
/// `cti` (RFC 8392).
pub(crate) const CLAIM_CTI: i64 = 7;
/// `cnf` (RFC 8747).
pub(crate) const CLAIM_CNF: i64 = 8;
/// `nonce` (RFC 9711).
pub(crate) const CLAIM_NONCE: i64 = 10;
/// What is ours.
pub(crate) const CLAIM_PRIVATE: i64 = -65537;
/// Key 0 of the private claim, in every message.
pub(crate) const VERSION: i64 = 0;

/// The payload of one of the five messages.
pub trait Message<'b>: Sized {
    /// Which of the five.
    const TYPE: MessageType;

    /// Writes the claim set, deterministically encoded.
    fn encode(&self, writer: &mut Writer<'_>);

    /// Reads the claim set; `payload` must be nothing else.
    fn decode(payload: &'b [u8]) -> Result<Self, Malformed>;
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
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.tuple(3)?;
        Ok(Self {
            epoch: reader.u32()?,
            generation: reader.up_to(limits::MAX_COUNTER)?,
            cti: Cti(reader.array_of_bytes()?),
        })
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer
            .array(3)
            .uint(self.epoch.into())
            .uint(self.generation);
        writer.bytes(&self.cti.0);
    }
}

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
    pub(crate) fn read_list<'b>(reader: &mut Reader<'b>) -> Result<Seq<'b, Self>, Malformed> {
        Seq::read(reader, limits::MAX_LISTED)?.distinct(|usage: &Self| usage.activation)
    }
}

impl<'b> seq::private::Codec<'b> for Usage {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.tuple(2)?;
        Ok(Self {
            activation: ActivationId(reader.array_of_bytes()?),
            total: reader.u64()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.array(2).bytes(&self.activation.0).uint(self.total);
    }
}
impl<'b> seq::Item<'b> for Usage {}

impl<'b> seq::private::Codec<'b> for ActivationId {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.array_of_bytes().map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bytes(&self.0);
    }
}
impl<'b> seq::Item<'b> for ActivationId {}

pub(crate) fn read_device<'b>(reader: &mut Reader<'b>) -> Result<DeviceId<'b>, Malformed> {
    let text = reader.text_within(1, limits::MAX_DEVICE_ID)?;
    DeviceId::new(text).map_err(|_| Malformed::OutOfRange)
}

pub(crate) fn read_realm<'b>(reader: &mut Reader<'b>) -> Result<&'b str, Malformed> {
    reader.text_within(1, limits::MAX_REALM)
}

pub(crate) fn read_instant(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    reader.up_to(limits::MAX_INSTANT)
}

/// `{5: thumbprint}`: the key, by its COSE Key Thumbprint (RFC 9679 section 5.6).
const CONFIRM_THUMBPRINT: i64 = 5;

pub(crate) fn read_confirmation(reader: &mut Reader<'_>) -> Result<KeyThumbprint, Malformed> {
    let mut thumbprint = None;
    let mut keys = reader.map()?;
    while let Some(key) = reader.key(&mut keys)? {
        match key {
            CONFIRM_THUMBPRINT => thumbprint = Some(KeyThumbprint(reader.array_of_bytes()?)),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    required(thumbprint)
}

pub(crate) fn write_confirmation(writer: &mut Writer<'_>, thumbprint: &KeyThumbprint) {
    writer.map(1).int(CONFIRM_THUMBPRINT).bytes(&thumbprint.0);
}

pub(crate) fn read_version(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.u64()? {
        version if version == u64::from(limits::VERSION) => Ok(()),
        _ => Err(Malformed::Version),
    }
}

/// The value of a key that every such map holds.
pub(crate) fn required<T>(value: Option<T>) -> Result<T, Malformed> {
    value.ok_or(Malformed::MissingKey)
}

/// How many of these keys a map will hold.
pub(crate) fn count(present: &[bool]) -> usize {
    present.iter().filter(|&&is_there| is_there).count()
}
