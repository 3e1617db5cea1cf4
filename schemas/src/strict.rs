//! The decoder with one reading only.
//!
//! Every value is read as its [`Shape`] says and nothing is skipped (but by [`Reader::seek`], in
//! what was refused already), so depth is bounded by the shape of the messages. Refused: trailing
//! bytes, indefinite lengths, heads that are not the shortest, map keys out of bytewise order or
//! twice (RFC 8949 section 4.2.1).

use crate::id::DeviceId;
use crate::malformed::Malformed;
use crate::shape::{Characters, Field, List, Range, Shape};
use crate::values::{NO_SUBJECT, Subject, Value, Values, compare};

/// Major types (RFC 8949 section 3.1).
pub(crate) mod major {
    pub(crate) const UINT: u8 = 0;
    pub(crate) const NEGATIVE: u8 = 1;
    pub(crate) const BYTES: u8 = 2;
    pub(crate) const TEXT: u8 = 3;
    pub(crate) const ARRAY: u8 = 4;
    pub(crate) const MAP: u8 = 5;
    pub(crate) const TAG: u8 = 6;
}
use major::{ARRAY, BYTES, MAP, NEGATIVE, TAG, TEXT, UINT};

pub(crate) const NULL: u8 = 0xf6;

/// Reads deterministic CBOR and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'b> {
    /// What is still to be read.
    input: &'b [u8],
}

/// The keys of a map still to come.
#[derive(Debug)]
pub(crate) struct MapKeys {
    remaining: u64,
    last: Option<i64>,
}

impl MapKeys {
    pub(crate) const fn is_empty(&self) -> bool {
        self.remaining == 0
    }
}

impl<'b> Reader<'b> {
    pub(crate) const fn new(input: &'b [u8]) -> Self {
        Self { input }
    }

    /// Reads a value that must be all there is.
    pub(crate) fn whole(
        bytes: &'b [u8],
        shape: &Shape,
        out: &mut Values<'b>,
    ) -> Result<(), Malformed> {
        let mut reader = Self::new(bytes);
        reader.values(shape, out)?;
        reader.finish()
    }

    pub(crate) const fn finish(&self) -> Result<(), Malformed> {
        if self.input.is_empty() {
            Ok(())
        } else {
            Err(Malformed::TrailingBytes)
        }
    }

    /// Reads one value; what it carries is then to be taken out.
    pub(crate) fn values(&mut self, shape: &Shape, out: &mut Values<'b>) -> Result<(), Malformed> {
        self.value(shape, out)?;
        out.rewind();
        Ok(())
    }

    fn value(&mut self, shape: &Shape, out: &mut Values<'b>) -> Result<(), Malformed> {
        let value = match *shape {
            Shape::Uint(range) => Value::Uint(self.uint(range)?),
            Shape::Code(first, last) => Value::Uint(self.uint(&Range(first.into(), last.into()))?),
            Shape::Is(number, reason) => {
                let is_it = self.int()? == i64::from(number);
                return if is_it { Ok(()) } else { Err(reason) };
            }
            Shape::Bytes(min, max) => {
                Value::Bytes(self.string(BYTES, usize::from(min), usize::from(max))?)
            }
            Shape::OemId => self.oem_id()?,
            Shape::Text(max, characters) => Value::Text(self.text(max.into(), characters)?),
            Shape::Map(fields) => return self.map(fields, out),
            Shape::Array(shapes) => {
                self.tuple(shapes.len())?;
                return self.each(shapes, out);
            }
            Shape::Cases(cases) => return self.cases(cases, out),
            Shape::OrNull(of) => {
                if !self.null() {
                    return self.value(of, out);
                }
                out.skip(of.values());
                return Ok(());
            }
            Shape::List(list) => self.list(list)?,
            Shape::Some(list) => self.some(list)?,
        };
        out.put(value);
        Ok(())
    }

    fn each(&mut self, shapes: &[Shape], out: &mut Values<'b>) -> Result<(), Malformed> {
        shapes.iter().try_for_each(|shape| self.value(shape, out))
    }

    fn map(&mut self, fields: &[Field], out: &mut Values<'b>) -> Result<(), Malformed> {
        let mut keys = self.map_head()?;
        let mut key = self.key(&mut keys)?;
        let mut is_complete = true;
        for field in fields {
            if key == Some(field.key()) {
                self.value(&field.of, out)?;
                key = self.key(&mut keys)?;
            } else {
                is_complete &= field.is_optional;
                out.skip(field.of.values());
            }
        }
        match key {
            Some(_) => Err(Malformed::UnknownKey),
            None if is_complete => Ok(()),
            None => Err(Malformed::MissingKey),
        }
    }

    fn cases(&mut self, cases: &[&[Shape]], out: &mut Values<'b>) -> Result<(), Malformed> {
        let len = cases.first().map_or(0, |case| case.len());
        self.tuple(1 + len)?;
        let number = self.head(UINT)?;
        let case = usize::try_from(number).ok().and_then(|n| cases.get(n));
        let case = case.ok_or(Malformed::OutOfRange)?;
        out.put(Value::Uint(number));
        self.each(case, out)
    }

    fn list(&mut self, list: &List) -> Result<Value<'b>, Malformed> {
        let len = self.array(list.max.into())?;
        if len < list.min.into() {
            return Err(Malformed::WrongLength);
        }
        let start = self.input;
        let mut is_sorted = true;
        let mut last = NO_SUBJECT;
        for place in 0..len {
            let subject = self.element(list)?;
            is_sorted &= place == 0 || compare(&last, &subject).is_lt();
            last = subject;
        }
        let items = self.since(start);
        if list.subject > 0 && !is_sorted {
            distinct(items, len, list)?;
        }
        Ok(Value::Read(items, len))
    }

    fn some(&mut self, list: &List) -> Result<Value<'b>, Malformed> {
        if self.major() == Some(ARRAY) {
            return self.list(list);
        }
        let start = self.input;
        self.element(list)?;
        Ok(Value::Read(self.since(start), 1))
    }

    /// Reads an element; what it is about. In a function of its own, so that its values are on the
    /// stack once only.
    #[inline(never)]
    fn element(&mut self, list: &List) -> Result<Subject<'b>, Malformed> {
        let mut values = Values::new();
        self.value(&list.of, &mut values)?;
        Ok(values.subject(list.subject))
    }

    /// The bytes read since `start` was still to be read.
    fn since(&self, start: &'b [u8]) -> &'b [u8] {
        let len = start.len().saturating_sub(self.input.len());
        start.get(..len).unwrap_or_default()
    }

    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.input
    }

    fn major(&self) -> Option<u8> {
        self.input.first().map(|first| first >> 5)
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self
            .input
            .split_at_checked(len)
            .ok_or(Malformed::Truncated)?;
        self.input = rest;
        Ok(taken)
    }

    /// Reads a head of this major type; its argument (RFC 8949 section 3).
    #[inline(never)]
    fn head(&mut self, major: u8) -> Result<u64, Malformed> {
        let (&first, rest) = self.input.split_first().ok_or(Malformed::Truncated)?;
        if matches!(first, 0x5f | 0x7f | 0x9f | 0xbf) {
            return Err(Malformed::Indefinite);
        }
        if first >> 5 != major {
            return Err(Malformed::WrongType);
        }
        self.input = rest;
        let short = first & 0x1f;
        let len = match short {
            0..=23 => return Ok(short.into()),
            24..=27 => 1 << (short - 24),
            _ => return Err(Malformed::WrongType),
        };
        let bytes = self.take(len)?;
        let argument = bytes
            .iter()
            .fold(0, |argument, byte| argument << 8 | u64::from(*byte));
        // 24, or what the next shorter head cannot hold.
        let least = if len == 1 { 24 } else { 1 << (4 * len) };
        if argument >= least {
            Ok(argument)
        } else {
            Err(Malformed::NotShortest)
        }
    }

    fn uint(&mut self, range: &Range) -> Result<u64, Malformed> {
        match self.head(UINT)? {
            value if (range.0..=range.1).contains(&value) => Ok(value),
            _ => Err(Malformed::OutOfRange),
        }
    }

    fn int(&mut self) -> Result<i64, Malformed> {
        let is_negative = self.major() == Some(NEGATIVE);
        let argument = self.head(u8::from(is_negative))?;
        let value = i64::try_from(argument).map_err(|_| Malformed::WrongType)?;
        Ok(if is_negative { -1 - value } else { value })
    }

    /// The bytes of a string of either kind.
    #[inline(never)]
    fn string(&mut self, major: u8, min: usize, max: usize) -> Result<&'b [u8], Malformed> {
        let len = usize::try_from(self.head(major)?).map_err(|_| Malformed::Truncated)?;
        let value = self.take(len)?;
        if (min..=max).contains(&len) {
            Ok(value)
        } else {
            Err(Malformed::WrongLength)
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], Malformed> {
        self.string(BYTES, 0, usize::MAX)
    }

    /// Lengths are bytes of UTF-8.
    fn text(&mut self, max: usize, characters: Characters) -> Result<&'b str, Malformed> {
        let text = self.string(TEXT, 0, usize::MAX)?;
        let text = core::str::from_utf8(text).map_err(|_| Malformed::InvalidUtf8)?;
        if !(1..=max).contains(&text.len()) {
            return Err(Malformed::WrongLength);
        }
        if !is_printable(text) {
            return Err(Malformed::ControlCharacter);
        }
        let is_good = match characters {
            Characters::Printable => true,
            Characters::Visible => text.bytes().all(|byte| byte.is_ascii_graphic()),
            Characters::DeviceId => text.bytes().all(DeviceId::is_allowed),
        };
        if is_good {
            Ok(text)
        } else {
            Err(Malformed::OutOfRange)
        }
    }

    fn oem_id(&mut self) -> Result<Value<'b>, Malformed> {
        if self.major() != Some(BYTES) {
            return self.uint(&Range(0, u32::MAX.into())).map(Value::Uint);
        }
        let bytes = self.bytes()?;
        match bytes.len() {
            3 | 16 => Ok(Value::Bytes(bytes)),
            _ => Err(Malformed::WrongLength),
        }
    }

    /// Reads `null` if it stands here.
    fn null(&mut self) -> bool {
        match self.input.split_first() {
            Some((&NULL, rest)) => {
                self.input = rest;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn tag(&mut self) -> Result<u64, Malformed> {
        self.head(TAG)
    }

    /// Reads the head of an array of at most `max` elements.
    pub(crate) fn array(&mut self, max: usize) -> Result<usize, Malformed> {
        match usize::try_from(self.head(ARRAY)?) {
            Ok(len) if len <= max => Ok(len),
            _ => Err(Malformed::TooMany),
        }
    }

    /// Reads the head of an array of exactly `len` elements.
    fn tuple(&mut self, len: usize) -> Result<(), Malformed> {
        match self.array(usize::MAX)? {
            found if found == len => Ok(()),
            _ => Err(Malformed::WrongLength),
        }
    }

    pub(crate) fn map_head(&mut self) -> Result<MapKeys, Malformed> {
        Ok(MapKeys {
            remaining: self.head(MAP)?,
            last: None,
        })
    }

    /// The next key of a map, or `None` after the last; the caller reads its value.
    #[inline(never)]
    fn key(&mut self, keys: &mut MapKeys) -> Result<Option<i64>, Malformed> {
        if keys.remaining == 0 {
            return Ok(None);
        }
        keys.remaining -= 1;
        let key = self.int()?;
        match keys.last {
            Some(last) if last == key => return Err(Malformed::DuplicateKey),
            Some(last) if rank(last) > rank(key) => return Err(Malformed::UnsortedKeys),
            _ => keys.last = Some(key),
        }
        Ok(Some(key))
    }

    /// Goes to the value of this key, in the map that stands here. What is before it is not read;
    /// it is `None` if that is no CBOR, or the key is not there.
    pub(crate) fn seek(&mut self, wanted: i64) -> Option<()> {
        let mut keys = self.map_head().ok()?;
        while let Some(key) = self.key(&mut keys).ok()? {
            if key == wanted {
                return Some(());
            }
            // What is refused may be any CBOR, which a library knows.
            let mut decoder = minicbor::Decoder::new(self.input);
            decoder.skip().ok()?;
            self.input = self.input.get(decoder.position()..)?;
        }
        None
    }
}

/// Refuses a list in which two elements are about the same thing. Nothing can be remembered without
/// allocation, and the lists are short.
#[inline(never)]
fn distinct(items: &[u8], len: usize, list: &List) -> Result<(), Malformed> {
    let mut reader = Reader::new(items);
    for place in 0..len {
        let subject = reader.element(list)?;
        let mut earlier = Reader::new(items);
        for _ in 0..place {
            if compare(&earlier.element(list)?, &subject).is_eq() {
                return Err(Malformed::Repeated);
            }
        }
    }
    Ok(())
}

/// Whether no character is a control character: U+0000 to U+001F, U+007F to U+009F.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_ascii_control = bytes.iter().any(u8::is_ascii_control);
    // U+0080 to U+009F are two bytes in UTF-8.
    let is_control = |pair: &[u8]| matches!(pair, [0xc2, 0x80..=0x9f]);
    !is_ascii_control && !bytes.windows(2).any(is_control)
}

/// Bytewise order of the encoded key: all of 0.. before −1, −2, …
fn rank(key: i64) -> (bool, u64) {
    (key < 0, key.unsigned_abs())
}
