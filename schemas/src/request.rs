//! The request: what a device has, and what it wants.
//!
//! ```cddl
//! request = {
//!   1: device, 3: realm, ? 6: instant, ? 10: challenge, platform,
//!   -65537: {
//!     0: version, 1: seq, 2: held / null, 3: key-set-generation, 4: reason, 5: nonce,
//!     6: [0*8 want], 7: [0*64 usage], ? 8: [1*64 activation], 9: receiver,
//!   },
//! }
//! seq = u48
//! key-set-generation = u32
//! reason = 0..7
//! receiver = [max-down: 512..4096, capabilities: u32]
//! ```

use crate::closed::closed;
use crate::id::{ActivationId, Challenge, DeviceId, DeviceNonce};
use crate::limits;
use crate::malformed::Malformed;
use crate::message::{
    CLAIM_AUD, CLAIM_IAT, CLAIM_ISS, CLAIM_NONCE, CLAIM_PRIVATE, Held, Message, Usage, VERSION,
};
use crate::platform::{
    BOOT_COUNT, HW_MODEL, OEM_ID, Platform, SOFTWARE, SW_NAME, SW_VERSION, VERSION_OF_SOFTWARE,
};
use crate::seq::Seq;
use crate::seq::private::Codec;
use crate::shape::{Field, List, Range, Shape};
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::values::{Value, Values};
use crate::want::{self, Want};

const REQUEST: &[Field] = &[
    Field::new(CLAIM_ISS, Shape::DEVICE),
    Field::new(CLAIM_AUD, Shape::REALM),
    Field::optional(CLAIM_IAT, Shape::INSTANT),
    Field::optional(CLAIM_NONCE, Shape::ID),
    Field::optional(OEM_ID, Shape::OemId),
    Field::optional(HW_MODEL, Shape::Bytes(1, limits::MAX_HWMODEL as u16)),
    Field::optional(BOOT_COUNT, Shape::U32),
    Field::optional(SW_NAME, SOFTWARE),
    Field::optional(SW_VERSION, Shape::Array(&VERSION_OF_SOFTWARE)),
    Field::private(&PRIVATE),
];
const PRIVATE: &[Field] = &[
    Field::new(VERSION, Shape::VERSION),
    Field::new(1, Shape::COUNTER),
    Field::new(2, Shape::OrNull(&Held::SHAPE)),
    Field::new(3, Shape::U32),
    Field::new(4, Reason::SHAPE),
    Field::new(NONCE, Shape::ID),
    Field::new(6, Shape::List(&want::LIST)),
    Field::new(7, Shape::List(&Usage::LIST)),
    Field::optional(8, Shape::List(&CONCERNED)),
    Field::new(9, Shape::Array(&RECEIVER)),
];
const NONCE: i16 = 5;
const CONCERNED: List = List {
    min: 1,
    max: limits::MAX_LISTED as u8,
    of: Shape::ID,
    subject: 1,
};
const RECEIVER: &[Shape] = &[
    Shape::Uint(&Range(limits::MIN_DOWN as u64, limits::MAX_DOWN as u64)),
    Shape::U32,
];

closed! {
    /// Why a device asks.
    Reason {
        /// It started.
        Boot = 0 "boot",
        /// It is on the factory line.
        Factory = 1 "factory",
        /// Its set is due for renewal.
        Renew = 2 "renew",
        /// Its owner wants more.
        Upgrade = 3 "upgrade",
        /// It gives something back.
        Return = 4 "return",
        /// It takes over from another device.
        Rehost = 5 "rehost",
        /// It needs a stop-gap.
        Temporary = 6 "temporary",
        /// It lacks the authority's keys.
        Keys = 7 "keys",
    }
}

/// What a device can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// The largest message it reads, in bytes: 512 to 4,096.
    pub max_down: u16,
    /// Capability bits; none is defined in version 1, and unknown ones are ignored.
    pub capabilities: u32,
}

/// A request. One is outstanding at a time, and its retries are the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    /// Who asks.
    pub device: DeviceId<'b>,
    /// Whom it asks.
    pub realm: &'b str,
    /// The device's own idea of the time, in seconds since 1970; the gateway never uses it.
    pub issued_at: Option<u64>,
    /// The last challenge the gateway sent.
    pub challenge: Option<Challenge>,
    /// What the device says of itself.
    pub platform: Platform<'b>,
    /// Counts requests; below 2^48.
    pub seq: u64,
    /// The set it holds.
    pub held: Option<Held>,
    /// The generation of the key set it holds; 0 for the one it was built with.
    pub key_set: u32,
    /// Why it asks.
    pub reason: Reason,
    /// Fresh for each request; the answer echoes it.
    pub nonce: DeviceNonce,
    /// What it wants; none: whatever it is owed.
    pub wants: Seq<'b, Want<'b>>,
    /// What it used.
    pub usage: Seq<'b, Usage>,
    /// The activations a return, rehost or temporary is about.
    pub concerned: Seq<'b, ActivationId>,
    /// What it can take.
    pub receiver: Receiver,
}

impl<'b> Message<'b> for Request<'b> {
    const TYPE: MessageType = MessageType::Request;

    fn check(&self) -> Result<(), Malformed> {
        self.platform.check()
    }
}

impl<'b> Codec<'b> for Request<'b> {
    const SHAPE: &'static Shape = &Shape::Map(&REQUEST);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_text(self.device.as_str());
        values.put_text(self.realm);
        values.put_uint_if(self.issued_at);
        values.put_if(self.challenge.as_ref(), |it| Value::Bytes(&it.0));
        self.platform.put(values);
        values.put_uint(self.seq);
        match &self.held {
            Some(held) => held.put(values),
            None => drop(values.skip(Held::SHAPE.values())),
        }
        values.put_uint(self.key_set);
        values.put_uint(self.reason.number());
        values.put_bytes(&self.nonce.0);
        values.put_list(&self.wants);
        values.put_list(&self.usage);
        values.put_some(&self.concerned);
        values.put_uint(self.receiver.max_down);
        values.put_uint(self.receiver.capabilities);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            device: DeviceId::take(values),
            realm: values.text(),
            issued_at: values.if_there(Values::uint),
            challenge: values.if_there(|it| Challenge(it.array())),
            platform: Platform::take(values),
            seq: values.uint(),
            held: values.if_all_there(Held::SHAPE.values(), Held::take),
            key_set: values.u32(),
            reason: Reason::take(values),
            nonce: DeviceNonce(values.array()),
            wants: values.list(),
            usage: values.list(),
            concerned: values.list(),
            receiver: Receiver {
                max_down: values.u32() as u16,
                capabilities: values.u32(),
            },
        }
    }
}

/// The device nonce in the payload of a request that was refused, for the notice that says so.
/// Nothing else of such a payload is believed.
#[must_use]
pub fn nonce_of_refused(payload: &[u8]) -> Option<DeviceNonce> {
    let mut reader = Reader::new(payload);
    reader.seek(CLAIM_PRIVATE)?;
    reader.seek(NONCE.into())?;
    reader.bytes().ok()?.try_into().ok().map(DeviceNonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;

    /// `{259: h'…' (too long), -65537: {0: 9, 5: nonce, 6: "x"}}`, cut off where `end` says.
    fn refused(end: usize) -> Option<DeviceNonce> {
        let mut payload = [0; 96];
        let mut w = Writer::new(&mut payload);
        w.map(2).int(259).bytes(&[7; 40]).int(CLAIM_PRIVATE).map(3);
        w.int(VERSION.into()).uint(9);
        w.int(NONCE.into()).bytes(&[5; 16]);
        w.int(6).text("x");
        let written = w.position();
        assert!(Request::decode(&payload[..written]).is_err());
        nonce_of_refused(&payload[..written - end])
    }

    #[test]
    fn the_nonce_of_a_refused_request_is_found_whatever_else_is_wrong() {
        let nonce = Some(DeviceNonce([5; 16]));
        assert_eq!(refused(0), nonce);
        assert_eq!(refused(3), nonce);
        assert_eq!(refused(4), None);
    }

    #[test]
    fn what_has_no_nonce_is_no_trouble() {
        let mut deep = [0x81; 96];
        deep[..2].copy_from_slice(&[0xa1, 0x01]);
        for payload in [
            &b""[..],
            b"\xff",
            b"\x80",
            b"\xa1\x01",
            // A claim that says it has 2^64 − 1 elements, in a map that says the same.
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            // Arrays in arrays, without end.
            &deep,
        ] {
            assert_eq!(nonce_of_refused(payload), None, "{payload:x?}");
        }
    }
}
