//! COSE_Sign1 (RFC 9052 section 4.2) as this protocol has it.
//!
//! ```cddl
//! request-message = #6.18([
//!   protected: bstr .cbor request-header, unprotected: {}, payload: bstr .cbor request, signature: signature,
//! ])
//! ack-message = #6.18([
//!   protected: bstr .cbor ack-header, unprotected: {}, payload: bstr .cbor ack, signature: signature,
//! ])
//! grant-message = #6.18([
//!   protected: bstr .cbor grant-header, unprotected: {}, payload: bstr .cbor grant, signature: signature,
//! ])
//! notice-message = #6.18([
//!   protected: bstr .cbor notice-header, unprotected: {}, payload: bstr .cbor notice, signature: signature,
//! ])
//! keys-message = #6.18([
//!   protected: bstr .cbor keys-header, unprotected: {}, payload: bstr .cbor keys, signature: signature,
//! ])
//! request-header = { 1: es256, 16: "application/vnd.fleetgrant.request+cwt", device-signer }
//! ack-header = { 1: es256, 16: "application/vnd.fleetgrant.ack+cwt", device-signer }
//! grant-header = { 1: es256, 4: kid, 16: "application/vnd.fleetgrant.grant+cwt" }
//! notice-header = { 1: es256, 4: kid, 16: "application/vnd.fleetgrant.notice+cwt" }
//! keys-header = { 1: es256, 4: kid, 16: "application/vnd.fleetgrant.keys+cwt" }
//! es256 = -7
//! device-signer = ( 33: x5chain // 34: x5t )
//! x5chain = certificate / [2*4 certificate]
//! certificate = bstr .size (1..4096)
//! x5t = [sha-256: -16, thumbprint: bstr .size 32]
//! signature = bstr .size 64
//! ```
//!
//! The payload of an [`Envelope`] cannot be reached: only [`Envelope::verify`] gives it out.

use core::ops::Range;

use crate::id::{CertificateThumbprint, KeyId, MessageDigest, sha256};
use crate::limits;
use crate::malformed::Malformed;
use crate::message::Message;
use crate::seq::private::Codec;
use crate::seq::{self, Seq};
use crate::shape::{Field, List, Shape};
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::values::{Value, Values, fixed};
use crate::writer::Writer;

const TAG_SIGN1: u64 = 18;
const ES256: i8 = -7;
const SHA_256: i8 = -16;

/// alg, kid, typ, x5chain, x5t: which of them make a header is for [`read_header`] to say.
const HEADER: &[Field] = &[
    Field::new(1, Shape::Is(ES256, Malformed::Algorithm)),
    Field::optional(4, Shape::KID),
    Field::optional(16, Shape::printable(64)),
    Field::optional(33, Shape::Some(&CHAIN)),
    Field::optional(34, Shape::Array(&X5T)),
];
/// One certificate is a byte string, several are an array (RFC 9360 section 2).
const CHAIN: List = List {
    min: 2,
    max: limits::MAX_CHAIN as u8,
    of: CERTIFICATE,
    subject: 0,
};
/// The most that an envelope signed by a key takes beside its payload: tag and array, the header
/// in its byte string, the empty map, the payload's head, and the signature's.
pub(crate) const BESIDE_PAYLOAD: usize = 2 + 2 + Shape::Map(&HEADER).largest()
    - (3 + Shape::Some(&CHAIN).largest())
    - (3 + Shape::Array(&X5T).largest())
    + 1
    + 3
    + 66;
const CERTIFICATE: Shape = Shape::Bytes(1, limits::MAX_CERTIFICATE as u16);
const X5T: &[Shape] = &[Shape::Is(SHA_256, Malformed::Algorithm), Shape::HASH];

/// `r ‖ s`, 32 bytes each, big-endian (RFC 9053 section 2.1). High and low s are both valid.
pub type Signature = [u8; 64];

/// Who signed, as the protected header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer<'b> {
    /// A device, with its certificates: leaf first, root left out (RFC 9360 `x5chain`).
    Chain(Seq<'b, Certificate<'b>>),
    /// A device whose chain the gateway knows (RFC 9360 `x5t` with SHA-256).
    Thumbprint(CertificateThumbprint),
    /// The authority or a root (RFC 9052 `kid`).
    Key(KeyId),
}

impl Signer<'_> {
    const fn is_device(&self) -> bool {
        matches!(self, Self::Chain(_) | Self::Thumbprint(_))
    }
}

/// The DER of one certificate; nothing in it is checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'b>(pub &'b [u8]);

impl<'b> Codec<'b> for Certificate<'b> {
    const SHAPE: &'static Shape = &CERTIFICATE;

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_bytes(self.0);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self(values.bytes())
    }
}
impl<'b> seq::Item<'b> for Certificate<'b> {}

/// A message whose signature was not checked yet.
#[derive(Clone, Debug)]
pub struct Envelope<'b> {
    message: MessageType,
    signer: Signer<'b>,
    signed: SigStructure<'b>,
    signature: &'b Signature,
}

/// A message whose signature was found good.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'b> {
    message: MessageType,
    signed: SigStructure<'b>,
}

/// The signature does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

impl core::fmt::Display for BadSignature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the signature does not verify")
    }
}

impl core::error::Error for BadSignature {}

impl<'b> Envelope<'b> {
    /// Reads an envelope. The signer must fit the direction of its message.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, Malformed> {
        if bytes.len() > limits::MAX_UP {
            return Err(Malformed::Oversize);
        }
        let mut reader = Reader::new(bytes);
        let envelope = Self::read(&mut reader)?;
        reader.finish()?;
        if bytes.len() > envelope.message.max_len() {
            return Err(Malformed::Oversize);
        }
        Ok(envelope)
    }

    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        match reader.tag() {
            Ok(TAG_SIGN1) => {}
            Ok(_) | Err(Malformed::WrongType) => return Err(Malformed::NotSign1),
            Err(reason) => return Err(reason),
        }
        match reader.array(usize::MAX)? {
            4 => {}
            _ => return Err(Malformed::NotSign1),
        }
        let protected = reader.bytes()?;
        if !reader.map_head()?.is_empty() {
            return Err(Malformed::UnprotectedHeader);
        }
        let payload = reader.bytes()?;
        let signature = reader.bytes()?;
        let (message, signer) = read_header(protected)?;
        Ok(Self {
            message,
            signer,
            signed: SigStructure { protected, payload },
            signature: signature.try_into().map_err(|_| Malformed::WrongLength)?,
        })
    }

    /// Which of the five messages this says it is.
    #[must_use]
    pub const fn message(&self) -> MessageType {
        self.message
    }

    /// Who it says signed.
    #[must_use]
    pub const fn signer(&self) -> Signer<'b> {
        self.signer
    }

    /// What was signed.
    #[must_use]
    pub const fn signed(&self) -> SigStructure<'b> {
        self.signed
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &'b Signature {
        self.signature
    }

    /// Gives out the payload if `is_good` finds the signature good.
    pub fn verify(
        &self,
        is_good: impl FnOnce(&SigStructure<'b>, &Signature) -> bool,
    ) -> Result<Verified<'b>, BadSignature> {
        if is_good(&self.signed, self.signature) {
            Ok(Verified {
                message: self.message,
                signed: self.signed,
            })
        } else {
            Err(BadSignature)
        }
    }
}

impl<'b> Verified<'b> {
    /// What identifies this message: a signature's bytes can be changed, what was signed cannot.
    #[must_use]
    pub fn digest(&self) -> MessageDigest {
        self.signed.digest()
    }

    /// Which of the five.
    #[must_use]
    pub const fn message(&self) -> MessageType {
        self.message
    }

    /// The payload's CBOR.
    #[must_use]
    pub const fn payload(&self) -> &'b [u8] {
        self.signed.payload
    }

    /// Reads the payload as `M`; [`Malformed::Type`] when the header names another message.
    pub fn read<M: Message<'b>>(&self) -> Result<M, Malformed> {
        if self.message == M::TYPE {
            M::decode(self.signed.payload)
        } else {
            Err(Malformed::Type)
        }
    }
}

fn read_header(bytes: &[u8]) -> Result<(MessageType, Signer<'_>), Malformed> {
    let mut header = Values::new();
    match Reader::whole(bytes, &Shape::Map(&HEADER), &mut header) {
        // No other key must be there.
        Err(Malformed::MissingKey) => return Err(Malformed::Algorithm),
        read => read?,
    }
    let kid = header.take();
    let message = MessageType::of_media_type(header.text()).ok_or(Malformed::Type)?;
    let signer = match (kid, header.take(), header.take()) {
        (Value::Bytes(kid), Value::Absent, Value::Absent) => Signer::Key(KeyId(fixed(kid))),
        (Value::Absent, Value::Read(chain, len), Value::Absent) => {
            Signer::Chain(Seq::of_read(chain, len))
        }
        (Value::Absent, Value::Absent, Value::Bytes(digest)) => {
            Signer::Thumbprint(CertificateThumbprint(fixed(digest)))
        }
        _ => return Err(Malformed::Signer),
    };
    if signer.is_device() == message.is_up() {
        Ok((message, signer))
    } else {
        Err(Malformed::Signer)
    }
}

/// `["Signature1", protected, h'', payload]` (RFC 9052 section 4.4), never laid out whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigStructure<'b> {
    protected: &'b [u8],
    payload: &'b [u8],
}

impl<'b> SigStructure<'b> {
    /// What a device signs for itself and nobody else reads, by the digest of its content.
    ///
    /// `purpose` is a text that is no header: a header is a map in CBOR, and begins with a byte
    /// that no text has. So nothing of this can ever be passed off as a message.
    #[must_use]
    pub const fn of_own(purpose: &'b [u8], digest: &'b [u8; 32]) -> Self {
        assert!(
            matches!(purpose, [first, ..] if first.is_ascii()),
            "the purpose is a text"
        );
        Self {
            protected: purpose,
            payload: digest,
        }
    }

    /// SHA-256 of it: what ES256 signs, and what identifies the message.
    #[must_use]
    pub fn digest(&self) -> MessageDigest {
        let heads = [head(self.protected), head(self.payload)];
        MessageDigest(sha256(&self.parts(&heads)))
    }

    /// Its encoding, part by part, for signature libraries that want the bytes.
    pub fn for_each_part(&self, part: impl FnMut(&[u8])) {
        let heads = [head(self.protected), head(self.payload)];
        self.parts(&heads).into_iter().for_each(part);
    }

    fn parts<'s>(&'s self, [protected, payload]: &'s [Head; 2]) -> [&'s [u8]; 6] {
        [
            b"\x84\x6aSignature1",
            protected.bytes(),
            self.protected,
            b"\x40",
            payload.bytes(),
            self.payload,
        ]
    }
}

/// The head of a byte string.
struct Head([u8; 9], usize);

impl Head {
    fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

#[inline(never)]
fn head(of: &[u8]) -> Head {
    let mut head = [0; 9];
    let len = Writer::new(&mut head).bytes_head(of.len()).position();
    Head(head, len)
}

/// The buffer is too small for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooSmall;

impl core::fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the buffer is too small for the message")
    }
}

impl core::error::Error for BufferTooSmall {}

/// A message laid out in a buffer, all but its signature.
#[derive(Debug)]
pub struct Draft<'a> {
    buffer: &'a mut [u8],
    protected: Range<usize>,
    payload: Range<usize>,
    signature: usize,
}

impl<'a> Draft<'a> {
    /// Lays out `message` as signed by `signer`.
    pub fn new<'m, M: Message<'m>>(
        buffer: &'a mut [u8],
        signer: &Signer<'_>,
        message: &M,
    ) -> Result<Self, BufferTooSmall> {
        Self::lay_out(buffer, M::TYPE, signer, &|w| message.encode(w))
    }

    /// Lays out a payload that was encoded before.
    pub fn of_payload(
        buffer: &'a mut [u8],
        message: MessageType,
        signer: &Signer<'_>,
        payload: &[u8],
    ) -> Result<Self, BufferTooSmall> {
        Self::lay_out(buffer, message, signer, &|w| {
            w.raw(payload);
        })
    }

    fn lay_out(
        buffer: &'a mut [u8],
        message: MessageType,
        signer: &Signer<'_>,
        write_payload: &dyn Fn(&mut Writer<'_>),
    ) -> Result<Self, BufferTooSmall> {
        let write_header = |w: &mut Writer<'_>| write_header(w, message, signer);
        let mut w = Writer::new(buffer);
        w.tag(TAG_SIGN1).array(4);
        let protected = w.wrapped(&write_header);
        w.map(0);
        let payload = w.wrapped(write_payload);
        let signature = w.bytes_head(64).position();
        if buffer.len() < signature + 64 {
            return Err(BufferTooSmall);
        }
        Ok(Self {
            buffer,
            protected,
            payload,
            signature,
        })
    }

    /// What is to be signed.
    #[must_use]
    pub fn to_sign(&self) -> SigStructure<'_> {
        SigStructure {
            protected: self.part(&self.protected),
            payload: self.part(&self.payload),
        }
    }

    /// Parts are where they were written, so they are there.
    fn part(&self, place: &Range<usize>) -> &[u8] {
        self.buffer.get(place.clone()).unwrap_or_default()
    }

    /// The finished message.
    #[must_use]
    pub fn finish(self, signature: &Signature) -> &'a [u8] {
        // There is room: it was laid out with it.
        let end = self.signature + signature.len();
        let message = self.buffer.get_mut(..end).unwrap_or_default();
        if let Some(place) = message.last_chunk_mut() {
            *place = *signature;
        }
        message
    }
}

fn write_header(w: &mut Writer<'_>, message: MessageType, signer: &Signer<'_>) {
    let mut header = Values::new();
    let (kid, chain, x5t) = match signer {
        Signer::Key(kid) => (Value::Bytes(&kid.0), Value::Absent, Value::Absent),
        Signer::Chain(chain) => (Value::Absent, Value::List(chain), Value::Absent),
        Signer::Thumbprint(digest) => (Value::Absent, Value::Absent, Value::Bytes(&digest.0)),
    };
    header.put(kid).put_text(message.media_type());
    header.put(chain).put(x5t);
    w.shaped(&Shape::Map(&HEADER), header.rewind());
}
