//! Records in files, or in memory.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::storage::{Record, Storage, StorageError};

/// One file a record. A record is replaced by renaming a file that was written and synced before,
/// so that a power cut leaves the old or the new one.
#[derive(Debug)]
pub struct FileStorage {
    folder: PathBuf,
}

impl FileStorage {
    /// Records in a folder, which is made if it is missing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, record: Record) -> PathBuf {
        self.folder.join(record.as_str())
    }

    fn read(&self, record: Record, offset: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = match File::open(self.path(record)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(offset as u64))?;
        let mut len = 0;
        while len < buffer.len() {
            match file.read(&mut buffer[len..])? {
                0 => break,
                read => len += read,
            }
        }
        Ok(len)
    }

    fn write(&self, record: Record, parts: &[&[u8]]) -> io::Result<()> {
        let path = self.path(record);
        let next = path.with_extension("next");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&next, &path)?;
        // The rename is durable once the folder is.
        File::open(&self.folder)?.sync_all()
    }
}

impl Storage for FileStorage {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        self.read(record, offset, buffer)
            .map_err(|_| StorageError::Read)
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        self.write(record, parts)
            .map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull => StorageError::Full,
                _ => StorageError::Write,
            })
    }
}

/// Records in memory. Clones share them, so that a device can be started again with what it had.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    records: Arc<Mutex<HashMap<Record, Vec<u8>>>>,
}

impl Storage for MemoryStorage {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = records.get(&record).and_then(|bytes| bytes.get(offset..));
        let bytes = bytes.unwrap_or_default();
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert(record, parts.concat());
        Ok(())
    }
}

/// Either.
#[derive(Debug)]
pub enum AnyStorage {
    /// In files.
    File(FileStorage),
    /// In memory.
    Memory(MemoryStorage),
}

impl Storage for AnyStorage {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        match self {
            Self::File(storage) => storage.load(record, offset, buffer),
            Self::Memory(storage) => storage.load(record, offset, buffer),
        }
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        match self {
            Self::File(storage) => blocking(|| storage.store(record, parts)),
            Self::Memory(storage) => storage.store(record, parts),
        }
    }
}

/// A disk's sync takes milliseconds, in which other tasks of a runtime with threads move on.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn keeps_records(mut storage: impl Storage) {
        let mut buffer = [0; 8];
        assert_eq!(storage.load(Record::Set, 0, &mut buffer), Ok(0));
        storage.store(Record::Set, &[b"abc", b"", b"defg"]).unwrap();
        storage.store(Record::State, &[b"other"]).unwrap();
        assert_eq!(storage.load(Record::Set, 2, &mut buffer), Ok(5));
        assert_eq!(&buffer[..5], b"cdefg");
        storage.store(Record::Set, &[b"xy"]).unwrap();
        assert_eq!(storage.load(Record::Set, 0, &mut buffer), Ok(2));
        assert_eq!(storage.load(Record::Set, 9, &mut buffer), Ok(0));
    }

    #[test]
    fn records_are_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        keeps_records(FileStorage::new(folder.path()).unwrap());
        keeps_records(MemoryStorage::default());
    }
}
