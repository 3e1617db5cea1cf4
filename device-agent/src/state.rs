//! The small record that changes often: counters and the clock's floor.

use fleetgrant_schemas::Held;
use fleetgrant_schemas::id::DeviceNonce;
use fleetgrant_schemas::limits;

use crate::clock_floor::{ClockFloor, Floors};
use crate::frame::{self, Body, Fields};
use crate::storage::{Record, Storage, StorageError};
use crate::time::Instant;

/// The body of the record, all numbers little-endian:
///
/// | bytes | |
/// |---|---|
/// | 8 | seq up to which requests may have been sent |
/// | 4 | starts |
/// | 8 + 8 | the clock's floor in ms since 1970: proven, claimed |
/// | 4 + 8 + 4 + 4 | the last ack: epoch, generation, n, CRC of its exceptions |
/// | 1 + 16 | whether a request in a file is open, its nonce |
const LEN: usize = 8 + 4 + 16 + 20 + 17;

/// Counters that must not go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The last seq used.
    seq: u64,
    /// Seqs up to this one were persisted as used.
    reserved: u64,
    /// Starts of the device.
    pub(crate) boots: u32,
    /// What was acknowledged last.
    pub(crate) acked: Acked,
    /// The nonce of the request that went out in a file.
    pub(crate) file_nonce: Option<DeviceNonce>,
}

/// The last ack that was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acked {
    epoch: u32,
    generation: u64,
    n: u32,
    exceptions: u32,
}

impl Acked {
    /// Whether this set with these exceptions is what was acknowledged.
    pub(crate) fn covers(&self, held: &Held, exceptions: u32) -> bool {
        self.is_of(held) && self.exceptions == exceptions
    }

    /// The next ack of this set: n counts from 1 for each generation.
    pub(crate) fn next(&self, held: &Held, exceptions: u32) -> Self {
        Self {
            epoch: held.epoch,
            generation: held.generation,
            n: if self.is_of(held) {
                self.n.saturating_add(1)
            } else {
                1
            },
            exceptions,
        }
    }

    pub(crate) const fn n(&self) -> u32 {
        self.n
    }

    fn is_of(&self, held: &Held) -> bool {
        self.n > 0 && (self.epoch, self.generation) == (held.epoch, held.generation)
    }
}

impl State {
    /// Loads the record, if there is one; the floors come apart.
    pub(crate) fn load<S: Storage>(&mut self, storage: &mut S) -> Result<Floors, StorageError> {
        match frame::check(storage, Record::State)? {
            None => return Ok(Floors::default()),
            Some(LEN) => {}
            Some(_) => return Err(StorageError::Damaged),
        }
        let mut body = [0; LEN];
        frame::read(storage, Record::State, 0, &mut body)?;
        let mut fields = Fields(&body);
        self.reserved = fields.u64();
        self.seq = self.reserved;
        self.boots = fields.u32();
        let floors = (fields.u64(), fields.u64());
        self.acked = Acked {
            epoch: fields.u32(),
            generation: fields.u64(),
            n: fields.u32(),
            exceptions: fields.u32(),
        };
        let has_nonce = fields.number(1) != 0;
        self.file_nonce = has_nonce.then(|| DeviceNonce(fields.array()));
        Ok(floors)
    }

    /// Stores the record.
    pub(crate) fn store<S: Storage>(
        &self,
        storage: &mut S,
        clock: &mut ClockFloor,
        now: Instant,
    ) -> Result<(), StorageError> {
        let mut persisted = *clock;
        let (proven, claimed) = persisted.persist(now);
        let mut bytes = [0; LEN];
        let mut body = Body::new(&mut bytes);
        body.put_u64(self.reserved).put_u32(self.boots);
        body.put_u64(proven).put_u64(claimed);
        body.put_u32(self.acked.epoch)
            .put_u64(self.acked.generation);
        body.put_u32(self.acked.n).put_u32(self.acked.exceptions);
        match &self.file_nonce {
            Some(nonce) => body.put(&[1]).put(&nonce.0),
            None => body.put(&[0; 17]),
        };
        frame::store(storage, Record::State, [body.bytes(), &[], &[]])?;
        *clock = persisted;
        Ok(())
    }

    /// The state with the next seq taken, and whether it must be stored before that is used:
    /// seqs are persisted in blocks, so a power cut skips some and repeats none.
    pub(crate) fn with_next_seq(&self) -> (Self, bool) {
        let mut next = *self;
        next.seq = (self.seq + 1).min(limits::MAX_COUNTER);
        let needs_store = next.seq > self.reserved;
        if needs_store {
            next.reserved = (next.seq + limits::SEQ_BLOCK - 1).min(limits::MAX_COUNTER);
        }
        (next, needs_store)
    }

    /// Makes `expected` the next seq, unless that would go back.
    pub(crate) fn raise_seq(&mut self, expected: u64) {
        let last = expected.saturating_sub(1);
        self.seq = self.seq.max(last);
        self.reserved = self.reserved.max(last);
    }

    pub(crate) const fn seq(&self) -> u64 {
        self.seq
    }
}
