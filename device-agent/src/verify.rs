//! The checks of a message from the authority, in order. What comes out is typed: nothing else
//! can make an [`AcceptedGrant`], an [`AcceptedNotice`] or an [`AcceptedKeys`].

use fleetgrant_schemas::envelope::{Envelope, Signer, Verified};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::{DeviceId, DeviceNonce, KeyId, KeyThumbprint};
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, Role};
use fleetgrant_schemas::notice::Notice;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Held, Malformed};

use crate::clock_floor::ClockFloor;
use crate::crypto::{KeyError, KeyOperations};
use crate::key_ring::{Found, KeyRing};
use crate::profile::Profile;
use crate::storage::{Storage, StorageError};
use crate::time::Instant;

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident $name:literal $text:literal,)*) => {
        /// Why a message from the authority was not taken. Nothing has changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            /// It is no message of this version.
            Malformed(Malformed),
            $($(#[$doc])* $variant,)*
        }

        impl Refusal {
            /// A stable name for logs and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::Malformed(reason) => reason.as_str(),
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl core::fmt::Display for Refusal {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    Self::Malformed(reason) => reason.fmt(f),
                    $(Self::$variant => f.write_str($text),)*
                }
            }
        }
    };
}

refusals! {
    /// More messages than the device checks: one a second, ten at once.
    RateLimited "rate-limited" "more messages came than the device checks",
    /// Its type is not that of its topic, or not one that comes down.
    OtherTopic "other-topic" "the message does not fit its topic",
    /// No key of the authority has this id; a request for keys follows.
    UnknownKey "unknown-key-id" "no key of the authority with this id is known here",
    /// The key may not sign this message.
    KeyRole "key-role" "the key may not sign such a message",
    /// The key's validity has ended.
    KeyExpired "key-expired" "the authority's key has expired",
    /// The signature is wrong.
    BadSignature "signature" "the signature does not verify",
    /// It is of another realm.
    OtherRealm "other-realm" "the message is of another realm",
    /// It is for another device.
    OtherDevice "other-device" "the message is for another device",
    /// It is for another key than this device's.
    OtherKey "other-key" "the message is for another key than this device's",
    /// Its epoch is not that of the key that signed it.
    KeyEpoch "key-epoch" "the grant's epoch is not that of its key",
    /// It was issued outside of its key's validity.
    IssuedOutsideKey "issued-outside-key" "the message was issued outside of its key's validity",
    /// The time in which it could be installed is over.
    InstallWindow "install-window" "the time in which the grant could be installed is over",
    /// A device that holds nothing takes only what answers its own request.
    BlankWithoutNonce "blank-without-nonce" "a blank device takes only the answer to its request",
    /// A factory grant has generation 1.
    FactoryGeneration "factory-generation" "a factory grant must have generation 1",
    /// It is older than the set in force.
    Superseded "superseded" "the grant is older than the set in force",
    /// It has the number of the set in force and is another one; someone should be told.
    Conflict "conflict" "another grant with the generation of the set in force",
    /// The device has no room for so many rights.
    SetTooLarge "set-too-large" "the grant holds more rights than the device has room for",
    /// It answers no request of this device.
    NotAsked "not-asked" "the notice answers no open request",
    /// It may be followed once an hour only.
    TooSoon "too-soon" "the notice was followed less than an hour ago",
    /// It is signed by no pinned root, or by a retired one.
    UnknownRoot "unknown-root" "the key set is not signed by a root that is trusted",
    /// It is not newer than the key set in force, or older than the firmware allows.
    OldKeySet "old-key-set" "the key set is not newer than the one in force",
    /// It names a key twice, no key for grants, an older epoch, or retires its own signer.
    BadKeySet "bad-key-set" "the key set contradicts itself or the one in force",
    /// It could not be stored.
    Storage "storage" "the message could not be stored",
    /// The key store failed.
    KeyStore "key-store" "the key store failed",
}

impl core::error::Error for Refusal {}

impl From<Malformed> for Refusal {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<StorageError> for Refusal {
    fn from(_: StorageError) -> Self {
        Self::Storage
    }
}

impl From<KeyError> for Refusal {
    fn from(_: KeyError) -> Self {
        Self::KeyStore
    }
}

/// What a message is checked against.
pub(crate) struct Verifier<'a, K, S> {
    pub(crate) profile: &'a Profile<'a>,
    pub(crate) ring: &'a KeyRing,
    pub(crate) keys: &'a mut K,
    pub(crate) storage: &'a mut S,
    pub(crate) clock: &'a ClockFloor,
    pub(crate) now: Instant,
    pub(crate) nonces: Nonces,
    pub(crate) held: Option<Held>,
    /// Rights there is room for.
    pub(crate) room: usize,
}

/// The nonces that are open.
#[derive(Clone, Copy)]
pub(crate) struct Nonces {
    pub(crate) online: Option<DeviceNonce>,
    pub(crate) file: Option<DeviceNonce>,
}

/// Which open request a message answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    Nothing,
    Online,
    File,
}

impl Answers {
    fn of(nonce: Option<DeviceNonce>, open: Nonces) -> Self {
        match nonce {
            Some(_) if nonce == open.online => Self::Online,
            Some(_) if nonce == open.file => Self::File,
            _ => Self::Nothing,
        }
    }
}

/// A grant that passed every check and is newer than the set in force.
pub(crate) struct AcceptedGrant<'b> {
    grant: Grant<'b>,
}

impl<'b> AcceptedGrant<'b> {
    pub(crate) const fn grant(&self) -> &Grant<'b> {
        &self.grant
    }

    pub(crate) const fn into_grant(self) -> Grant<'b> {
        self.grant
    }
}

/// A grant that passed every check.
pub(crate) enum GrantVerdict<'b> {
    /// It is newer than the set in force.
    Newer(AcceptedGrant<'b>),
    /// It is the set in force.
    Again(Grant<'b>),
    /// It answers an open request, and a newer set is in force by now.
    Overtaken,
}

/// A notice that passed every check.
pub(crate) struct AcceptedNotice<'b>(pub(crate) Notice<'b>);

/// A key set that passed every check.
pub(crate) struct AcceptedKeys<'b>(pub(crate) KeySet<'b>);

impl<K: KeyOperations, S: Storage> Verifier<'_, K, S> {
    /// Checks a grant.
    pub(crate) fn grant<'b>(
        mut self,
        bytes: &'b [u8],
    ) -> Result<(GrantVerdict<'b>, Answers), Refusal> {
        let (verified, authority) = self.authenticate(bytes, MessageType::Grant)?;
        let grant: Grant<'b> = verified.read()?;
        self.addressed(grant.realm, grant.device, Some(grant.confirmation))?;
        let answers = Answers::of(grant.nonce, self.nonces);

        if grant.epoch != authority.epoch {
            return Err(Refusal::KeyEpoch);
        }
        issued_within(grant.issued_at, &authority)?;
        // What answers a live nonce tells the time itself.
        let floor = match answers {
            Answers::Nothing => self.clock.secs(self.now),
            _ => self.clock.proven_secs(self.now).max(grant.issued_at),
        };
        if floor >= authority.not_after {
            return Err(Refusal::KeyExpired);
        }
        if floor >= grant.install_until {
            return Err(Refusal::InstallWindow);
        }
        if grant.flags.factory && grant.generation != 1 {
            return Err(Refusal::FactoryGeneration);
        }
        if let Some(held) = self.held {
            let order = |set: &Held| (set.epoch, set.generation);
            if order(&grant.held()) < order(&held) {
                return match answers {
                    Answers::Nothing => Err(Refusal::Superseded),
                    _ => Ok((GrantVerdict::Overtaken, answers)),
                };
            }
            if order(&grant.held()) == order(&held) {
                return if grant.cti == held.cti {
                    Ok((GrantVerdict::Again(grant), answers))
                } else {
                    Err(Refusal::Conflict)
                };
            }
        } else if answers == Answers::Nothing && !grant.flags.factory {
            return Err(Refusal::BlankWithoutNonce);
        }
        if grant.entitlements.len() > self.room {
            return Err(Refusal::SetTooLarge);
        }
        Ok((GrantVerdict::Newer(AcceptedGrant { grant }), answers))
    }

    /// Checks a notice.
    pub(crate) fn notice<'b>(
        mut self,
        bytes: &'b [u8],
    ) -> Result<(AcceptedNotice<'b>, Answers), Refusal> {
        let (verified, authority) = self.authenticate(bytes, MessageType::Notice)?;
        let notice: Notice<'b> = verified.read()?;
        self.addressed(notice.realm, notice.device, notice.confirmation)?;
        issued_within(notice.issued_at, &authority)?;
        let answers = Answers::of(notice.nonce, self.nonces);
        Ok((AcceptedNotice(notice), answers))
    }

    /// Checks a key set.
    pub(crate) fn key_set<'b>(self, bytes: &'b [u8]) -> Result<AcceptedKeys<'b>, Refusal> {
        let (envelope, kid) = self.open(bytes, MessageType::Keys)?;
        let root = self
            .ring
            .root(&kid, self.profile)
            .ok_or(Refusal::UnknownRoot)?;
        let verified = envelope
            .verify(|signed, signature| self.keys.verify(&root, signed, signature))
            .map_err(|_| Refusal::BadSignature)?;
        let set: KeySet<'b> = verified.read()?;
        if set.realm != self.profile.realm {
            return Err(Refusal::OtherRealm);
        }
        let oldest = self.ring.generation.saturating_add(1);
        if set.generation < oldest.max(self.profile.min_key_set) {
            return Err(Refusal::OldKeySet);
        }
        let current = self.ring.epoch(self.profile, self.storage)?;
        if is_consistent(&set, &kid, current) {
            Ok(AcceptedKeys(set))
        } else {
            Err(Refusal::BadKeySet)
        }
    }

    /// The checks that need no payload, the signature last.
    fn authenticate<'b>(
        &mut self,
        bytes: &'b [u8],
        message: MessageType,
    ) -> Result<(Verified<'b>, AuthorityKey), Refusal> {
        let (envelope, kid) = self.open(bytes, message)?;
        let authority = match self.ring.find(&kid, self.profile, self.storage)? {
            Some(Found::Current(authority)) => authority,
            Some(Found::Held(_)) | None => return Err(Refusal::UnknownKey),
        };
        if message == MessageType::Grant && authority.role != Role::Grants {
            return Err(Refusal::KeyRole);
        }
        if self.clock.proven_secs(self.now) >= authority.not_after {
            return Err(Refusal::KeyExpired);
        }
        let verified = envelope
            .verify(|signed, signature| self.keys.verify(&authority.key, signed, signature))
            .map_err(|_| Refusal::BadSignature)?;
        Ok((verified, authority))
    }

    fn open<'b>(
        &self,
        bytes: &'b [u8],
        message: MessageType,
    ) -> Result<(Envelope<'b>, KeyId), Refusal> {
        if bytes.len() > usize::from(self.profile.max_down()) {
            return Err(Malformed::Oversize.into());
        }
        let envelope = Envelope::parse(bytes)?;
        match envelope.signer() {
            Signer::Key(kid) if envelope.message() == message => Ok((envelope, kid)),
            _ => Err(Refusal::OtherTopic),
        }
    }

    fn addressed(
        &self,
        realm: &str,
        device: DeviceId<'_>,
        key: Option<KeyThumbprint>,
    ) -> Result<(), Refusal> {
        if realm != self.profile.realm {
            return Err(Refusal::OtherRealm);
        }
        if device != self.profile.device {
            return Err(Refusal::OtherDevice);
        }
        match key {
            Some(key) if key != self.keys.public_key().thumbprint() => Err(Refusal::OtherKey),
            _ => Ok(()),
        }
    }
}

fn issued_within(issued_at: u64, authority: &AuthorityKey) -> Result<(), Refusal> {
    if (authority.not_before..authority.not_after).contains(&issued_at) {
        Ok(())
    } else {
        Err(Refusal::IssuedOutsideKey)
    }
}

fn is_consistent(set: &KeySet<'_>, signer: &KeyId, current_epoch: u32) -> bool {
    let mut highest = None;
    for (place, authority) in set.keys.iter().enumerate() {
        let is_repeated = set.keys.iter().take(place).any(|k| k.key == authority.key);
        if is_repeated {
            return false;
        }
        if authority.role == Role::Grants {
            highest = highest.max(Some(authority.epoch));
        }
    }
    let retires_itself = set.retired_roots.iter().any(|kid| kid == *signer);
    highest >= Some(current_epoch) && !retires_itself
}
