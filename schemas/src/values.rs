//! The values of a message or of one element of a list, in the order of its
//! [`crate::shape::Shape`].

use core::cmp::Ordering;
use core::fmt;

use crate::seq::{Item, Seq};

/// One value.
#[derive(Clone, Copy)]
pub(crate) enum Value<'b> {
    /// What may be left out was, or is `null`.
    Absent,
    Uint(u64),
    Bytes(&'b [u8]),
    Text(&'b str),
    /// So many elements of a list, as they were read.
    Read(&'b [u8], usize),
    /// A list to be written.
    List(&'b dyn Elements),
}

/// Elements to be written.
pub(crate) trait Elements {
    fn len(&self) -> usize;

    /// Their bytes, if they were read.
    fn read(&self) -> Option<&[u8]>;

    /// Puts in what the one at this place carries.
    fn put<'s>(&'s self, place: usize, values: &mut Values<'s>);
}

/// The most that a message has: the request.
const CAPACITY: usize = 21;

/// Values, put in and taken out in order.
#[derive(Clone, Copy)]
pub struct Values<'b> {
    values: [Value<'b>; CAPACITY],
    next: usize,
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}

impl<'b> Values<'b> {
    pub(crate) const fn new() -> Self {
        Self {
            values: [Value::Absent; CAPACITY],
            next: 0,
        }
    }

    /// To be taken out from the beginning.
    pub(crate) fn rewind(&mut self) -> &mut Self {
        self.next = 0;
        self
    }

    #[inline(never)]
    pub(crate) fn put(&mut self, value: Value<'b>) -> &mut Self {
        debug_assert!(self.next < CAPACITY, "no message has so many values");
        if let Some(slot) = self.values.get_mut(self.next) {
            *slot = value;
        }
        self.skip(1)
    }

    /// Leaves so many absent, or takes them out unseen.
    pub(crate) fn skip(&mut self, count: usize) -> &mut Self {
        self.next += count;
        self
    }

    pub(crate) fn put_uint(&mut self, value: impl Into<u64>) -> &mut Self {
        self.put(Value::Uint(value.into()))
    }

    pub(crate) fn put_bytes(&mut self, value: &'b [u8]) -> &mut Self {
        self.put(Value::Bytes(value))
    }

    pub(crate) fn put_text(&mut self, value: &'b str) -> &mut Self {
        self.put(Value::Text(value))
    }

    pub(crate) fn put_list(&mut self, value: &'b dyn Elements) -> &mut Self {
        self.put(Value::List(value))
    }

    /// A list that is left out rather than empty.
    pub(crate) fn put_some(&mut self, value: &'b dyn Elements) -> &mut Self {
        match value.len() {
            0 => self.skip(1),
            _ => self.put_list(value),
        }
    }

    /// What may be left out.
    pub(crate) fn put_if<T>(
        &mut self,
        value: Option<T>,
        of: impl FnOnce(T) -> Value<'b>,
    ) -> &mut Self {
        match value {
            Some(value) => self.put(of(value)),
            None => self.skip(1),
        }
    }

    pub(crate) fn put_uint_if(&mut self, value: Option<impl Into<u64>>) -> &mut Self {
        self.put_if(value, |value| Value::Uint(value.into()))
    }

    /// The value that comes next.
    pub(crate) fn peek(&self) -> Value<'b> {
        self.at(0)
    }

    /// The value that comes so many after that.
    pub(crate) fn at(&self, ahead: usize) -> Value<'b> {
        let value = self.values.get(self.next + ahead);
        value.copied().unwrap_or(Value::Absent)
    }

    #[inline(never)]
    pub(crate) fn take(&mut self) -> Value<'b> {
        let value = self.peek();
        self.skip(1);
        value
    }

    /// What the shape says is always there is there: anything else would read as nothing.
    #[inline(never)]
    pub(crate) fn uint(&mut self) -> u64 {
        match self.take() {
            Value::Uint(value) => value,
            _ => 0,
        }
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.uint() as u32
    }

    #[inline(never)]
    pub(crate) fn bytes(&mut self) -> &'b [u8] {
        match self.take() {
            Value::Bytes(value) => value,
            _ => &[],
        }
    }

    #[inline(never)]
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        fixed(self.bytes())
    }

    #[inline(never)]
    pub(crate) fn text(&mut self) -> &'b str {
        match self.take() {
            Value::Text(value) => value,
            _ => "",
        }
    }

    /// What may be left out.
    pub(crate) fn if_there<T>(&mut self, take: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.if_all_there(1, take)
    }

    /// Values that may be left out together.
    pub(crate) fn if_all_there<T>(
        &mut self,
        count: usize,
        take: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        if let Value::Absent = self.peek() {
            self.skip(count);
            return None;
        }
        Some(take(self))
    }

    /// A list; one that was left out is empty.
    pub(crate) fn list<T: Item<'b>>(&mut self) -> Seq<'b, T> {
        match self.take() {
            Value::Read(items, len) => Seq::of_read(items, len),
            _ => Seq::empty(),
        }
    }

    /// So many of the first, which say what an element is about.
    pub(crate) fn subject(&self, count: u8) -> Subject<'b> {
        let mut subject = NO_SUBJECT;
        let values = self.values.iter().take(count.into());
        for (slot, value) in subject.iter_mut().zip(values) {
            *slot = *value;
        }
        subject
    }
}

/// Bytes of which the shape says how many there are.
pub(crate) fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// What an element is about: one value, two, or nothing.
pub(crate) type Subject<'b> = [Value<'b>; 2];

pub(crate) const NO_SUBJECT: Subject<'_> = [Value::Absent; 2];

#[inline(never)]
pub(crate) fn compare(one: &Subject<'_>, other: &Subject<'_>) -> Ordering {
    let mut pairs = one.iter().zip(other);
    let differ = pairs.find_map(|(one, other)| match one.key().cmp(&other.key()) {
        Ordering::Equal => None,
        order => Some(order),
    });
    differ.unwrap_or(Ordering::Equal)
}

impl<'b> Value<'b> {
    fn key(&self) -> (u64, &'b [u8]) {
        match self {
            Self::Uint(value) => (*value, &[]),
            Self::Bytes(value) => (0, value),
            Self::Text(value) => (0, value.as_bytes()),
            _ => (0, &[]),
        }
    }
}
