//! Records in NOR flash, in a key-value log (`sequential-storage`) that spreads its writes over all
//! pages and stays whole when the power fails.

use core::fmt;
use core::ops::Range;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as nonblocking;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage, SerializationError, Value};

use crate::storage::{Record, Storage, StorageError};

/// The number of a record in flash, and how the log knows it.
type Key = u8;
/// Bytes of a key before each record.
const KEY: usize = size_of::<Key>();
/// What the log adds to a record: its head, the page's marks and alignment. Generous.
const OVERHEAD: usize = 64;

/// Records in a range of a NOR flash, external or the controller's own.
///
/// A record must fit a page (the smallest part that can be erased) with some 64 bytes to spare,
/// and the range must have three pages: one to write, one that is kept blank for when it is full,
/// and one more so that not each record moves at each turn. More pages last longer.
///
/// `buffer` holds one record while it is read or written: as long as the largest message the
/// device takes, 48 bytes more, and 24 for each right. It keeps the record that was read last.
pub struct FlashStorage<F: NorFlash, B> {
    log: MapStorage<Key, Blocking<F>, Cache<Uncached, Uncached, Uncached, Key>>,
    buffer: B,
    /// The record that `buffer` holds, and its length.
    loaded: Option<(Record, usize)>,
}

/// Why a range of flash holds no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidRange {
    /// It does not begin and end where pages do, or the flash ends before it.
    Pages,
    /// It has fewer than three pages.
    TooSmall,
    /// Pages are too small, or the words of the flash too large, for the log.
    Geometry,
}

impl fmt::Display for InvalidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pages => "the range must begin and end where pages of the flash do",
            Self::TooSmall => "the range must have three pages at least",
            Self::Geometry => "the pages or words of this flash do not suit the log",
        })
    }
}

impl core::error::Error for InvalidRange {}

impl<F: NorFlash, B: AsMut<[u8]>> FlashStorage<F, B> {
    const PAGES: u32 = 3;

    /// Records in `range` of the flash, in bytes from its beginning. What is there is kept; flash
    /// that was never written must be erased.
    pub fn new(flash: F, range: Range<u32>, buffer: B) -> Result<Self, InvalidRange> {
        let page = F::ERASE_SIZE as u32;
        let is_whole = range.start.is_multiple_of(page)
            && range.end.is_multiple_of(page)
            && usize::try_from(range.end).is_ok_and(|end| end <= flash.capacity());
        if !is_whole {
            return Err(InvalidRange::Pages);
        }
        if range.end.saturating_sub(range.start) < Self::PAGES * page {
            return Err(InvalidRange::TooSmall);
        }
        let config = MapConfig::try_new(range).map_err(|_| InvalidRange::Geometry)?;
        Ok(Self {
            log: MapStorage::new(Blocking(flash), config, Cache::new_uncached()),
            buffer,
            loaded: None,
        })
    }

    /// Gives back the flash and the buffer.
    pub fn into_parts(self) -> (F, B) {
        let (flash, _) = self.log.destroy();
        (flash.0, self.buffer)
    }

    /// The record's bytes; none if there is no such record.
    fn record(&mut self, record: Record) -> Result<&[u8], StorageError> {
        let len = match self.loaded {
            Some((loaded, len)) if loaded == record => len,
            _ => self.fetch(record)?,
        };
        let bytes = self.buffer.as_mut().get(KEY..KEY + len);
        Ok(bytes.unwrap_or_default())
    }

    fn fetch(&mut self, record: Record) -> Result<usize, StorageError> {
        self.loaded = None;
        let key = record.number();
        let fetched = self.log.fetch_item::<&[u8]>(self.buffer.as_mut(), &key);
        let fetched = embassy_futures::block_on(fetched).map_err(|reason| match reason {
            Error::Corrupted { .. } => StorageError::Damaged,
            _ => StorageError::Read,
        })?;
        let len = fetched.map_or(0, <[u8]>::len);
        self.loaded = Some((record, len));
        Ok(len)
    }
}

impl<F: NorFlash, B: AsMut<[u8]>> Storage for FlashStorage<F, B> {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let rest = self.record(record)?.get(offset..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(len)
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        self.loaded = None;
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len + OVERHEAD > F::ERASE_SIZE {
            return Err(StorageError::Full);
        }
        let (key, parts) = (record.number(), Parts(parts));
        let stored = self.log.store_item(self.buffer.as_mut(), &key, &parts);
        embassy_futures::block_on(stored).map_err(|reason| match reason {
            Error::FullStorage
            | Error::ItemTooBig
            | Error::BufferTooSmall(_)
            | Error::SerializationError(_) => StorageError::Full,
            _ => StorageError::Write,
        })
    }
}

/// A record on its way into the log's buffer.
struct Parts<'p>(&'p [&'p [u8]]);

impl Value<'_> for Parts<'_> {
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        let mut end = 0;
        for part in self.0 {
            let free = buffer
                .get_mut(end..end + part.len())
                .ok_or(SerializationError::BufferTooSmall)?;
            free.copy_from_slice(part);
            end += part.len();
        }
        Ok(end)
    }

    /// It is only written; what is read is plain bytes.
    fn deserialize_from(_: &[u8]) -> Result<(Self, usize), SerializationError> {
        Err(SerializationError::InvalidFormat)
    }
}

/// A flash whose driver waits until it is done, as the log wants it.
struct Blocking<F>(F);

impl<F: ErrorType> ErrorType for Blocking<F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> nonblocking::ReadNorFlash for Blocking<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> nonblocking::NorFlash for Blocking<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, bytes)
    }
}
