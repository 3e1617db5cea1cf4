//! Lists without allocation: read from a message, or borrowed from a slice to be written.

use core::fmt;

use crate::malformed::Malformed;
use crate::strict::Reader;
use crate::writer::Writer;

/// What can stand in a [`Seq`].
pub trait Item<'b>: Copy + private::Codec<'b> {}

pub(crate) mod private {
    use super::{Malformed, Reader, Writer};

    /// How an item is read and written; outside this crate nobody implements it.
    #[allow(
        private_interfaces,
        reason = "the trait cannot be named outside this crate"
    )]
    pub trait Codec<'b>: Sized {
        /// Reads one.
        fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed>;
        /// Writes one.
        fn write(&self, writer: &mut Writer<'_>);
    }
}

/// A list of `T`. What was read was checked whole; iterating decodes again, and cannot fail.
#[derive(Clone, Copy)]
pub struct Seq<'b, T>(Repr<'b, T>);

#[derive(Clone, Copy)]
enum Repr<'b, T> {
    Wire { items: &'b [u8], len: usize },
    Slice(&'b [T]),
}

impl<'b, T: Item<'b>> Seq<'b, T> {
    /// A list to be written.
    #[must_use]
    pub const fn new(items: &'b [T]) -> Self {
        Self(Repr::Slice(items))
    }

    /// The empty list.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Repr::Slice(&[]))
    }

    /// How many elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Repr::Wire { len, .. } => len,
            Repr::Slice(items) => items.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'b, T> {
        let (mut wire, slice): (_, &'b [T]) = match self.0 {
            Repr::Wire { items, len } => ((Reader::new(items), len), &[]),
            Repr::Slice(items) => ((Reader::new(&[]), 0), items),
        };
        core::iter::from_fn(move || {
            wire.1 = wire.1.checked_sub(1)?;
            T::read(&mut wire.0).ok()
        })
        .chain(slice.iter().copied())
    }

    pub(crate) fn read(reader: &mut Reader<'b>, max: usize) -> Result<Self, Malformed> {
        let len = reader.array(max)?;
        let start = reader.position();
        for _ in 0..len {
            T::read(reader)?;
        }
        let items = reader.since(start);
        Ok(Self(Repr::Wire { items, len }))
    }

    /// A list that is left out rather than empty.
    pub(crate) fn read_some(reader: &mut Reader<'b>, max: usize) -> Result<Self, Malformed> {
        match Self::read(reader, max)? {
            list if list.is_empty() => Err(Malformed::WrongLength),
            list => Ok(list),
        }
    }

    /// The list, if no two of its elements have the same key.
    pub(crate) fn distinct<K: Ord>(self, key: impl Fn(&T) -> K) -> Result<Self, Malformed> {
        let keys = || self.iter().map(|item| key(&item));
        if keys().is_sorted_by(|a, b| a < b) {
            return Ok(self);
        }
        // Nothing can be remembered without allocation, and the lists are short.
        for (position, one) in keys().enumerate() {
            if keys().skip(position + 1).any(|other| other == one) {
                return Err(Malformed::Repeated);
            }
        }
        Ok(self)
    }

    /// One element that stands without an array around it.
    pub(crate) fn read_single(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        let start = reader.position();
        T::read(reader)?;
        let items = reader.since(start);
        Ok(Self(Repr::Wire { items, len: 1 }))
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.array(self.len());
        for item in self.iter() {
            item.write(writer);
        }
    }
}

impl<'b, T: Item<'b> + PartialEq> PartialEq for Seq<'b, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'b, T: Item<'b> + Eq> Eq for Seq<'b, T> {}

impl<'b, T: Item<'b> + fmt::Debug> fmt::Debug for Seq<'b, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
