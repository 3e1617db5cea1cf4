//! The acknowledgement: what a device installed, in its own signature.
//!
//! ```cddl
//! ack = {
//!   1: device, 3: realm, ? 6: instant,
//!   -65537: {
//!     0: version, 1: ack-number, 2: held, 3: [0*64 exception], ? 6: shown-grant, 7: [0*64 usage],
//!   },
//! }
//! ack-number = 1..4294967295
//! shown-grant = bstr .size (1..4096)
//! ```

use crate::closed::closed;
use crate::id::{ActivationId, DeviceId};
use crate::limits;
use crate::malformed::Malformed;
use crate::message::{
    CLAIM_AUD, CLAIM_IAT, CLAIM_ISS, CLAIM_PRIVATE, Held, Message, Usage, VERSION, count,
    read_device, read_instant, read_realm, read_version, required,
};
use crate::seq::{self, Seq};
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::writer::Writer;

const N: i64 = 1;
const HELD: i64 = 2;
const EXCEPTIONS: i64 = 3;
const SHOWN_GRANT: i64 = 6;
const USAGE: i64 = 7;

closed! {
    /// What a device did with an activation it did not simply put in force.
    Outcome {
        /// It will not use it; the unit can go back.
        Refused = 1 "refused",
        /// It holds it, and puts it in force at its next start.
        Deferred = 2 "deferred",
    }
}

closed! {
    /// Why.
    OutcomeReason {
        /// None of the others.
        Other = 0 "other",
        /// The firmware does not know the feature.
        UnknownFeature = 1 "unknown-feature",
        /// The firmware is newer than the version ceiling.
        VersionCeiling = 2 "version-ceiling",
        /// The hardware lacks what the feature needs.
        Hardware = 3 "hardware",
        /// There is no room to store it.
        Storage = 4 "storage",
        /// It takes a restart.
        NextBoot = 5 "next-boot",
    }
}

/// An activation that was not simply put in force.
///
/// ```cddl
/// exception = [activation: activation, outcome: outcome, reason: outcome-reason]
/// outcome = 1..2
/// outcome-reason = 0..5
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Which.
    pub activation: ActivationId,
    /// What was done.
    pub outcome: Outcome,
    /// Why.
    pub reason: OutcomeReason,
}

impl<'b> seq::private::Codec<'b> for Exception {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.tuple(3)?;
        Ok(Self {
            activation: ActivationId(reader.array_of_bytes()?),
            outcome: Outcome::read(reader)?,
            reason: OutcomeReason::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.array(3).bytes(&self.activation.0);
        writer.uint(self.outcome.number().into());
        writer.uint(self.reason.number().into());
    }
}
impl<'b> seq::Item<'b> for Exception {}

/// An acknowledgement. Everything in the set is in force but for the exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'b> {
    /// Who acknowledges.
    pub device: DeviceId<'b>,
    /// To whom.
    pub realm: &'b str,
    /// The device's own idea of the time, in seconds since 1970.
    pub issued_at: Option<u64>,
    /// Counts the acks of one generation, from 1.
    pub n: u32,
    /// The set it holds.
    pub held: Held,
    /// What is not simply in force.
    pub exceptions: Seq<'b, Exception>,
    /// The signed grant it holds, when it was asked to show it.
    pub shown_grant: Option<&'b [u8]>,
    /// What it used.
    pub usage: Seq<'b, Usage>,
}

impl<'b> Message<'b> for Ack<'b> {
    const TYPE: MessageType = MessageType::Ack;

    fn encode(&self, w: &mut Writer<'_>) {
        w.map(3 + count(&[self.issued_at.is_some()]));
        w.int(CLAIM_ISS).text(self.device.as_str());
        w.int(CLAIM_AUD).text(self.realm);
        w.optional_uint(CLAIM_IAT, self.issued_at);
        w.int(CLAIM_PRIVATE);
        w.map(5 + count(&[self.shown_grant.is_some()]));
        w.int(VERSION).uint(limits::VERSION.into());
        w.int(N).uint(self.n.into());
        w.int(HELD);
        self.held.write(w);
        w.int(EXCEPTIONS);
        self.exceptions.write(w);
        if let Some(grant) = self.shown_grant {
            w.int(SHOWN_GRANT).bytes(grant);
        }
        w.int(USAGE);
        self.usage.write(w);
    }

    fn decode(payload: &'b [u8]) -> Result<Self, Malformed> {
        Reader::whole(payload, read)
    }
}

fn read<'b>(r: &mut Reader<'b>) -> Result<Ack<'b>, Malformed> {
    let (mut device, mut realm, mut issued_at, mut private) = (None, None, None, None);
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            CLAIM_ISS => device = Some(read_device(r)?),
            CLAIM_AUD => realm = Some(read_realm(r)?),
            CLAIM_IAT => issued_at = Some(read_instant(r)?),
            CLAIM_PRIVATE => private = Some(read_private(r)?),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    let private = required(private)?;
    Ok(Ack {
        device: required(device)?,
        realm: required(realm)?,
        issued_at,
        n: private.n,
        held: private.held,
        exceptions: private.exceptions,
        shown_grant: private.shown_grant,
        usage: private.usage,
    })
}

struct Private<'b> {
    n: u32,
    held: Held,
    exceptions: Seq<'b, Exception>,
    shown_grant: Option<&'b [u8]>,
    usage: Seq<'b, Usage>,
}

fn read_private<'b>(r: &mut Reader<'b>) -> Result<Private<'b>, Malformed> {
    let (mut version, mut n, mut held, mut exceptions) = (None, None, None, None);
    let (mut shown_grant, mut usage) = (None, None);
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            VERSION => version = Some(read_version(r)?),
            N => n = Some(read_n(r)?),
            HELD => held = Some(Held::read(r)?),
            EXCEPTIONS => {
                let list: Seq<'_, Exception> = Seq::read(r, limits::MAX_LISTED)?;
                exceptions = Some(list.distinct(|exception| exception.activation)?);
            }
            SHOWN_GRANT => shown_grant = Some(r.bytes_within(1, limits::MAX_DOWN)?),
            USAGE => usage = Some(Usage::read_list(r)?),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    required(version)?;
    Ok(Private {
        n: required(n)?,
        held: required(held)?,
        exceptions: required(exceptions)?,
        shown_grant,
        usage: required(usage)?,
    })
}

fn read_n(r: &mut Reader<'_>) -> Result<u32, Malformed> {
    match r.u32()? {
        0 => Err(Malformed::OutOfRange),
        n => Ok(n),
    }
}
