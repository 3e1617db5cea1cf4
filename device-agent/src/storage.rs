//! What must survive a power cut, as a few records that are each replaced whole.

/// One of the records the agent keeps. Each is at most a few kilobytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// The signed grant in force, with what changed when it was installed. As long as the
    /// largest message the device takes and some 30 bytes for each right it can hold.
    /// Written when a grant is installed.
    Set,
    /// Counters: seq, starts, the clock's floor, what was acknowledged last. Below 128 bytes.
    /// Written at every start, every 15 minutes, for every ack and every 16th request.
    State,
    /// The authority's keys, sealed by the device's. Below 1 kB. Written when a key set arrives.
    Keys,
    /// How often what is counted was used. 24 bytes for each counted right. Written for each use.
    Usage,
}

impl Record {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Set, Self::State, Self::Keys, Self::Usage];

    /// Its number where records are kept; it never changes its meaning.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Set => 1,
            Self::State => 2,
            Self::Keys => 3,
            Self::Usage => 4,
        }
    }

    /// A name for a file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::State => "state",
            Self::Keys => "keys",
            Self::Usage => "usage",
        }
    }
}

/// Keeps records. Whoever implements it answers for one thing: when the power fails during
/// [`Storage::store`], afterwards the old record or the new one is there, never a mix and never
/// neither. The agent adds a version and a checksum, so damage is noticed, but not mended.
pub trait Storage {
    /// Copies the record's bytes from `offset` on into `buffer`, as many as there are and fit,
    /// and says how many; 0 past the end or if there is no such record.
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError>;

    /// Replaces the record by the parts, one behind the other, and returns when that is durable.
    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError>;
}

/// Why the storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// Reading failed.
    Read,
    /// Writing failed; the old record is still there.
    Write,
    /// No room.
    Full,
    /// A record is there and its checksum does not fit.
    Damaged,
    /// A record is not the one that was written last: see [`crate::Guarded`].
    RolledBack,
    /// A record was stored and is what counts from the next start on, but the hardware did not
    /// count it: until it does, the record before could be put back. See [`crate::Guarded`].
    Uncounted,
}

impl StorageError {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "storage-read",
            Self::Write => "storage-write",
            Self::Full => "storage-full",
            Self::Damaged => "storage-damaged",
            Self::RolledBack => "storage-rolled-back",
            Self::Uncounted => "storage-uncounted",
        }
    }
}

impl core::fmt::Display for StorageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Read => "a stored record cannot be read",
            Self::Write => "a record cannot be stored; the old one is still there",
            Self::Full => "there is no room to store a record",
            Self::Damaged => "a stored record is damaged",
            Self::RolledBack => "a stored record is older than the last that was written",
            Self::Uncounted => "a record was stored, but the hardware did not count it",
        })
    }
}

impl core::error::Error for StorageError {}
