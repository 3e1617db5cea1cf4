//! How every record is framed: `format version (1) ‖ body ‖ CRC-32 of both (4, little-endian)`.

use crate::storage::{Record, Storage, StorageError};

/// The format of a record; another one is read as damage. One that changes must still be read in
/// its old form, unless that was unsafe.
const fn format(record: Record) -> u8 {
    match record {
        // 1 had no seal, so that anyone could write a key.
        Record::Keys => 2,
        Record::Set | Record::State | Record::Usage => 1,
    }
}

const HEAD: usize = 1;
const TAIL: usize = 4;
/// Body parts one record may be made of.
const MAX_PARTS: usize = 3;

/// Stores a body, given in at most three parts.
pub(crate) fn store<S: Storage>(
    storage: &mut S,
    record: Record,
    body: [&[u8]; MAX_PARTS],
) -> Result<(), StorageError> {
    let head = [format(record)];
    let [a, b, c] = body;
    let crc = [&head[..], a, b, c]
        .into_iter()
        .fold(Crc::new(), Crc::over)
        .finish();
    storage.store(record, &[&head, a, b, c, &crc])
}

/// The length of the body of a whole record; `None` if there is no record.
pub(crate) fn check<S: Storage>(
    storage: &mut S,
    record: Record,
) -> Result<Option<usize>, StorageError> {
    let mut chunk = [0; 64];
    let mut crc = Crc::new();
    let mut offset = 0;
    loop {
        let len = storage.load(record, offset, &mut chunk)?;
        let Some(read) = chunk.get(..len).filter(|read| !read.is_empty()) else {
            break;
        };
        if offset == 0 && read.first() != Some(&format(record)) {
            return Err(StorageError::Damaged);
        }
        crc = crc.over(read);
        offset += len;
    }
    match offset {
        0 => Ok(None),
        len if len >= HEAD + TAIL && crc.is_whole() => Ok(Some(len - HEAD - TAIL)),
        _ => Err(StorageError::Damaged),
    }
}

/// Reads exactly `buffer` from the body of a record that [`check`] found whole.
pub(crate) fn read<S: Storage>(
    storage: &mut S,
    record: Record,
    offset: usize,
    buffer: &mut [u8],
) -> Result<(), StorageError> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match storage.load(record, HEAD + offset + done, rest)? {
            0 => return Err(StorageError::Damaged),
            len => done += len,
        }
    }
    Ok(())
}

/// Takes fixed-size fields off a body that has them all; others would be zero.
pub(crate) struct Fields<'b>(pub(crate) &'b [u8]);

impl Fields<'_> {
    /// A number of so many bytes, little-endian.
    #[inline(never)]
    pub(crate) fn number(&mut self, len: usize) -> u64 {
        let (field, rest) = self.0.split_at_checked(len).unwrap_or_default();
        self.0 = rest;
        let bytes = field.iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.number(4) as u32
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.number(8)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *field
    }
}

/// Copies bytes to where there is room for them. Unlike `copy_from_slice` it has no path of a panic.
#[inline(never)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Puts fixed-size fields into a body, in order; what does not fit is left out.
pub(crate) struct Body<'b> {
    bytes: &'b mut [u8],
    len: usize,
}

impl<'b> Body<'b> {
    /// An empty one, which `bytes` has room for.
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    #[inline(never)]
    pub(crate) fn put(&mut self, field: &[u8]) -> &mut Self {
        let end = self.len + field.len();
        debug_assert!(
            end <= self.bytes.len(),
            "a record's body is as long as its fields"
        );
        if let Some(free) = self.bytes.get_mut(self.len..end) {
            copy(free, field);
            self.len = end;
        }
        self
    }

    /// A number, little-endian.
    #[inline(never)]
    pub(crate) fn put_u64(&mut self, number: u64) -> &mut Self {
        self.put(&number.to_le_bytes())
    }

    #[inline(never)]
    pub(crate) fn put_u32(&mut self, number: u32) -> &mut Self {
        self.put(&number.to_le_bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// CRC-32 as in IEEE 802.3, reflected; bit by bit, since a table costs a kilobyte of flash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc(u32);

impl Crc {
    /// What a CRC over data and its own CRC comes to.
    const RESIDUE: u32 = 0x2144_df1c;

    pub(crate) const fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn over(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        }))
    }

    pub(crate) const fn value(self) -> u32 {
        !self.0
    }

    const fn finish(self) -> [u8; TAIL] {
        self.value().to_le_bytes()
    }

    pub(crate) const fn is_whole(self) -> bool {
        self.value() == Self::RESIDUE
    }
}

#[cfg(test)]
mod tests {
    use super::Crc;

    #[test]
    fn crc_of_the_check_string_and_the_residue_are_those_of_ieee_802_3() {
        let crc = Crc::new().over(b"123456789");
        assert_eq!(crc.value(), 0xcbf4_3926);
        assert!(crc.over(&crc.finish()).is_whole());
        assert!(!crc.over(b"\0\0\0\0").is_whole());
    }
}
