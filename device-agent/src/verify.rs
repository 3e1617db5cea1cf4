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
use crate::crypto::KeyOperations;
use crate::key_ring::{Found, KeyRing};
use crate::profile::Profile;
use crate::refusal::Refusal;
use crate::storage::Storage;
use crate::time::Instant;

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

/// A message that the authority signed, and the key it was signed with.
///
/// The signature is checked by a function of its own and what the payload says by the next, so
/// that the two never need the stack at the same time.
pub(crate) struct Authentic<'b> {
    verified: Verified<'b>,
    authority: AuthorityKey,
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
    /// Checks what a grant says.
    pub(crate) fn grant<'b>(
        self,
        authentic: &Authentic<'b>,
    ) -> Result<(GrantVerdict<'b>, Answers), Refusal> {
        let Authentic {
            verified,
            authority,
        } = authentic;
        let grant: Grant<'b> = verified.read()?;
        self.addressed(grant.realm, grant.device, Some(grant.confirmation))?;
        let answers = Answers::of(grant.nonce, self.nonces);

        // Even if it is too old to be installed, since then it is what every repeat would get.
        if answers != Answers::Nothing && self.held.is_some_and(|held| is_before(&grant, &held)) {
            return Ok((GrantVerdict::Overtaken, answers));
        }
        if grant.epoch != authority.epoch {
            return Err(Refusal::KeyEpoch);
        }
        issued_within(grant.issued_at, authority)?;
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
            if is_before(&grant, &held) {
                return Err(Refusal::Superseded);
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

    /// Checks what a notice says.
    pub(crate) fn notice<'b>(
        self,
        authentic: &Authentic<'b>,
    ) -> Result<(AcceptedNotice<'b>, Answers), Refusal> {
        let Authentic {
            verified,
            authority,
        } = authentic;
        let notice: Notice<'b> = verified.read()?;
        self.addressed(notice.realm, notice.device, notice.confirmation)?;
        issued_within(notice.issued_at, authority)?;
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
            .verify(|signed, signature| self.keys.verify(root, signed, signature))
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
    #[inline(never)]
    pub(crate) fn authenticate<'b>(
        self,
        bytes: &'b [u8],
        message: MessageType,
    ) -> Result<Authentic<'b>, Refusal> {
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
        Ok(Authentic {
            verified,
            authority,
        })
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

const fn order(set: &Held) -> (u32, u64) {
    (set.epoch, set.generation)
}

fn is_before(grant: &Grant<'_>, held: &Held) -> bool {
    order(&grant.held()) < order(held)
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
    for authority in set.keys.iter() {
        if authority.role == Role::Grants {
            highest = highest.max(Some(authority.epoch));
        }
    }
    let retires_itself = set.retired_roots.iter().any(|kid| kid == *signer);
    highest >= Some(current_epoch) && !retires_itself
}
