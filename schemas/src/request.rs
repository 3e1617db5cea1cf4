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
    count, read_device, read_instant, read_realm, read_version, required,
};
use crate::platform::Platform;
use crate::seq::Seq;
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::want::Want;
use crate::writer::Writer;

const SEQ: i64 = 1;
const HELD: i64 = 2;
const KEY_SET: i64 = 3;
const REASON: i64 = 4;
const NONCE: i64 = 5;
const WANTS: i64 = 6;
const USAGE: i64 = 7;
const CONCERNED: i64 = 8;
const RECEIVER: i64 = 9;

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

    fn encode(&self, w: &mut Writer<'_>) {
        let optional = count(&[self.issued_at.is_some(), self.challenge.is_some()]);
        w.map(3 + optional + self.platform.len());
        w.int(CLAIM_ISS).text(self.device.as_str());
        w.int(CLAIM_AUD).text(self.realm);
        if let Some(instant) = self.issued_at {
            w.int(CLAIM_IAT).uint(instant);
        }
        if let Some(challenge) = self.challenge {
            w.int(CLAIM_NONCE).bytes(&challenge.0);
        }
        self.platform.write(w);
        w.int(CLAIM_PRIVATE);
        w.map(9 + count(&[!self.concerned.is_empty()]));
        w.int(VERSION).uint(limits::VERSION.into());
        w.int(SEQ).uint(self.seq);
        w.int(HELD);
        match &self.held {
            Some(held) => held.write(w),
            None => {
                w.null();
            }
        }
        w.int(KEY_SET).uint(self.key_set.into());
        w.int(REASON).uint(self.reason.number().into());
        w.int(NONCE).bytes(&self.nonce.0);
        w.int(WANTS);
        self.wants.write(w);
        w.int(USAGE);
        self.usage.write(w);
        if !self.concerned.is_empty() {
            w.int(CONCERNED);
            self.concerned.write(w);
        }
        w.int(RECEIVER).array(2);
        w.uint(self.receiver.max_down.into());
        w.uint(self.receiver.capabilities.into());
    }

    fn decode(payload: &'b [u8]) -> Result<Self, Malformed> {
        Reader::whole(payload, read)
    }
}

/// The device nonce in the payload of a request that was refused, for the notice that says so.
/// Nothing else of such a payload is believed.
#[must_use]
pub fn nonce_of_refused(payload: &[u8]) -> Option<DeviceNonce> {
    let mut reader = Reader::new(payload);
    reader.seek(CLAIM_PRIVATE)?;
    reader.seek(NONCE)?;
    reader.array_of_bytes().ok().map(DeviceNonce)
}

fn read<'b>(r: &mut Reader<'b>) -> Result<Request<'b>, Malformed> {
    let (mut device, mut realm, mut issued_at, mut challenge) = (None, None, None, None);
    let mut platform = Platform::default();
    let mut private = None;
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            CLAIM_ISS => device = Some(read_device(r)?),
            CLAIM_AUD => realm = Some(read_realm(r)?),
            CLAIM_IAT => issued_at = Some(read_instant(r)?),
            CLAIM_NONCE => challenge = Some(Challenge(r.array_of_bytes()?)),
            CLAIM_PRIVATE => private = Some(read_private(r)?),
            _ => platform.read(key, r)?,
        }
    }
    platform.check()?;
    let private = required(private)?;
    Ok(Request {
        device: required(device)?,
        realm: required(realm)?,
        issued_at,
        challenge,
        platform,
        seq: private.seq,
        held: private.held,
        key_set: private.key_set,
        reason: private.reason,
        nonce: private.nonce,
        wants: private.wants,
        usage: private.usage,
        concerned: private.concerned,
        receiver: private.receiver,
    })
}

struct Private<'b> {
    seq: u64,
    held: Option<Held>,
    key_set: u32,
    reason: Reason,
    nonce: DeviceNonce,
    wants: Seq<'b, Want<'b>>,
    usage: Seq<'b, Usage>,
    concerned: Seq<'b, ActivationId>,
    receiver: Receiver,
}

fn read_private<'b>(r: &mut Reader<'b>) -> Result<Private<'b>, Malformed> {
    let (mut version, mut seq, mut held, mut key_set) = (None, None, None, None);
    let (mut reason, mut nonce, mut wants, mut usage) = (None, None, None, None);
    let (mut concerned, mut receiver) = (Seq::empty(), None);
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            VERSION => version = Some(read_version(r)?),
            SEQ => seq = Some(r.up_to(limits::MAX_COUNTER)?),
            HELD if r.null() => held = Some(None),
            HELD => held = Some(Some(Held::read(r)?)),
            KEY_SET => key_set = Some(r.u32()?),
            REASON => reason = Some(Reason::read(r)?),
            NONCE => nonce = Some(DeviceNonce(r.array_of_bytes()?)),
            WANTS => wants = Some(Seq::read(r, limits::MAX_WANTS)?.distinct(Want::subject)?),
            USAGE => usage = Some(Usage::read_list(r)?),
            CONCERNED => concerned = Seq::read_some(r, limits::MAX_LISTED)?.distinct(|id| *id)?,
            RECEIVER => receiver = Some(read_receiver(r)?),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    required(version)?;
    Ok(Private {
        seq: required(seq)?,
        held: required(held)?,
        key_set: required(key_set)?,
        reason: required(reason)?,
        nonce: required(nonce)?,
        wants: required(wants)?,
        usage: required(usage)?,
        concerned,
        receiver: required(receiver)?,
    })
}

fn read_receiver(r: &mut Reader<'_>) -> Result<Receiver, Malformed> {
    r.tuple(2)?;
    let max_down = r.up_to(limits::MAX_DOWN as u64)? as u16;
    if usize::from(max_down) < limits::MIN_DOWN {
        return Err(Malformed::OutOfRange);
    }
    Ok(Receiver {
        max_down,
        capabilities: r.u32()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{259: h'…' (too long), -65537: {0: 9, 5: nonce, 6: "x"}}`, cut off where `end` says.
    fn refused(end: usize) -> Option<DeviceNonce> {
        let mut payload = [0; 96];
        let mut w = Writer::new(&mut payload);
        w.map(2).int(259).bytes(&[7; 40]).int(CLAIM_PRIVATE).map(3);
        w.int(VERSION).uint(9);
        w.int(NONCE).bytes(&[5; 16]);
        w.int(WANTS).text("x");
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
