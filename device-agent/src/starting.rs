//! A start: what was stored comes back, and the first contact is planned.

use fleetgrant_schemas::envelope::Signer;
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::request::Reason;

use crate::agent::{AckTurn, Agent, Checks, Requests, StartError, Unsolicited};
use crate::asking::{Contact, Wanting, Wish};
use crate::clock_floor::ClockFloor;
use crate::crypto::KeyOperations;
use crate::enforcing::Enforcing;
use crate::event::Events;
use crate::frame;
use crate::installing::{self, Loaded};
use crate::key_ring::KeyRing;
use crate::profile::Profile;
use crate::receiving::Gates;
use crate::rights::{self, USAGE_LEN};
use crate::state::State;
use crate::storage::{Record, Storage, StorageError};
use crate::time::Instant;

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
        let mut agent = Self {
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
            checks: Checks::full(now),
            requests: Requests::full(now),
            unsolicited: Unsolicited::full(now),
            gates: Gates::default(),
            events: Events::new(),
            now,
        };
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
        let loaded = match installing::load::<S, RIGHTS>(&mut self.storage, scratch) {
            Err(StorageError::Full) => return Err(StartError::ScratchTooSmall),
            loaded => self.or_damaged(Record::Set, loaded)?.flatten(),
        };
        let Some(set) = loaded else {
            return Ok((0, 0));
        };
        let floors = (set.proven, set.claimed);
        match self.enforce_stored(set) {
            Ok(()) => {}
            Err(reason) => self.storage_failed(Record::Set, reason),
        }
        Ok(floors)
    }

    fn enforce_stored(&mut self, set: Loaded<'_, RIGHTS>) -> Result<(), StorageError> {
        let Signer::Key(kid) = set.envelope.signer() else {
            return Err(StorageError::Damaged);
        };
        let found = self.ring.find(&kid, self.profile, &mut self.storage)?;
        let found = found.ok_or(StorageError::Damaged)?;
        let verified = set
            .envelope
            .verify(|signed, signature| self.keys.verify(found.key(), signed, signature))
            .map_err(|_| StorageError::Damaged)?;
        let grant: Grant<'_> = verified.read().map_err(|_| StorageError::Damaged)?;
        let is_mine = grant.device == self.profile.device
            && grant.realm == self.profile.realm
            && grant.confirmation == self.keys.public_key().thumbprint();
        if !is_mine || grant.entitlements.len() > RIGHTS {
            return Err(StorageError::Damaged);
        }
        self.enforcing
            .enforce(&grant, Some(kid), self.profile, &set.removing);
        self.challenge = Some(grant.next_challenge);
        Ok(())
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
