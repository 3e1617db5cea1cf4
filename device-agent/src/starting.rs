//! A start: what was stored comes back, and the first contact is planned.

use fleetgrant_schemas::Malformed;
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::agent::{AckTurn, Agent, StartError};
use crate::asking::{Contact, Wish};
use crate::bucket::Bucket;
use crate::clock_floor::{ClockFloor, Floors};
use crate::crypto::KeyOperations;
use crate::enforcing::Enforcing;
use crate::event::Events;
use crate::frame;
use crate::installing::{self, Place};
use crate::key_ring::KeyRing;
use crate::profile::Profile;
use crate::receiving::Gates;
use crate::refusal::Refusal;
use crate::rights::{self, USAGE_LEN};
use crate::state::State;
use crate::storage::{Record, Storage, StorageError};
use crate::time::Instant;
use crate::verify::Authentic;

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
        agent.store_state();
        agent.tell_changes();
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
            contact: Contact::new(Wish::routine(Reason::Boot), now),
            challenge: None,
            ask_again_at: Instant::NEVER,
            acks: AckTurn::default(),
            checks: Bucket::full(10, 1_000, now),
            requests: Bucket::full(5, 10_000, now),
            unsolicited: Bucket::full(20, DAY_MILLIS / 20, now),
            gates: Gates::default(),
            events: Events::new(),
            now,
        }
    }

    fn load_state(&mut self) -> Result<Floors, StartError> {
        match self.state.load(&mut self.storage) {
            Ok(floors) => Ok(floors),
            Err(reason) => self.told(Record::State, reason).map(|()| Floors::default()),
        }
    }

    fn load_keys(&mut self) -> Result<(), StartError> {
        match KeyRing::load(&mut self.storage, &mut self.keys) {
            Ok(ring) => self.ring = ring,
            Err(reason) => self.told(Record::Keys, reason)?,
        }
        Ok(())
    }

    fn load_set(&mut self, scratch: &mut [u8]) -> Result<Floors, StartError> {
        let mut floors = Floors::default();
        match self.enforce_stored(scratch, &mut floors) {
            Ok(()) => {}
            Err(StorageError::Full) => return Err(StartError::ScratchTooSmall),
            Err(reason) => self.told(Record::Set, reason)?,
        }
        Ok(floors)
    }

    /// The stored grant must verify again: whoever can write to the storage still cannot sign.
    fn enforce_stored(
        &mut self,
        scratch: &mut [u8],
        floors: &mut Floors,
    ) -> Result<(), StorageError> {
        let Some(place) = installing::locate(&mut self.storage)? else {
            return Ok(());
        };
        *floors = installing::floors(&mut self.storage)?;
        let authentic = self.authenticate_stored(&place, scratch)?;
        self.enforce_authentic(&authentic, &place)
    }

    #[inline(never)]
    fn enforce_authentic(
        &mut self,
        authentic: &Authentic<'_>,
        place: &Place,
    ) -> Result<(), StorageError> {
        let read = authentic.read();
        let grant = self.is_mine(&read)?;
        let removing = installing::removing::<S, RIGHTS>(&mut self.storage, place)?;
        let (signed_by, time) = (Some(authentic.kid()), self.time());
        self.enforcing
            .enforce(grant, signed_by, self.profile, &removing, time, self.now);
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
        let authentic = self.authenticate_stored(&place, scratch)?;
        let read = authentic.read();
        let grant = self.is_mine(&read)?;
        if grant.held() == held {
            Ok(Some(*grant))
        } else {
            Err(StorageError::Damaged)
        }
    }

    fn authenticate_stored<'b>(
        &mut self,
        place: &Place,
        scratch: &'b mut [u8],
    ) -> Result<Authentic<'b>, StorageError> {
        let grant = installing::grant(&mut self.storage, place, scratch)?;
        self.authenticate(grant, MessageType::Grant, false)
            .map_err(|reason| match reason {
                Refusal::Storage => StorageError::Read,
                _ => StorageError::Damaged,
            })
    }

    /// The grant that was read from storage, if it is for this device and fits.
    fn is_mine<'g, 'b>(
        &self,
        read: &'g Result<Grant<'b>, Malformed>,
    ) -> Result<&'g Grant<'b>, StorageError> {
        match read {
            Ok(grant)
                if grant.entitlements.len() <= RIGHTS
                    && self
                        .addressed(grant.realm, grant.device, Some(&grant.confirmation))
                        .is_ok() =>
            {
                Ok(grant)
            }
            _ => Err(StorageError::Damaged),
        }
    }

    fn load_usage(&mut self) -> Result<(), StartError> {
        let len = match frame::check(&mut self.storage, Record::Usage) {
            Ok(len) => len.unwrap_or(0),
            Err(reason) => {
                if reason == StorageError::RolledBack {
                    // Whoever puts an old record back, or erases it, has no use again by it.
                    rights::use_up(&mut self.enforcing.rights);
                }
                return self.told(Record::Usage, reason);
            }
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
    fn told(&mut self, record: Record, reason: StorageError) -> Result<(), StartError> {
        match reason {
            StorageError::Damaged | StorageError::RolledBack => {
                self.storage_failed(record, reason);
                Ok(())
            }
            _ => Err(StartError::Storage(reason)),
        }
    }
}
