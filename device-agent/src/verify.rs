//! The checks of a message from the authority, in order. What comes out is typed: nothing else
//! can make an [`Authentic`] or an [`AcceptedGrant`].

use fleetgrant_schemas::envelope::{Envelope, Signer, Verified};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::{DeviceId, DeviceNonce, KeyId, KeyThumbprint};
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, Role};
use fleetgrant_schemas::notice::Notice;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Held, Malformed, Message};

use crate::agent::Agent;
use crate::crypto::KeyOperations;
use crate::key_ring::Found;
use crate::refusal::Refusal;
use crate::storage::Storage;

/// Which open request a message answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    Nothing,
    Online,
    File,
}

/// A message that the authority signed, and the key it was signed with.
///
/// The signature is checked by a function of its own and what the payload says by the next, so
/// that the two never need the stack at the same time.
pub(crate) struct Authentic<'b> {
    bytes: &'b [u8],
    verified: Verified<'b>,
    kid: KeyId,
    authority: AuthorityKey,
}

impl<'b> Authentic<'b> {
    /// The key that signed it.
    pub(crate) const fn kid(&self) -> KeyId {
        self.kid
    }

    #[inline(never)]
    pub(crate) fn read<M: Message<'b>>(&self) -> Result<M, Malformed> {
        self.verified.read()
    }
}

/// A grant that passed every check and is newer than the set in force.
pub(crate) struct AcceptedGrant<'g, 'b> {
    grant: &'g Grant<'b>,
    authentic: &'g Authentic<'b>,
}

impl<'g, 'b> AcceptedGrant<'g, 'b> {
    pub(crate) const fn grant(&self) -> &'g Grant<'b> {
        self.grant
    }

    /// The message that it came in.
    pub(crate) const fn signed(&self) -> &'b [u8] {
        self.authentic.bytes
    }

    /// The key that signed it.
    pub(crate) const fn signed_by(&self) -> KeyId {
        self.authentic.kid()
    }
}

/// A grant that passed every check.
pub(crate) enum GrantVerdict<'g, 'b> {
    /// It is newer than the set in force.
    Newer(AcceptedGrant<'g, 'b>),
    /// It is the set in force.
    Again,
    /// It answers an open request, and a newer set is in force by now.
    Overtaken,
}

impl<K, S, B, const RIGHTS: usize> Agent<'_, K, S, B, RIGHTS>
where
    K: KeyOperations,
    S: Storage,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    /// Checks what a grant says.
    #[inline(never)]
    pub(crate) fn check_grant<'g, 'b>(
        &self,
        grant: &'g Grant<'b>,
        authentic: &'g Authentic<'b>,
    ) -> Result<(GrantVerdict<'g, 'b>, Answers), Refusal> {
        self.addressed(grant.realm, grant.device, Some(&grant.confirmation))?;
        let answers = self.answers(grant.nonce);
        let authority = &authentic.authority;
        let held = self.enforcing.held.as_ref();

        // Even if it is too old to be installed, since then it is what every repeat would get.
        if answers != Answers::Nothing && held.is_some_and(|held| is_before(grant, held)) {
            return Ok((GrantVerdict::Overtaken, answers));
        }
        if grant.epoch != authority.epoch {
            return Err(Refusal::KeyEpoch);
        }
        issued_within(grant.issued_at, authority)?;
        // What answers a live nonce tells the time itself.
        let floor = match answers {
            Answers::Nothing => self.floor(),
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
        if let Some(held) = held {
            if is_before(grant, held) {
                return Err(Refusal::Superseded);
            }
            if (grant.epoch, grant.generation) == (held.epoch, held.generation) {
                return if grant.cti == held.cti {
                    Ok((GrantVerdict::Again, answers))
                } else {
                    Err(Refusal::Conflict)
                };
            }
        } else if answers == Answers::Nothing && !grant.flags.factory {
            return Err(Refusal::BlankWithoutNonce);
        }
        if grant.entitlements.len() > RIGHTS {
            return Err(Refusal::SetTooLarge);
        }
        let accepted = AcceptedGrant { grant, authentic };
        Ok((GrantVerdict::Newer(accepted), answers))
    }

    /// Checks what a notice says.
    pub(crate) fn check_notice(
        &self,
        notice: &Notice<'_>,
        authentic: &Authentic<'_>,
    ) -> Result<Answers, Refusal> {
        self.addressed(notice.realm, notice.device, notice.confirmation.as_ref())?;
        issued_within(notice.issued_at, &authentic.authority)?;
        Ok(self.answers(notice.nonce))
    }

    /// Checks what a key set says.
    pub(crate) fn check_keys(&mut self, set: &KeySet<'_>, signer: &KeyId) -> Result<(), Refusal> {
        if set.realm != self.profile.realm {
            return Err(Refusal::OtherRealm);
        }
        let oldest = self.ring.generation.saturating_add(1);
        if set.generation < oldest.max(self.profile.min_key_set) {
            return Err(Refusal::OldKeySet);
        }
        let current = self.ring.epoch(self.profile, &mut self.storage)?;
        if is_consistent(set, signer, current) {
            Ok(())
        } else {
            Err(Refusal::BadKeySet)
        }
    }

    /// The checks that need no payload, the signature last. A message that is not new, but stored, is
    /// good for as long as it is kept, whatever became of its key since.
    #[inline(never)]
    pub(crate) fn authenticate<'b>(
        &mut self,
        bytes: &'b [u8],
        message: MessageType,
        is_new: bool,
    ) -> Result<Authentic<'b>, Refusal> {
        let envelope = Envelope::parse(bytes)?;
        let kid = match envelope.signer() {
            Signer::Key(kid) if envelope.message() == message => kid,
            _ => return Err(Refusal::OtherTopic),
        };
        let authority = match message {
            MessageType::Keys => self.ring.root(&kid, self.profile)?,
            _ => self.authority(&kid, message, is_new)?,
        };
        let verified = envelope
            .verify(|signed, signature| self.keys.verify(&authority.key, signed, signature))
            .map_err(|_| Refusal::BadSignature)?;
        Ok(Authentic {
            bytes,
            verified,
            kid,
            authority,
        })
    }

    /// The authority's key with this id, if it may sign this.
    fn authority(
        &mut self,
        kid: &KeyId,
        message: MessageType,
        is_new: bool,
    ) -> Result<AuthorityKey, Refusal> {
        let found = self.ring.find(kid, self.profile, &mut self.storage)?;
        let Some(Found {
            authority,
            is_current,
        }) = found
        else {
            return Err(Refusal::UnknownKey);
        };
        if is_new {
            if !is_current {
                return Err(Refusal::UnknownKey);
            }
            if message == MessageType::Grant && authority.role != Role::Grants {
                return Err(Refusal::KeyRole);
            }
            if self.clock.proven_secs(self.now) >= authority.not_after {
                return Err(Refusal::KeyExpired);
            }
        }
        Ok(authority)
    }

    #[inline(never)]
    pub(crate) fn addressed(
        &self,
        realm: &str,
        device: DeviceId<'_>,
        key: Option<&KeyThumbprint>,
    ) -> Result<(), Refusal> {
        if realm != self.profile.realm {
            return Err(Refusal::OtherRealm);
        }
        if device != self.profile.device {
            return Err(Refusal::OtherDevice);
        }
        match key {
            Some(key) if *key != self.keys.public_key().thumbprint() => Err(Refusal::OtherKey),
            _ => Ok(()),
        }
    }

    fn answers(&self, nonce: Option<DeviceNonce>) -> Answers {
        match nonce.as_ref() {
            Some(nonce) if self.contact.nonce() == Some(nonce) => Answers::Online,
            Some(nonce) if self.state.file_nonce.as_ref() == Some(nonce) => Answers::File,
            _ => Answers::Nothing,
        }
    }
}

fn is_before(grant: &Grant<'_>, held: &Held) -> bool {
    (grant.epoch, grant.generation) < (held.epoch, held.generation)
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
