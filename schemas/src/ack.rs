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
use crate::message::{CLAIM_AUD, CLAIM_IAT, CLAIM_ISS, Held, Message, Usage, VERSION};
use crate::seq::private::Codec;
use crate::seq::{self, Seq};
use crate::shape::{Field, List, Range, Shape};
use crate::topic::MessageType;
use crate::values::{Value, Values};

const ACK: &[Field] = &[
    Field::new(CLAIM_ISS, Shape::DEVICE),
    Field::new(CLAIM_AUD, Shape::REALM),
    Field::optional(CLAIM_IAT, Shape::INSTANT),
    Field::private(&PRIVATE),
];
const PRIVATE: &[Field] = &[
    Field::new(VERSION, Shape::VERSION),
    Field::new(1, Shape::Uint(&Range(1, u32::MAX as u64))),
    Field::new(2, Held::SHAPE),
    Field::new(3, Shape::List(&EXCEPTIONS)),
    Field::optional(6, Shape::Bytes(1, limits::MAX_DOWN as u16)),
    Field::new(7, Shape::List(&Usage::LIST)),
];
const EXCEPTIONS: List = List {
    min: 0,
    max: limits::MAX_LISTED as u8,
    of: Shape::Array(&EXCEPTION),
    subject: 1,
};
const EXCEPTION: &[Shape] = &[Shape::ID, Outcome::SHAPE, OutcomeReason::SHAPE];

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
        /// The firmware was built at or after the build ceiling.
        BuildCeiling = 6 "build-ceiling",
        /// Its end and grace had passed when the device last started.
        Ended = 7 "ended",
    }
}

/// An activation that was not simply put in force.
///
/// ```cddl
/// exception = [activation: activation, outcome: outcome, reason: outcome-reason]
/// outcome = 1..2
/// outcome-reason = 0..7
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

impl<'b> Codec<'b> for Exception {
    const SHAPE: &'static Shape = &Shape::Array(&EXCEPTION);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_bytes(&self.activation.0);
        values.put_uint(self.outcome.number());
        values.put_uint(self.reason.number());
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            activation: ActivationId(values.array()),
            outcome: Outcome::take(values),
            reason: OutcomeReason::take(values),
        }
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
}

impl<'b> Codec<'b> for Ack<'b> {
    const SHAPE: &'static Shape = &Shape::Map(&ACK);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_text(self.device.as_str());
        values.put_text(self.realm);
        values.put_uint_if(self.issued_at);
        values.put_uint(self.n);
        self.held.put(values);
        values.put_list(&self.exceptions);
        values.put_if(self.shown_grant, Value::Bytes);
        values.put_list(&self.usage);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            device: DeviceId::take(values),
            realm: values.text(),
            issued_at: values.if_there(Values::uint),
            n: values.u32(),
            held: Held::take(values),
            exceptions: values.list(),
            shown_grant: values.if_there(Values::bytes),
            usage: values.list(),
        }
    }
}
