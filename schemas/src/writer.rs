//! Writes deterministic CBOR into a caller's buffer, or only counts.

use core::ops::Range;

use crate::seq::private::Codec;
use crate::shape::{Field, List, Shape};
use crate::strict::NULL;
use crate::strict::major::{ARRAY, BYTES, MAP, NEGATIVE, TAG, TEXT, UINT};
use crate::values::{Value, Values};

/// Writes values in the shortest form; keys in order are the caller's part.
///
/// What does not fit is counted, not written, so that one pass tells the length.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    position: usize,
}

impl<'a> Writer<'a> {
    /// Writes into `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            position: 0,
        }
    }

    /// The length of what `write` writes.
    pub fn measure(write: impl FnOnce(&mut Writer<'_>)) -> usize {
        let mut counter = Writer::new(&mut []);
        write(&mut counter);
        counter.position()
    }

    /// Bytes written or counted so far; more than the buffer has if it was too small.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Writes a message or an item.
    pub(crate) fn whole<'b, T: Codec<'b>>(&mut self, item: &T) {
        let mut values = Values::new();
        item.put(&mut values);
        self.shaped(T::SHAPE, values.rewind());
    }

    /// Writes what is as this shape says, taking it out of the values.
    pub(crate) fn shaped(&mut self, shape: &Shape, values: &mut Values<'_>) {
        match *shape {
            Shape::Is(number, _) => {
                self.int(number.into());
            }
            Shape::Map(fields) => self.fields(fields, values),
            Shape::Array(shapes) => {
                self.array(shapes.len());
                self.each(shapes, values);
            }
            Shape::Cases(cases) => {
                let number = values.uint();
                let case = cases.get(number as usize).copied().unwrap_or_default();
                self.array(1 + case.len()).uint(number);
                self.each(case, values);
            }
            Shape::OrNull(of) if matches!(values.peek(), Value::Absent) => {
                self.null();
                values.skip(of.values());
            }
            Shape::OrNull(of) => self.shaped(of, values),
            Shape::List(list) => self.list(list, 0, values.take()),
            // One stands without an array around it.
            Shape::Some(list) => self.list(list, 2, values.take()),
            _ => match values.take() {
                Value::Uint(value) => drop(self.uint(value)),
                Value::Bytes(value) => drop(self.bytes(value)),
                Value::Text(value) => drop(self.text(value)),
                _ => {}
            },
        }
    }

    fn list(&mut self, list: &List, array_from: usize, value: Value<'_>) {
        let Value::List(elements) = value else {
            return;
        };
        if elements.len() >= array_from {
            self.array(elements.len());
        }
        if let Some(read) = elements.read() {
            // What is read by the rules is written by them.
            self.raw(read);
            return;
        }
        for place in 0..elements.len() {
            let mut values = Values::new();
            elements.put(place, &mut values);
            self.shaped(&list.of, values.rewind());
        }
    }

    fn fields(&mut self, fields: &[Field], values: &mut Values<'_>) {
        let is_there = |field: &Field, value| !field.is_optional || !matches!(value, Value::Absent);
        let (mut len, mut ahead) = (0, 0);
        for field in fields {
            len += usize::from(is_there(field, values.at(ahead)));
            ahead += field.of.values();
        }
        self.map(len);
        for field in fields {
            if is_there(field, values.peek()) {
                self.int(field.key());
                self.shaped(&field.of, values);
            } else {
                values.skip(field.of.values());
            }
        }
    }

    fn each(&mut self, shapes: &[Shape], values: &mut Values<'_>) {
        for shape in shapes {
            self.shaped(shape, values);
        }
    }

    /// Writes what `write` writes as a byte string; where its content stands.
    pub(crate) fn wrapped(&mut self, write: &dyn Fn(&mut Writer<'_>)) -> Range<usize> {
        let len = Writer::measure(write);
        let start = self.bytes_head(len).position;
        write(self);
        start..start + len
    }

    #[inline(never)]
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.position + bytes.len();
        if let Some(free) = self.buffer.get_mut(self.position..end) {
            // Unlike `copy_from_slice` this has no path of a panic.
            for (to, from) in free.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        self.position = end;
        self
    }

    /// The shortest head with this argument (RFC 8949 section 3).
    #[inline(never)]
    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let (short, len) = match argument {
            0..=23 => (argument as u8, 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        let bytes = argument.to_be_bytes();
        self.raw(&[major << 5 | short])
            .raw(bytes.get(8 - len..).unwrap_or_default())
    }

    pub(crate) fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        match u64::try_from(value) {
            Ok(value) => self.head(UINT, value),
            Err(_) => self.head(NEGATIVE, !value as u64),
        }
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.text_head(value.len()).raw(value.as_bytes())
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.bytes_head(value.len()).raw(value)
    }

    pub(crate) fn bytes_head(&mut self, len: usize) -> &mut Self {
        self.head(BYTES, len as u64)
    }

    pub(crate) fn text_head(&mut self, len: usize) -> &mut Self {
        self.head(TEXT, len as u64)
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.raw(&[NULL])
    }

    pub(crate) fn array(&mut self, len: usize) -> &mut Self {
        self.head(ARRAY, len as u64)
    }

    pub(crate) fn map(&mut self, len: usize) -> &mut Self {
        self.head(MAP, len as u64)
    }

    pub(crate) fn tag(&mut self, tag: u64) -> &mut Self {
        self.head(TAG, tag)
    }
}
