//! Asking: what is wanted, the request that is outstanding, and how one is written.

use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::envelope::{Certificate, Draft, Signer};
use fleetgrant_schemas::id::{ActivationId, CertificateThumbprint, Challenge, DeviceNonce};
use fleetgrant_schemas::request::{Reason, Receiver, Request};
use fleetgrant_schemas::seq::Seq;
use fleetgrant_schemas::{Held, Platform, Usage, Want, code::CodeClaim, limits};
use sha2::{Digest, Sha256};

use crate::crypto::{KeyError, KeyOperations};
use crate::profile::Profile;
use crate::retry::Backoff;
use crate::rights::{self, Right};
use crate::storage::StorageError;
use crate::time::Instant;

/// What the firmware asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Why.
    pub reason: Reason,
    /// Features of the profile, each with the units wanted in all; fewer than held is a return.
    /// None, and no code: whatever is owed.
    pub features: &'a [(&'a str, u32)],
    /// An activation code that someone typed in.
    pub code: Option<ActivationCode>,
    /// The activations that a return, rehost or temporary is about.
    pub concerned: &'a [ActivationId],
}

impl Ask<'_> {
    /// For whatever is owed.
    #[must_use]
    pub const fn for_what_is_owed(reason: Reason) -> Self {
        Self {
            reason,
            features: &[],
            code: None,
            concerned: &[],
        }
    }
}

/// Why no request was made. Nothing was asked, and what was asked before goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// An earlier ask is not answered yet; wait for its event.
    Outstanding,
    /// More than eight wants.
    TooManyWants,
    /// A feature stands twice among the wants.
    RepeatedWant,
    /// The profile does not name this feature.
    UnknownFeature,
    /// No such activation is held.
    UnknownActivation,
    /// The buffer for the request is too small; with a certificate chain it takes up to 6 kB.
    BufferTooSmall,
    /// The key operations gave no certificate.
    NoCertificate,
    /// The key store failed.
    KeyStore,
    /// The seq could not be stored.
    Storage(StorageError),
}

impl core::fmt::Display for AskError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Outstanding => "an earlier ask is not answered yet",
            Self::TooManyWants => "a request holds at most eight wants",
            Self::RepeatedWant => "a feature stands twice among the wants",
            Self::UnknownFeature => "the profile does not name this feature",
            Self::UnknownActivation => "no such activation is held",
            Self::BufferTooSmall => "the buffer is too small for the request",
            Self::NoCertificate => "the key operations gave no certificate",
            Self::KeyStore => "the key store failed",
            Self::Storage(reason) => return reason.fmt(f),
        })
    }
}

impl core::error::Error for AskError {}

impl From<KeyError> for AskError {
    fn from(_: KeyError) -> Self {
        Self::KeyStore
    }
}

impl From<StorageError> for AskError {
    fn from(reason: StorageError) -> Self {
        Self::Storage(reason)
    }
}

/// An [`Ask`] that owns what it is about, since it may have to be asked anew.
#[derive(Clone, Copy)]
pub(crate) struct Wish {
    reason: Reason,
    features: [u8; limits::MAX_WANTS],
    totals: [u32; limits::MAX_WANTS],
    len: u8,
    /// Somebody asked, rather than a timer.
    is_explicit: bool,
    /// The gateway does not know the certificate.
    pub(crate) with_chain: bool,
    code: Option<ActivationCode>,
    /// Slots of the table of rights.
    concerned: u64,
    asked_anew: Backoff,
}

impl Wish {
    /// For whatever is owed, at the agent's own initiative.
    pub(crate) fn routine(reason: Reason) -> Self {
        Self {
            reason,
            features: [0; limits::MAX_WANTS],
            totals: [0; limits::MAX_WANTS],
            len: 0,
            is_explicit: false,
            with_chain: false,
            code: None,
            concerned: 0,
            asked_anew: Backoff::default(),
        }
    }

    pub(crate) fn new(
        ask: &Ask<'_>,
        profile: &Profile<'_>,
        rights: &[Right],
    ) -> Result<Self, AskError> {
        let mut wish = Self::routine(ask.reason);
        wish.is_explicit = true;
        wish.code = ask.code;
        if ask.features.len() + usize::from(ask.code.is_some()) > limits::MAX_WANTS {
            return Err(AskError::TooManyWants);
        }
        let mut wanted = 0_u64;
        let slots = wish.features.iter_mut().zip(&mut wish.totals);
        for ((name, total), (feature, slot)) in ask.features.iter().zip(slots) {
            *feature = profile.feature(name).ok_or(AskError::UnknownFeature)?;
            if wanted >> *feature & 1 == 1 {
                return Err(AskError::RepeatedWant);
            }
            wanted |= 1 << *feature;
            *slot = *total;
            wish.len += 1;
        }
        wish.concerned =
            rights::slots_of(rights, ask.concerned).ok_or(AskError::UnknownActivation)?;
        Ok(wish)
    }

    /// It waits for a person: whoever wants something else meanwhile goes first.
    pub(crate) fn give_way(&mut self) {
        self.is_explicit = false;
    }

    /// The set changed under it: slots may hold other activations now.
    pub(crate) fn forget_concerned(&mut self) {
        self.concerned = 0;
    }

    fn wants<'c>(
        &self,
        profile: &Profile<'c>,
        claim: Option<CodeClaim>,
        wants: &mut [Want<'c>; limits::MAX_WANTS],
    ) -> usize {
        let features = self.features.iter().zip(&self.totals);
        let features = features.take(self.len.into()).map(|(feature, total)| {
            let names = profile.features;
            Want::Feature {
                feature: names
                    .get(usize::from(*feature))
                    .copied()
                    .unwrap_or_default(),
                total: *total,
            }
        });
        let mut len = 0;
        for (want, slot) in features.chain(claim.map(Want::Code)).zip(wants) {
            *slot = want;
            len += 1;
        }
        len
    }
}

/// Where the agent stands with the gateway.
pub(crate) enum Contact {
    /// Nothing is asked.
    Idle,
    /// A request is due.
    Wanting(Wanting),
    /// A request is out.
    Asking(Asking),
}

impl Contact {
    /// What was asked on purpose and is not answered yet.
    pub(crate) const fn is_explicit(&self) -> bool {
        match self {
            Self::Idle => false,
            Self::Wanting(wanting) => wanting.wish.is_explicit,
            Self::Asking(asking) => asking.is_explicit(),
        }
    }

    pub(crate) const fn nonce(&self) -> Option<DeviceNonce> {
        match self {
            Self::Asking(asking) => Some(asking.nonce),
            _ => None,
        }
    }
}

/// A request to be made at its time.
pub(crate) struct Wanting {
    pub(crate) wish: Wish,
    pub(crate) at: Instant,
}

/// A request that is out, its bytes kept until it is answered.
pub(crate) struct Asking {
    wish: Wish,
    nonce: DeviceNonce,
    len: usize,
    /// It reported the usage of the set that is in force.
    pub(crate) is_of_current_set: bool,
    turn: Turn,
    backoff: Backoff,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It is to be sent.
    Send,
    /// If nothing comes until then, it is sent again; a new connection is reason enough too.
    Wait(Instant),
    /// It is not sent before, whatever happens.
    Hold(Instant),
}

impl Asking {
    pub(crate) fn new(wish: Wish, nonce: DeviceNonce, len: usize) -> Self {
        Self {
            wish,
            nonce,
            len,
            is_of_current_set: true,
            turn: Turn::Send,
            backoff: Backoff::default(),
        }
    }

    pub(crate) const fn is_explicit(&self) -> bool {
        self.wish.is_explicit
    }

    /// The bytes' length, if it is to be sent.
    pub(crate) fn to_send(&self) -> Option<usize> {
        (self.turn == Turn::Send).then_some(self.len)
    }

    /// It was sent.
    pub(crate) fn sent(&mut self, now: Instant, random: u32) {
        self.turn = Turn::Wait(self.backoff.next(now, random));
    }

    /// There may be a better chance now than when it was sent.
    pub(crate) fn hurry(&mut self) {
        if let Turn::Wait(_) = self.turn {
            self.turn = Turn::Send;
        }
    }

    /// Its time has come.
    pub(crate) fn resend(&mut self) {
        self.turn = Turn::Send;
    }

    /// Sends it again then, not earlier.
    pub(crate) fn hold_until(&mut self, at: Instant) {
        self.turn = Turn::Hold(at);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match self.turn {
            Turn::Send => None,
            Turn::Wait(at) | Turn::Hold(at) => Some(at),
        }
    }

    /// Asked anew, it bears the chain.
    pub(crate) fn add_chain(&mut self) {
        self.wish.with_chain = true;
    }

    pub(crate) fn set_changed(&mut self) {
        self.is_of_current_set = false;
        self.wish.forget_concerned();
    }

    /// What it asked, when the answer leaves that open.
    pub(crate) const fn into_wish(self) -> Wish {
        self.wish
    }

    /// It was answered by a reason to ask anew: another seq, another nonce, the same wish.
    pub(crate) fn ask_anew(self, now: Instant, random: u32) -> Wanting {
        let mut wish = self.wish;
        let at = wish.asked_anew.next_but_first_at_once(now, random);
        Wanting { wish, at }
    }
}

/// Everything a request is written from, but the key.
pub(crate) struct RequestParts<'a> {
    pub(crate) profile: &'a Profile<'a>,
    pub(crate) wish: &'a Wish,
    pub(crate) rights: &'a [Right],
    pub(crate) held: Option<Held>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) issued_at: u64,
    pub(crate) boots: u32,
    pub(crate) seq: u64,
    pub(crate) key_set: u32,
    pub(crate) nonce: DeviceNonce,
    pub(crate) with_chain: bool,
}

impl RequestParts<'_> {
    /// Writes and signs the request; its length.
    pub(crate) fn write<K: KeyOperations, const RIGHTS: usize>(
        &self,
        keys: &mut K,
        buffer: &mut [u8],
    ) -> Result<usize, AskError> {
        let draft = self.draft::<K, RIGHTS>(keys, buffer)?;
        let signature = keys.sign(&draft.to_sign())?;
        Ok(draft.finish(&signature).len())
    }

    fn draft<'b, K: KeyOperations, const RIGHTS: usize>(
        &self,
        keys: &K,
        buffer: &'b mut [u8],
    ) -> Result<Draft<'b>, AskError> {
        let profile = self.profile;
        let mut wants = [Want::Feature {
            feature: "",
            total: 0,
        }; limits::MAX_WANTS];
        let claim = self.wish.code.as_ref().map(|code| {
            let thumbprint = keys.public_key().thumbprint();
            code.claim(profile.realm, &thumbprint, &self.nonce)
        });
        let wants_len = self.wish.wants(profile, claim, &mut wants);
        let mut usage = [NO_USAGE; RIGHTS];
        let usage_len = rights::usage(self.rights, &mut usage);
        let mut concerned = [ActivationId([0; 16]); RIGHTS];
        let concerned_len = rights::in_slots(self.rights, self.wish.concerned, &mut concerned);
        let request = Request {
            device: profile.device,
            realm: profile.realm,
            issued_at: (self.issued_at > 0).then_some(self.issued_at),
            challenge: self.challenge,
            platform: Platform {
                boot_count: Some(self.boots),
                ..profile.platform
            },
            seq: self.seq,
            held: self.held,
            key_set: self.key_set,
            reason: self.wish.reason,
            nonce: self.nonce,
            wants: Seq::new(wants.get(..wants_len).unwrap_or_default()),
            usage: Seq::new(usage.get(..usage_len).unwrap_or_default()),
            concerned: Seq::new(concerned.get(..concerned_len).unwrap_or_default()),
            receiver: Receiver {
                max_down: profile.max_down(),
                capabilities: 0,
            },
        };
        let mut chain = [Certificate(&[]); limits::MAX_CHAIN];
        let signer = if self.with_chain {
            let len = fill_chain(keys, &mut chain);
            if len == 0 {
                return Err(AskError::NoCertificate);
            }
            Signer::Chain(Seq::new(chain.get(..len).unwrap_or_default()))
        } else {
            thumbprint(keys)?
        };
        Draft::new(buffer, &signer, &request).map_err(|_| AskError::BufferTooSmall)
    }
}

/// The device as signer, by its certificate's thumbprint.
pub(crate) fn thumbprint<K: KeyOperations>(keys: &K) -> Result<Signer<'static>, AskError> {
    let leaf = keys.certificate(0).ok_or(AskError::NoCertificate)?;
    let digest = Sha256::digest(leaf).into();
    Ok(Signer::Thumbprint(CertificateThumbprint(digest)))
}

pub(crate) const NO_USAGE: Usage = Usage {
    activation: ActivationId([0; 16]),
    total: 0,
};

fn fill_chain<'k, K: KeyOperations>(
    keys: &'k K,
    chain: &mut [Certificate<'k>; limits::MAX_CHAIN],
) -> usize {
    let mut len = 0;
    for (place, slot) in chain.iter_mut().enumerate() {
        let Some(certificate) = keys.certificate(place) else {
            break;
        };
        *slot = Certificate(certificate);
        len += 1;
    }
    len
}
