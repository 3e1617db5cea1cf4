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

use crate::entitlement::Entitlement;
use crate::id::{Challenge, Cti, DeviceId, DeviceNonce, KeyThumbprint};
use crate::limits;
use crate::malformed::Malformed;
use crate::message::{
    CLAIM_CNF, CLAIM_CTI, CLAIM_EXP, CLAIM_IAT, CLAIM_ISS, CLAIM_NONCE, CLAIM_PRIVATE, CLAIM_SUB,
    Held, Message, VERSION, count, read_confirmation, read_device, read_instant, read_realm,
    read_version, required, write_confirmation,
};
use crate::seq::Seq;
use crate::strict::Reader;
use crate::topic::MessageType;
use crate::want::Denial;
use crate::writer::Writer;

const EPOCH: i64 = 1;
const GENERATION: i64 = 2;
const RENEW_AFTER: i64 = 3;
const ENTITLEMENTS: i64 = 4;
const NEXT_CHALLENGE: i64 = 5;
const DENIALS: i64 = 6;
const FLAGS: i64 = 7;

/// Flags of a grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Made on the factory line ahead of the device's first start: a blank device takes it
    /// without its nonce.
    pub factory: bool,
}

impl Flags {
    const FACTORY: u32 = 1;

    fn bits(self) -> u32 {
        if self.factory { Self::FACTORY } else { 0 }
    }

    fn from_bits(bits: u32) -> Result<Self, Malformed> {
        match bits {
            Self::FACTORY => Ok(Self { factory: true }),
            _ => Err(Malformed::OutOfRange),
        }
    }
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

    fn encode(&self, w: &mut Writer<'_>) {
        w.map(7 + count(&[self.nonce.is_some()]));
        w.int(CLAIM_ISS).text(self.realm);
        w.int(CLAIM_SUB).text(self.device.as_str());
        w.int(CLAIM_EXP).uint(self.install_until);
        w.int(CLAIM_IAT).uint(self.issued_at);
        w.int(CLAIM_CTI).bytes(&self.cti.0);
        w.int(CLAIM_CNF);
        write_confirmation(w, &self.confirmation);
        if let Some(nonce) = self.nonce {
            w.int(CLAIM_NONCE).bytes(&nonce.0);
        }
        w.int(CLAIM_PRIVATE);
        let flags = self.flags.bits();
        w.map(6 + count(&[!self.denials.is_empty(), flags != 0]));
        w.int(VERSION).uint(limits::VERSION.into());
        w.int(EPOCH).uint(self.epoch.into());
        w.int(GENERATION).uint(self.generation);
        w.int(RENEW_AFTER).uint(self.renew_after.into());
        w.int(ENTITLEMENTS);
        self.entitlements.write(w);
        w.int(NEXT_CHALLENGE).bytes(&self.next_challenge.0);
        if !self.denials.is_empty() {
            w.int(DENIALS);
            self.denials.write(w);
        }
        if flags != 0 {
            w.int(FLAGS).uint(flags.into());
        }
    }

    fn decode(payload: &'b [u8]) -> Result<Self, Malformed> {
        Reader::whole(payload, read)
    }
}

fn read<'b>(r: &mut Reader<'b>) -> Result<Grant<'b>, Malformed> {
    let (mut realm, mut device, mut install_until, mut issued_at) = (None, None, None, None);
    let (mut cti, mut confirmation, mut nonce, mut private) = (None, None, None, None);
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            CLAIM_ISS => realm = Some(read_realm(r)?),
            CLAIM_SUB => device = Some(read_device(r)?),
            CLAIM_EXP => install_until = Some(read_instant(r)?),
            CLAIM_IAT => issued_at = Some(read_instant(r)?),
            CLAIM_CTI => cti = Some(Cti(r.array_of_bytes()?)),
            CLAIM_CNF => confirmation = Some(read_confirmation(r)?),
            CLAIM_NONCE => nonce = Some(DeviceNonce(r.array_of_bytes()?)),
            CLAIM_PRIVATE => private = Some(read_private(r)?),
            _ => return Err(Malformed::UnknownKey),
        }
    }
    let private = required(private)?;
    Ok(Grant {
        realm: required(realm)?,
        device: required(device)?,
        install_until: required(install_until)?,
        issued_at: required(issued_at)?,
        cti: required(cti)?,
        confirmation: required(confirmation)?,
        nonce,
        epoch: private.epoch,
        generation: private.generation,
        renew_after: private.renew_after,
        entitlements: private.entitlements,
        next_challenge: private.next_challenge,
        denials: private.denials,
        flags: private.flags,
    })
}

struct Private<'b> {
    epoch: u32,
    generation: u64,
    renew_after: u32,
    entitlements: Seq<'b, Entitlement<'b>>,
    next_challenge: Challenge,
    denials: Seq<'b, Denial<'b>>,
    flags: Flags,
}

fn read_private<'b>(r: &mut Reader<'b>) -> Result<Private<'b>, Malformed> {
    let (mut version, mut epoch, mut generation, mut renew_after) = (None, None, None, None);
    let (mut entitlements, mut next_challenge) = (None, None);
    let (mut denials, mut flags) = (Seq::empty(), Flags::default());
    let mut keys = r.map()?;
    while let Some(key) = r.key(&mut keys)? {
        match key {
            VERSION => version = Some(read_version(r)?),
            EPOCH => epoch = Some(r.u32()?),
            GENERATION => generation = Some(r.up_to(limits::MAX_COUNTER)?),
            RENEW_AFTER => renew_after = Some(r.u32()?),
            ENTITLEMENTS => {
                let list: Seq<'_, Entitlement<'_>> = Seq::read(r, limits::MAX_ENTITLEMENTS)?;
                entitlements = Some(list.distinct(|e| (e.activation, e.feature))?);
            }
            NEXT_CHALLENGE => next_challenge = Some(Challenge(r.array_of_bytes()?)),
            DENIALS => {
                let list: Seq<'_, Denial<'_>> = Seq::read_some(r, limits::MAX_WANTS)?;
                denials = list.distinct(|denial| denial.want.subject())?;
            }
            FLAGS => flags = Flags::from_bits(r.u32()?)?,
            _ => return Err(Malformed::UnknownKey),
        }
    }
    required(version)?;
    Ok(Private {
        epoch: required(epoch)?,
        generation: required(generation)?,
        renew_after: required(renew_after)?,
        entitlements: required(entitlements)?,
        next_challenge: required(next_challenge)?,
        denials,
        flags,
    })
}
