//! A copy of the storage that was put back, told by hardware that can count.
//!
//! Software cannot tell the records it wrote last from those it wrote a month ago: whoever saves
//! the flash, gives a right back, and restores the flash has it again, until the device next
//! reaches the gateway, which notices. A counter that never goes back closes that gap: secure
//! elements have some (an ATECC608 two, of two million counts each), so have TPMs and RPMB.

use crate::storage::{Record, Storage, StorageError};

/// Counters of the hardware that never go back.
pub trait MonotonicCounter {
    /// The counter that guards a record; none: nothing does. It begins at 0.
    fn read(&mut self, record: Record) -> Result<Option<u64>, StorageError>;

    /// Adds one to the counter that guards this record, and returns when that is durable.
    fn advance(&mut self, record: Record) -> Result<(), StorageError>;
}

/// A storage whose records bear the count at which they were written. One that is not the last is
/// refused as [`StorageError::RolledBack`], and so is one that was erased; the agent tells it and
/// does without, so that nothing of an old set is put in force.
///
/// [`Record::Set`] costs a count for each set that is installed, [`Record::Usage`] one for each use
/// that is counted. [`Record::State`] need not be guarded: the gateway finds it out.
#[derive(Debug)]
pub struct Guarded<S, C> {
    storage: S,
    counter: C,
}

/// The count in front of a record, little-endian.
const COUNT: usize = 8;
/// Parts the agent stores a record in, and the count.
const MAX_PARTS: usize = 6;

impl<S: Storage, C: MonotonicCounter> Guarded<S, C> {
    /// A storage that was used without a counter before must be erased first: what it holds has no
    /// count, and is refused.
    pub const fn new(storage: S, counter: C) -> Self {
        Self { storage, counter }
    }

    /// Checks the count of a record; false if there is none, and there never was.
    fn check(&mut self, record: Record, current: u64) -> Result<bool, StorageError> {
        let mut count = [0; COUNT];
        match self.storage.load(record, 0, &mut count)? {
            0 if current == 0 => return Ok(false),
            0 => return Err(StorageError::RolledBack),
            COUNT => {}
            _ => return Err(StorageError::Damaged),
        }
        match u64::from_le_bytes(count) {
            count if count == current => Ok(true),
            // The power failed after the record and before the count.
            count if current.checked_add(1) == Some(count) => {
                self.counter.advance(record)?;
                Ok(true)
            }
            _ => Err(StorageError::RolledBack),
        }
    }
}

impl<S: Storage, C: MonotonicCounter> Storage for Guarded<S, C> {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let Some(current) = self.counter.read(record)? else {
            return self.storage.load(record, offset, buffer);
        };
        if self.check(record, current)? {
            self.storage.load(record, COUNT + offset, buffer)
        } else {
            Ok(0)
        }
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        let Some(current) = self.counter.read(record)? else {
            return self.storage.store(record, parts);
        };
        let next = current.checked_add(1).ok_or(StorageError::Full)?;
        let count = next.to_le_bytes();
        let mut counted = [&[][..]; MAX_PARTS];
        let counted = counted.get_mut(..=parts.len()).ok_or(StorageError::Write)?;
        for (slot, part) in counted.iter_mut().zip([&count[..]].iter().chain(parts)) {
            *slot = part;
        }
        self.storage.store(record, counted)?;
        self.counter.advance(record)
    }
}
