//! What the firmware asks for, and how the agent remembers it until it is answered.

use fleetgrant_schemas::code::{ActivationCode, CodeClaim};
use fleetgrant_schemas::id::ActivationId;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::{Want, limits};

use crate::crypto::KeyError;
use crate::profile::Profile;
use crate::retry::Backoff;
use crate::rights::{self, Right};
use crate::storage::StorageError;

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
    pub(super) reason: Reason,
    features: [u8; limits::MAX_WANTS],
    totals: [u32; limits::MAX_WANTS],
    len: u8,
    /// Somebody asked, rather than a timer.
    pub(super) is_explicit: bool,
    /// The gateway does not know the certificate.
    pub(crate) with_chain: bool,
    pub(super) code: Option<ActivationCode>,
    /// Slots of the table of rights.
    pub(super) concerned: u64,
    pub(super) asked_anew: Backoff,
}

impl Wish {
    /// For whatever is owed, at the agent's own initiative.
    #[inline(never)]
    pub(crate) const fn routine(reason: Reason) -> Self {
        Self {
            reason,
            features: [0; limits::MAX_WANTS],
            totals: [0; limits::MAX_WANTS],
            len: 0,
            is_explicit: false,
            with_chain: false,
            code: None,
            concerned: 0,
            asked_anew: Backoff::NEW,
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

    pub(super) fn wants<'c>(
        &self,
        profile: &Profile<'c>,
        claim: Option<CodeClaim>,
        wants: &mut [Want<'c>; limits::MAX_WANTS],
    ) -> usize {
        let len = usize::from(self.len);
        let features = self.features.iter().zip(&self.totals).take(len);
        for ((feature, total), want) in features.zip(wants.iter_mut()) {
            let name = profile.features.get(usize::from(*feature));
            *want = Want::Feature {
                feature: name.copied().unwrap_or_default(),
                total: *total,
            };
        }
        match (claim, wants.get_mut(len)) {
            (Some(claim), Some(want)) => {
                *want = Want::Code(claim);
                len + 1
            }
            _ => len,
        }
    }
}
