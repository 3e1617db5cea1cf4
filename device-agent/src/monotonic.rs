//! A copy of the storage that was put back, told by hardware that can count.
//!
//! Software cannot tell the records it wrote last from those it wrote a month ago: whoever saves
//! the flash, gives a right back, and restores the flash has it again, until the device next
//! reaches the gateway, which notices. A counter that never goes back closes that gap: secure
//! elements have some (an ATECC608 two, of two million counts each), so have TPMs and RPMB.
//!
//! What is left: whoever holds the flash while the power fails between a record and its count
//! chooses which of the two records counts, and can put the other back once in place of the next.
//! And a record is checked when it is read from its beginning, so that a bus that answers two reads
//! of one record differently is not noticed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::storage::{Record, Storage, StorageError};

/// Counters of the hardware that never go back.
pub trait MonotonicCounter {
    /// The counter that guards a record; none: nothing does. It begins at 0.
    fn read(&mut self, record: Record) -> Result<Option<u64>, StorageError>;

    /// Adds one to the counter that guards this record, and returns when that is durable.
    fn advance(&mut self, record: Record) -> Result<(), StorageError>;
}

/// A storage whose records bear the count at which they were written, under a seal. One that is not
/// the last, or not as it was written, is refused as [`StorageError::RolledBack`], and so is one that
/// was erased; the agent tells it and does without, so that nothing of an old set is put in force,
/// and what is limited counts as used up.
///
/// [`Record::Set`] costs a count for each set that is installed, [`Record::Usage`] one for each use
/// that is counted. [`Record::State`] need not be guarded: the gateway finds it out. A guarded record
/// is 40 bytes longer.
pub struct Guarded<S, C> {
    storage: S,
    counter: C,
    secret: [u8; 32],
    /// Records, as bits, whose last count failed.
    owed: u8,
}

/// The count in front of a record, little-endian, and behind it HMAC-SHA-256 over the number of the
/// record, the count, and the record.
const COUNT: usize = 8;
const SEAL: usize = 32;
const HEAD: usize = COUNT + SEAL;
/// Parts the agent stores a record in, and what is in front of them.
const MAX_PARTS: usize = 7;

impl<S: core::fmt::Debug, C: core::fmt::Debug> core::fmt::Debug for Guarded<S, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Guarded")
            .field("storage", &self.storage)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

impl<S: Storage, C: MonotonicCounter> Guarded<S, C> {
    /// `secret` is of this device alone, and not where whoever can write to the storage reads it:
    /// with it, any record could be given the count that is wanted.
    ///
    /// A storage that was used without a counter before must be erased first: what it holds has no
    /// count, and is refused.
    pub const fn new(storage: S, counter: C, secret: [u8; 32]) -> Self {
        Self {
            storage,
            counter,
            secret,
            owed: 0,
        }
    }

    /// Checks a record against its counter, and its seal if it is to be read `whole`; false if there
    /// is no record, and there never was.
    fn check(&mut self, record: Record, current: u64, whole: bool) -> Result<bool, StorageError> {
        let mut head = [0; HEAD];
        match self.storage.load(record, 0, &mut head)? {
            0 if current == 0 => return Ok(false),
            HEAD => {}
            // Erased or cut short: never what was stored here.
            _ => return Err(StorageError::RolledBack),
        }
        let count = count_of(&head);
        let is_next = current.checked_add(1) == Some(count);
        if count != current && !is_next {
            return Err(StorageError::RolledBack);
        }
        if whole && !self.is_genuine(record, &head)? {
            return Err(StorageError::RolledBack);
        }
        if is_next {
            // The power failed after the record and before the count.
            self.counter.advance(record)?;
        }
        Ok(true)
    }

    #[inline(never)]
    fn is_genuine(&mut self, record: Record, head: &[u8; HEAD]) -> Result<bool, StorageError> {
        let (count, seal) = head.split_at(COUNT);
        let mut expected = self.sealing(record, count)?;
        let mut chunk = [0; 64];
        let mut offset = HEAD;
        loop {
            let len = self.storage.load(record, offset, &mut chunk)?;
            let Some(read) = chunk.get(..len).filter(|read| !read.is_empty()) else {
                break;
            };
            expected.update(read);
            offset += len;
        }
        Ok(expected.verify_slice(seal).is_ok())
    }

    fn sealing(&self, record: Record, count: &[u8]) -> Result<Hmac<Sha256>, StorageError> {
        // A key of any length will do, so this cannot fail.
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret);
        let mut mac = mac.map_err(|_| StorageError::Read)?;
        mac.update(&[record.number()]);
        mac.update(count);
        Ok(mac)
    }

    /// The counter that the next record follows. A count that failed is made up for first, so that
    /// no two records ever bear the same.
    fn settled(&mut self, record: Record, current: u64) -> Result<u64, StorageError> {
        let mut head = [0; HEAD];
        let stored = self.storage.load(record, 0, &mut head)?;
        let next = current.checked_add(1).ok_or(StorageError::Full)?;
        let is_owed = self.owed & bit(record) != 0 || (stored > 0 && count_of(&head) == next);
        if is_owed {
            self.counter.advance(record)?;
            self.owed &= !bit(record);
            return Ok(next);
        }
        Ok(current)
    }
}

fn count_of(head: &[u8; HEAD]) -> u64 {
    let mut count = [0; COUNT];
    count.copy_from_slice(&head[..COUNT]);
    u64::from_le_bytes(count)
}

const fn bit(record: Record) -> u8 {
    1 << record.number()
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
        if self.check(record, current, offset == 0)? {
            self.storage.load(record, HEAD + offset, buffer)
        } else {
            Ok(0)
        }
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        let Some(current) = self.counter.read(record)? else {
            return self.storage.store(record, parts);
        };
        let settled = self.settled(record, current)?;
        let next = settled.checked_add(1).ok_or(StorageError::Full)?;
        let count = next.to_le_bytes();
        let mut seal = self.sealing(record, &count)?;
        for part in parts {
            seal.update(part);
        }
        let seal = seal.finalize().into_bytes();
        let mut counted = [&[][..]; MAX_PARTS];
        let len = parts.len() + 2;
        let counted = counted.get_mut(..len).ok_or(StorageError::Write)?;
        let all = [&count[..], &seal[..]]
            .into_iter()
            .chain(parts.iter().copied());
        for (slot, part) in counted.iter_mut().zip(all) {
            *slot = part;
        }
        self.storage.store(record, counted)?;
        self.counter.advance(record).map_err(|_| {
            self.owed |= bit(record);
            StorageError::Uncounted
        })
    }
}
