//! The grant: the whole set of rights of one device, signed by the authority.
//!
//! ```cddl
//! grant = {
//!   1: realm, 2: device, 4: instant, 6: instant, 7: cti, 8: confirmation, ? 10: nonce,
//!   -65537: {
//!     0: version, 1: epoch, 2: generation, 3: renew-after, 4: [0*64 entitlement], 5: challenge,
//!     ? 6: [1*8 denial], ? 7: flags,
//!   },
//! }
//! epoch = u32
//! generation = u48
//! renew-after = u32
//! flags = 1
//! ```

use crate::entitlement::{self, Entitlement};
use crate::envelope;
use crate::id::{Challenge, Cti, DeviceId, DeviceNonce, KeyThumbprint};
use crate::message::{
    CLAIM_CNF, CLAIM_CTI, CLAIM_EXP, CLAIM_IAT, CLAIM_ISS, CLAIM_NONCE, CLAIM_SUB, CONFIRMATION,
    Held, Message, VERSION,
};
use crate::seq::Seq;
use crate::seq::private::Codec;
use crate::shape::{Field, Shape};
use crate::topic::MessageType;
use crate::values::{Value, Values};
use crate::want::{self, Denial};

const GRANT: &[Field] = &[
    Field::new(CLAIM_ISS, Shape::REALM),
    Field::new(CLAIM_SUB, Shape::DEVICE),
    Field::new(CLAIM_EXP, Shape::INSTANT),
    Field::new(CLAIM_IAT, Shape::INSTANT),
    Field::new(CLAIM_CTI, Shape::ID),
    Field::new(CLAIM_CNF, CONFIRMATION),
    Field::optional(CLAIM_NONCE, Shape::ID),
    Field::private(&PRIVATE),
];
const PRIVATE: &[Field] = &[
    Field::new(VERSION, Shape::VERSION),
    Field::new(1, Shape::U32),
    Field::new(2, Shape::COUNTER),
    Field::new(3, Shape::U32),
    Field::new(4, Shape::List(&entitlement::LIST)),
    Field::new(5, Shape::ID),
    Field::optional(6, Shape::List(&want::DENIALS)),
    Field::optional(7, Shape::Code(Flags::FACTORY, Flags::FACTORY)),
];

/// Flags of a grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Made on the factory line ahead of the device's first start: a blank device takes it
    /// without its nonce.
    pub factory: bool,
}

impl Flags {
    const FACTORY: u8 = 1;
}

/// A grant set. Instants are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant<'b> {
    /// Who grants.
    pub realm: &'b str,
    /// To whom.
    pub device: DeviceId<'b>,
    /// From this instant on it can no longer be installed; not the end of any right.
    pub install_until: u64,
    /// When it was decided.
    pub issued_at: u64,
    /// Its id.
    pub cti: Cti,
    /// The key the device must have.
    pub confirmation: KeyThumbprint,
    /// The nonce of the request it answers; none in an unsolicited one.
    pub nonce: Option<DeviceNonce>,
    /// Epoch of the key that signs it.
    pub epoch: u32,
    /// Grows with every set of this device; below 2^48.
    pub generation: u64,
    /// Seconds after which the device asks again.
    pub renew_after: u32,
    /// Everything the device may do.
    pub entitlements: Seq<'b, Entitlement<'b>>,
    /// What the device echoes in its next request.
    pub next_challenge: Challenge,
    /// What was asked for and not granted.
    pub denials: Seq<'b, Denial<'b>>,
    /// Flags.
    pub flags: Flags,
}

impl Grant<'_> {
    /// No grant of so many entitlements that denies nothing takes more bytes, signed by a key.
    #[must_use]
    pub const fn largest(entitlements: usize) -> usize {
        const BESIDE: usize = Shape::Map(&GRANT).largest()
            - entitlement::LIST.largest(entitlement::LIST.max as usize)
            - want::DENIALS.largest(want::DENIALS.max as usize);
        envelope::BESIDE_PAYLOAD + BESIDE + entitlement::LIST.largest(entitlements)
    }

    /// The name by which the device says that it holds this set.
    #[must_use]
    pub const fn held(&self) -> Held {
        Held {
            epoch: self.epoch,
            generation: self.generation,
            cti: self.cti,
        }
    }
}

impl<'b> Message<'b> for Grant<'b> {
    const TYPE: MessageType = MessageType::Grant;
}

impl<'b> Codec<'b> for Grant<'b> {
    const SHAPE: &'static Shape = &Shape::Map(&GRANT);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_text(self.realm);
        values.put_text(self.device.as_str());
        values.put_uint(self.install_until);
        values.put_uint(self.issued_at);
        values.put_bytes(&self.cti.0);
        values.put_bytes(&self.confirmation.0);
        values.put_if(self.nonce.as_ref(), |nonce| Value::Bytes(&nonce.0));
        values.put_uint(self.epoch);
        values.put_uint(self.generation);
        values.put_uint(self.renew_after);
        values.put_list(&self.entitlements);
        values.put_bytes(&self.next_challenge.0);
        values.put_some(&self.denials);
        values.put_uint_if(self.flags.factory.then_some(Flags::FACTORY));
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            realm: values.text(),
            device: DeviceId::take(values),
            install_until: values.uint(),
            issued_at: values.uint(),
            cti: Cti(values.array()),
            confirmation: KeyThumbprint(values.array()),
            nonce: values.if_there(|it| DeviceNonce(it.array())),
            epoch: values.u32(),
            generation: values.uint(),
            renew_after: values.u32(),
            entitlements: values.list(),
            next_challenge: Challenge(values.array()),
            denials: values.list(),
            flags: Flags {
                factory: values.if_there(Values::uint).is_some(),
            },
        }
    }
}
