//! Lists without allocation: read from a message, or borrowed from a slice to be written.

use core::fmt;

use crate::strict::Reader;
use crate::values::{Elements, Values};

/// What can stand in a [`Seq`].
pub trait Item<'b>: Copy + private::Codec<'b> {}

pub(crate) mod private {
    use crate::shape::Shape;
    use crate::values::Values;

    /// How a message or an item is read and written; outside this crate nobody implements it.
    #[allow(
        private_interfaces,
        reason = "the trait cannot be named outside this crate"
    )]
    pub trait Codec<'b>: Sized {
        /// What it looks like.
        const SHAPE: &'static Shape;

        /// Puts in what that carries.
        fn put<'s>(&'s self, values: &mut Values<'s>);

        /// Takes it out of what was read.
        fn take(values: &mut Values<'b>) -> Self;
    }
}

/// A list of `T`. What was read was checked whole; iterating decodes again, and cannot fail.
#[derive(Clone, Copy)]
pub struct Seq<'b, T>(Repr<'b, T>);

#[derive(Clone, Copy, Debug)]
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

    pub(crate) const fn of_read(items: &'b [u8], len: usize) -> Self {
        Self(Repr::Wire { items, len })
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
    #[must_use]
    pub const fn iter(&self) -> Iter<'b, T> {
        Iter(self.0)
    }
}

/// The elements of a [`Seq`] still to come.
#[derive(Clone, Debug)]
pub struct Iter<'b, T>(Repr<'b, T>);

impl<'b, T: Item<'b>> Iterator for Iter<'b, T> {
    type Item = T;

    #[inline(never)]
    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Repr::Slice(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(*first)
            }
            Repr::Wire { items, .. } => {
                let mut reader = Reader::new(items);
                let mut values = Values::new();
                reader.values(T::SHAPE, &mut values).ok()?;
                *items = reader.rest();
                Some(T::take(&mut values))
            }
        }
    }
}

impl<'b, T: Item<'b>> Elements for Seq<'b, T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn read(&self) -> Option<&[u8]> {
        match self.0 {
            Repr::Wire { items, .. } => Some(items),
            Repr::Slice(_) => None,
        }
    }

    fn put<'s>(&'s self, place: usize, values: &mut Values<'s>) {
        if let Repr::Slice(items) = self.0
            && let Some(item) = items.get(place)
        {
            item.put(values);
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
