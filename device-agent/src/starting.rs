//! A start: what was stored comes back, and the first contact is planned.

use fleetgrant_schemas::envelope::{Signer, Verified};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::KeyId;
use fleetgrant_schemas::request::Reason;

use crate::agent::{AckTurn, Agent, StartError};
use crate::asking::{Contact, Wanting, Wish};
use crate::bucket::Bucket;
use crate::clock_floor::ClockFloor;
use crate::crypto::KeyOperations;
use crate::enforcing::Enforcing;
use crate::event::Events;
use crate::frame;
use crate::installing::{self, Place};
use crate::key_ring::KeyRing;
use crate::profile::Profile;
use crate::receiving::Gates;
use crate::rights::{self, USAGE_LEN};
use crate::state::State;
use crate::storage::{Record, Storage, StorageError};
use crate::time::Instant;

const DAY_MILLIS: u32 = 86_400_000;

impl<'c, K, S, B, const RIGHTS: usize> Agent<'c, K, S, B, RIGHTS>
where
    K: KeyOperations,
    S: Storage,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    /// Starts the agent. Call it once after each start of the device.
    ///
    /// `scratch` is needed during this call only, to check the stored grant again; as long as
    /// the largest message the device takes is enough. The rights in the stored set are in force
    /// when this returns, and a request is due at once.
    pub fn start(
        profile: &'c Profile<'c>,
        keys: K,
        storage: S,
        buffer: B,
        scratch: &mut [u8],
        now: Instant,
    ) -> Result<Self, StartError> {
        const { assert!(RIGHTS >= 1 && RIGHTS <= 64, "1 to 64 rights") };
        profile.check().map_err(StartError::Profile)?;
        let mut agent = Self::blank(profile, keys, storage, buffer, now);
        let of_state = agent.load_state()?;
        agent.load_keys()?;
        let of_set = agent.load_set(scratch)?;
        agent.load_usage()?;
        // What is proven only grows, so the later record has more of it; and what it no longer
        // claims, as of a clock that was wrong, stays dropped.
        let (proven, claimed) = of_state.max(of_set);
        agent.clock = ClockFloor::restore(proven, claimed, now);
        agent.state.boots = agent.state.boots.saturating_add(1);
        agent.store_state(now);
        agent.tell_changes(now);
        Ok(agent)
    }

    /// In a function of its own, so that what it is put together from is not on the stack while a
    /// signature is checked.
    #[inline(never)]
    fn blank(profile: &'c Profile<'c>, keys: K, storage: S, buffer: B, now: Instant) -> Self {
        Self {
            profile,
            keys,
            storage,
            request: buffer,
            state: State::default(),
            clock: ClockFloor::restore(0, 0, now),
            ring: KeyRing::default(),
            enforcing: Enforcing::blank(),
            contact: Contact::Wanting(Wanting {
                wish: Wish::routine(Reason::Boot),
                at: now,
            }),
            challenge: None,
            ask_again_at: None,
            acks: AckTurn::default(),
            checks: Bucket::full(10, 1_000, now),
            requests: Bucket::full(5, 10_000, now),
            unsolicited: Bucket::full(20, DAY_MILLIS / 20, now),
            gates: Gates::default(),
            events: Events::new(),
            now,
        }
    }

    fn load_state(&mut self) -> Result<(u64, u64), StartError> {
        let loaded = State::load(&mut self.storage);
        let loaded = self.or_damaged(Record::State, loaded)?;
        let (state, proven, claimed) = loaded.unwrap_or_default();
        self.state = state;
        Ok((proven, claimed))
    }

    fn load_keys(&mut self) -> Result<(), StartError> {
        let loaded = KeyRing::load(&mut self.storage, &mut self.keys);
        self.ring = self.or_damaged(Record::Keys, loaded)?.unwrap_or_default();
        Ok(())
    }

    /// The stored grant must verify again: whoever can write to the storage still cannot sign.
    fn load_set(&mut self, scratch: &mut [u8]) -> Result<(u64, u64), StartError> {
        let place = installing::locate(&mut self.storage);
        let Some(place) = self.or_damaged(Record::Set, place)?.flatten() else {
            return Ok((0, 0));
        };
        let floors = installing::floors(&mut self.storage);
        let floors = self.or_damaged(Record::Set, floors)?.unwrap_or_default();
        let enforced = match self.authenticate_stored(&place, scratch) {
            Err(StorageError::Full) => return Err(StartError::ScratchTooSmall),
            Err(reason) => Err(reason),
            Ok((verified, kid)) => self.enforce_stored(&verified, kid, &place),
        };
        self.or_damaged(Record::Set, enforced)?;
        Ok(floors)
    }

    #[inline(never)]
    fn enforce_stored(
        &mut self,
        verified: &Verified<'_>,
        kid: KeyId,
        place: &Place,
    ) -> Result<(), StorageError> {
        let grant = self.read_stored(verified)?;
        let removing = installing::removing::<S, RIGHTS>(&mut self.storage, place)?;
        self.enforcing
            .enforce(&grant, Some(kid), self.profile, &removing);
        self.challenge = Some(grant.next_challenge);
        Ok(())
    }

    /// The grant in force once more, as it is stored: for what the agent does not keep in memory,
    /// like the maker's own data of each right. It is checked anew, which takes a verification.
    ///
    /// `scratch` is as for [`Agent::start`]; the grant borrows from it. [`StorageError::Full`] if it
    /// is too short, [`StorageError::Damaged`] if what is stored is not the set in force.
    pub fn stored_grant<'b>(
        &mut self,
        scratch: &'b mut [u8],
    ) -> Result<Option<Grant<'b>>, StorageError> {
        let Some(held) = self.enforcing.held else {
            return Ok(None);
        };
        let place = installing::locate(&mut self.storage)?.ok_or(StorageError::Damaged)?;
        let (verified, _) = self.authenticate_stored(&place, scratch)?;
        let grant = self.read_stored(&verified)?;
        if grant.held() == held {
            Ok(Some(grant))
        } else {
            Err(StorageError::Damaged)
        }
    }

    /// In a function of its own, so that what is read afterwards is not on the stack meanwhile.
    #[inline(never)]
    fn authenticate_stored<'b>(
        &mut self,
        place: &Place,
        scratch: &'b mut [u8],
    ) -> Result<(Verified<'b>, KeyId), StorageError> {
        let envelope = installing::grant(&mut self.storage, place, scratch)?;
        let Signer::Key(kid) = envelope.signer() else {
            return Err(StorageError::Damaged);
        };
        let found = self.ring.find(&kid, self.profile, &mut self.storage)?;
        let found = found.ok_or(StorageError::Damaged)?;
        let verified = envelope
            .verify(|signed, signature| self.keys.verify(found.key(), signed, signature))
            .map_err(|_| StorageError::Damaged)?;
        Ok((verified, kid))
    }

    fn read_stored<'b>(&self, verified: &Verified<'b>) -> Result<Grant<'b>, StorageError> {
        let grant: Grant<'b> = verified.read().map_err(|_| StorageError::Damaged)?;
        let is_mine = grant.device == self.profile.device
            && grant.realm == self.profile.realm
            && grant.confirmation == self.keys.public_key().thumbprint();
        if is_mine && grant.entitlements.len() <= RIGHTS {
            Ok(grant)
        } else {
            Err(StorageError::Damaged)
        }
    }

    fn load_usage(&mut self) -> Result<(), StartError> {
        let body = frame::check(&mut self.storage, Record::Usage);
        if matches!(body, Err(StorageError::RolledBack)) {
            // Whoever puts an old record back, or erases it, has no use again by it.
            rights::use_up(&mut self.enforcing.rights);
        }
        let Some(len) = self.or_damaged(Record::Usage, body)?.flatten() else {
            return Ok(());
        };
        for place in 0..len / USAGE_LEN {
            let mut total = [0; USAGE_LEN];
            frame::read(
                &mut self.storage,
                Record::Usage,
                place * USAGE_LEN,
                &mut total,
            )
            .map_err(StartError::Storage)?;
            rights::restore_usage(&mut self.enforcing.rights, &rights::decode_usage(&total));
        }
        Ok(())
    }

    /// Damage is told, and the record counts as absent; what cannot be read ends the start.
    fn or_damaged<T>(
        &mut self,
        record: Record,
        loaded: Result<T, StorageError>,
    ) -> Result<Option<T>, StartError> {
        match loaded {
            Ok(loaded) => Ok(Some(loaded)),
            Err(reason @ (StorageError::Damaged | StorageError::RolledBack)) => {
                self.storage_failed(record, reason);
                Ok(None)
            }
            Err(reason) => Err(StartError::Storage(reason)),
        }
    }
}
