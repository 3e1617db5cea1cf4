//! The decoder with one reading only.
//!
//! Every value is read by its type and nothing is skipped (but by [`Reader::seek`], in what was
//! refused already), so depth is bounded by the shape of the messages. Refused: trailing bytes, indefinite lengths, heads that are not the
//! shortest, map keys out of bytewise order or twice (RFC 8949 section 4.2.1).

use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode::Error;

use crate::malformed::Malformed;

/// Reads deterministic CBOR and nothing else.
#[derive(Clone, Debug)]
pub struct Reader<'b> {
    decoder: Decoder<'b>,
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
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self {
            decoder: Decoder::new(bytes),
        }
    }

    /// Reads one value that must be all there is.
    pub(crate) fn whole<T>(
        bytes: &'b [u8],
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let mut reader = Self::new(bytes);
        let value = read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        if self.decoder.position() == self.decoder.input().len() {
            Ok(())
        } else {
            Err(Malformed::TrailingBytes)
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.decoder.position()
    }

    /// The bytes read since `start`.
    pub(crate) fn since(&self, start: usize) -> &'b [u8] {
        self.decoder
            .input()
            .get(start..self.position())
            .unwrap_or_default()
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        let start = self.position();
        let value = self.decoder.u64().map_err(|e| self.reason(&e, start))?;
        self.shortest(start, value, 0)?;
        Ok(value)
    }

    pub(crate) fn up_to(&mut self, max: u64) -> Result<u64, Malformed> {
        let value = self.u64()?;
        if value <= max {
            Ok(value)
        } else {
            Err(Malformed::OutOfRange)
        }
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.u64()?).map_err(|_| Malformed::OutOfRange)
    }

    pub(crate) fn int(&mut self) -> Result<i64, Malformed> {
        let start = self.position();
        let value = self.decoder.i64().map_err(|e| self.reason(&e, start))?;
        let argument = if value < 0 { -1 - value } else { value };
        self.shortest(start, argument.unsigned_abs(), 0)?;
        Ok(value)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], Malformed> {
        let start = self.position();
        let value = self.decoder.bytes().map_err(|e| self.reason(&e, start))?;
        self.shortest(start, value.len() as u64, value.len())?;
        Ok(value)
    }

    pub(crate) fn bytes_within(&mut self, min: usize, max: usize) -> Result<&'b [u8], Malformed> {
        let value = self.bytes()?;
        within(value.len(), min, max)?;
        Ok(value)
    }

    pub(crate) fn array_of_bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes()?.try_into().map_err(|_| Malformed::WrongLength)
    }

    /// Reads text without control characters; lengths are bytes of UTF-8.
    pub(crate) fn text_within(&mut self, min: usize, max: usize) -> Result<&'b str, Malformed> {
        let start = self.position();
        let value = self
            .decoder
            .str()
            .map_err(|e| match self.reason(&e, start) {
                Malformed::WrongType if !e.is_type_mismatch() => Malformed::InvalidUtf8,
                reason => reason,
            })?;
        self.shortest(start, value.len() as u64, value.len())?;
        within(value.len(), min, max)?;
        if value.chars().any(char::is_control) {
            return Err(Malformed::ControlCharacter);
        }
        Ok(value)
    }

    /// Reads a name: up to `max` of the visible characters of ASCII.
    pub(crate) fn name(&mut self, max: usize) -> Result<&'b str, Malformed> {
        let value = self.text_within(1, max)?;
        if value.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(value)
        } else {
            Err(Malformed::OutOfRange)
        }
    }

    /// Reads `null` if it stands here.
    pub(crate) fn null(&mut self) -> bool {
        let is_null = matches!(self.decoder.datatype(), Ok(Type::Null));
        is_null && self.decoder.null().is_ok()
    }

    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self.decoder.datatype(), Ok(Type::Bytes))
    }

    pub(crate) fn tag(&mut self) -> Result<u64, Malformed> {
        let start = self.position();
        let value = self.decoder.tag().map_err(|e| self.reason(&e, start))?;
        self.shortest(start, value.as_u64(), 0)?;
        Ok(value.as_u64())
    }

    /// Reads the head of an array of at most `max` elements.
    pub(crate) fn array(&mut self, max: usize) -> Result<usize, Malformed> {
        let start = self.position();
        let len = self
            .decoder
            .array()
            .map_err(|e| self.reason(&e, start))?
            .ok_or(Malformed::Indefinite)?;
        self.shortest(start, len, 0)?;
        match usize::try_from(len) {
            Ok(len) if len <= max => Ok(len),
            _ => Err(Malformed::TooMany),
        }
    }

    /// Reads the head of an array of exactly `len` elements.
    pub(crate) fn tuple(&mut self, len: usize) -> Result<(), Malformed> {
        match self.array(usize::MAX)? {
            found if found == len => Ok(()),
            _ => Err(Malformed::WrongLength),
        }
    }

    pub(crate) fn map(&mut self) -> Result<MapKeys, Malformed> {
        let start = self.position();
        let remaining = self
            .decoder
            .map()
            .map_err(|e| self.reason(&e, start))?
            .ok_or(Malformed::Indefinite)?;
        self.shortest(start, remaining, 0)?;
        Ok(MapKeys {
            remaining,
            last: None,
        })
    }

    /// The next key of a map, or `None` after the last; the caller reads its value.
    pub(crate) fn key(&mut self, keys: &mut MapKeys) -> Result<Option<i64>, Malformed> {
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
        let mut keys = self.map().ok()?;
        while let Some(key) = self.key(&mut keys).ok()? {
            if key == wanted {
                return Some(());
            }
            self.decoder.skip().ok()?;
        }
        None
    }

    fn shortest(&self, start: usize, argument: u64, content: usize) -> Result<(), Malformed> {
        if self.position() - start - content == head_len(argument) {
            Ok(())
        } else {
            Err(Malformed::NotShortest)
        }
    }

    /// Names what the library's decoder refused: it stops at the first byte of the value.
    fn reason(&self, error: &Error, start: usize) -> Malformed {
        if error.is_end_of_input() {
            return Malformed::Truncated;
        }
        if matches!(
            self.decoder.input().get(start),
            Some(0x5f | 0x7f | 0x9f | 0xbf)
        ) {
            return Malformed::Indefinite;
        }
        Malformed::WrongType
    }
}

/// Bytewise order of the encoded key: all of 0.. before −1, −2, …
fn rank(key: i64) -> (bool, u64) {
    (key < 0, key.unsigned_abs())
}

fn within(len: usize, min: usize, max: usize) -> Result<(), Malformed> {
    if (min..=max).contains(&len) {
        Ok(())
    } else {
        Err(Malformed::WrongLength)
    }
}

/// Bytes of the shortest head with this argument (RFC 8949 section 3).
pub(crate) const fn head_len(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}
