//! The authority's keys: those the firmware was built with, until a key set replaces them.

use fleetgrant_schemas::envelope::SigStructure;
use fleetgrant_schemas::id::{KeyId, sha256};
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, PublicKey, Role};

use crate::crypto::KeyOperations;
use crate::frame::{self, Body, Fields};
use crate::profile::Profile;
use crate::refusal::Refusal;
use crate::storage::{Record, Storage, StorageError};

/// The body of the record: generation (4, little-endian), retired roots as bits (1), then
/// each key: kid (8), x (32), y (32), not before (8), not after (8), epoch (4), role (1); then the
/// seal (64): the device's own signature over all before it. Whoever can write to the storage and
/// has not the device's key cannot make it trust a key.
const HEAD: usize = 5;
const ENTRY: usize = 8 + 32 + 32 + 8 + 8 + 4 + 1;
const SEAL: usize = 64;
/// What is signed is no message, and not taken for one.
const SEALED: &[u8] = b"fleetgrant keys record";
/// A key of an earlier key set: it vouches for the set in force, and signs nothing new.
const ROLE_HELD: u8 = 0;
/// The keys of a set, and the one that signed the set in force.
const MAX_ENTRIES: usize = fleetgrant_schemas::limits::MAX_KEYS + 1;

/// What is known of the key set without reading the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRing {
    /// 0: the keys the firmware was built with.
    pub(crate) generation: u32,
    retired_roots: u8,
    entries: u8,
}

/// A key that was looked up.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) authority: AuthorityKey,
    /// It signs what its role says; otherwise it only vouches for the set in force.
    pub(crate) is_current: bool,
}

impl KeyRing {
    pub(crate) fn load<S: Storage, K: KeyOperations>(
        storage: &mut S,
        keys: &mut K,
    ) -> Result<Self, StorageError> {
        let Some(body) = frame::check(storage, Record::Keys)? else {
            return Ok(Self::default());
        };
        let body = body.checked_sub(SEAL).ok_or(StorageError::Damaged)?;
        let entries = body.checked_sub(HEAD).ok_or(StorageError::Damaged)? / ENTRY;
        check_seal(storage, keys, body)?;
        let mut head = [0; HEAD];
        frame::read(storage, Record::Keys, 0, &mut head)?;
        let mut fields = Fields(&head);
        Ok(Self {
            generation: fields.u32(),
            retired_roots: fields.number(1) as u8,
            entries: entries.min(MAX_ENTRIES) as u8,
        })
    }

    /// The key with this id.
    pub(crate) fn find<S: Storage>(
        &self,
        kid: &KeyId,
        profile: &Profile<'_>,
        storage: &mut S,
    ) -> Result<Option<Found>, StorageError> {
        if self.generation == 0 {
            let mut built_in = profile.authority_keys.iter();
            let found = built_in.find(|authority| authority.key.thumbprint().key_id() == *kid);
            return Ok(found.map(|authority| Found {
                authority: *authority,
                is_current: true,
            }));
        }
        for place in 0..self.entries {
            let (id, found) = entry(storage, place)?;
            if id == *kid {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The highest epoch of any key that signs grants.
    pub(crate) fn epoch<S: Storage>(
        &self,
        profile: &Profile<'_>,
        storage: &mut S,
    ) -> Result<u32, StorageError> {
        let mut highest = 0;
        if self.generation == 0 {
            for authority in profile.authority_keys {
                highest = highest.max(grants_epoch(authority));
            }
        }
        // One that only vouches has epoch 0.
        for place in 0..self.entries {
            let (_, found) = entry(storage, place)?;
            highest = highest.max(grants_epoch(&found.authority));
        }
        Ok(highest)
    }

    /// The root with this id, unless it was retired. It signs key sets, whenever that is.
    pub(crate) fn root(&self, kid: &KeyId, profile: &Profile<'_>) -> Result<AuthorityKey, Refusal> {
        let place =
            place_of_root(kid, profile).filter(|place| self.retired_roots >> place & 1 == 0);
        let root = place.and_then(|place| profile.roots.get(usize::from(place)));
        Ok(vouching(*root.ok_or(Refusal::UnknownRoot)?))
    }

    /// Replaces the key set. `held` is the id and key that signed the set in force.
    pub(crate) fn replace<S: Storage, K: KeyOperations>(
        &self,
        set: &KeySet<'_>,
        held: Option<(&KeyId, &PublicKey)>,
        profile: &Profile<'_>,
        storage: &mut S,
        keys: &mut K,
    ) -> Result<Self, Refusal> {
        let mut retired_roots = self.retired_roots;
        for kid in set.retired_roots.iter() {
            if let Some(place) = place_of_root(&kid, profile) {
                retired_roots |= 1 << place;
            }
        }
        let mut bytes = [0; HEAD];
        let mut head = Body::new(&mut bytes);
        head.put_u32(set.generation).put(&[retired_roots]);
        let mut bytes = [0; MAX_ENTRIES * ENTRY];
        let mut body = Body::new(&mut bytes);
        let mut holds_held = false;
        for authority in set.keys.iter() {
            let kid = authority.key.thumbprint().key_id();
            holds_held |= held.is_some_and(|(id, _)| *id == kid);
            encode(&mut body, &kid, &authority, authority.role.number());
        }
        if let Some((kid, key)) = held.filter(|_| !holds_held) {
            encode(&mut body, kid, &vouching(*key), ROLE_HELD);
        }
        let digest = sha256(&[head.bytes(), body.bytes()]);
        let seal = keys.sign(&SigStructure::of_own(SEALED, &digest))?;
        frame::store(storage, Record::Keys, [head.bytes(), body.bytes(), &seal])?;
        Ok(Self {
            generation: set.generation,
            retired_roots,
            entries: (body.bytes().len() / ENTRY) as u8,
        })
    }
}

/// A key by itself: it signs no message of the authority.
const fn vouching(key: PublicKey) -> AuthorityKey {
    AuthorityKey {
        key,
        not_before: 0,
        not_after: 0,
        epoch: 0,
        role: Role::Grants,
    }
}

#[inline(never)]
fn place_of_root(kid: &KeyId, profile: &Profile<'_>) -> Option<u8> {
    let mut roots = profile.roots.iter().zip(0..);
    let (_, place) = roots.find(|(root, _)| root.thumbprint().key_id() == *kid)?;
    Some(place)
}

/// Checks the seal behind `body` bytes of a record that is whole.
fn check_seal<S: Storage, K: KeyOperations>(
    storage: &mut S,
    keys: &mut K,
    body: usize,
) -> Result<(), StorageError> {
    let digest = digest(storage, body)?;
    let mut seal = [0; SEAL];
    frame::read(storage, Record::Keys, body, &mut seal)?;
    let own = keys.public_key();
    if keys.verify(&own, &SigStructure::of_own(SEALED, &digest), &seal) {
        Ok(())
    } else {
        Err(StorageError::Damaged)
    }
}

/// SHA-256 of what is sealed. In a function of its own, so that it is not on the stack while the
/// seal is checked.
#[inline(never)]
fn digest<S: Storage>(storage: &mut S, body: usize) -> Result<[u8; 32], StorageError> {
    let mut bytes = [0; HEAD + MAX_ENTRIES * ENTRY];
    let bytes = bytes.get_mut(..body).ok_or(StorageError::Damaged)?;
    frame::read(storage, Record::Keys, 0, bytes)?;
    Ok(sha256(&[bytes]))
}

const fn grants_epoch(authority: &AuthorityKey) -> u32 {
    match authority.role {
        Role::Grants => authority.epoch,
        Role::Notices => 0,
    }
}

fn encode(body: &mut Body<'_>, kid: &KeyId, authority: &AuthorityKey, role: u8) {
    body.put(&kid.0);
    body.put(&authority.key.x).put(&authority.key.y);
    body.put_u64(authority.not_before);
    body.put_u64(authority.not_after);
    body.put_u32(authority.epoch).put(&[role]);
}

/// One entry of the record: its id and the rest.
#[inline(never)]
fn entry<S: Storage>(storage: &mut S, place: u8) -> Result<(KeyId, Found), StorageError> {
    let mut bytes = [0; ENTRY];
    let offset = HEAD + usize::from(place) * ENTRY;
    frame::read(storage, Record::Keys, offset, &mut bytes)?;
    let mut fields = Fields(&bytes);
    let kid = KeyId(fields.array());
    let key = PublicKey {
        x: fields.array(),
        y: fields.array(),
    };
    let (not_before, not_after, epoch) = (fields.u64(), fields.u64(), fields.u32());
    let role = fields.number(1);
    let is_current = role != u64::from(ROLE_HELD);
    let role = if is_current {
        role
    } else {
        Role::Notices.number().into()
    };
    let authority = AuthorityKey {
        key,
        not_before,
        not_after,
        epoch,
        role: Role::from_number(role).ok_or(StorageError::Damaged)?,
    };
    let found = Found {
        authority,
        is_current,
    };
    Ok((kid, found))
}
