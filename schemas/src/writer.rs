//! Writes deterministic CBOR into a caller's buffer, or only counts.

use core::convert::Infallible;

use minicbor::Encoder;
use minicbor::encode::{Error, Write};

/// Writes values in the shortest form; keys in order are the caller's part.
///
/// What does not fit is counted, not written, so that one pass tells the length.
#[derive(Debug)]
pub struct Writer<'a> {
    encoder: Encoder<Sink<'a>>,
}

#[derive(Debug)]
struct Sink<'a> {
    buffer: &'a mut [u8],
    position: usize,
}

impl Write for Sink<'_> {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        let end = self.position + bytes.len();
        if let Some(free) = self.buffer.get_mut(self.position..end) {
            free.copy_from_slice(bytes);
        }
        self.position = end;
        Ok(())
    }
}

impl<'a> Writer<'a> {
    /// Writes into `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            encoder: Encoder::new(Sink {
                buffer,
                position: 0,
            }),
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
    pub fn position(&self) -> usize {
        self.encoder.writer().position
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        let Ok(()) = self.encoder.writer_mut().write_all(bytes);
        self
    }

    pub(crate) fn uint(&mut self, value: u64) -> &mut Self {
        self.step(|e| e.u64(value))
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        self.step(|e| e.i64(value))
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.step(|e| e.str(value))
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.step(|e| e.bytes(value))
    }

    pub(crate) fn bytes_head(&mut self, len: usize) -> &mut Self {
        self.step(|e| e.bytes_len(len as u64))
    }

    pub(crate) fn text_head(&mut self, len: usize) -> &mut Self {
        self.step(|e| e.str_len(len as u64))
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.step(|e| e.null())
    }

    pub(crate) fn array(&mut self, len: usize) -> &mut Self {
        self.step(|e| e.array(len as u64))
    }

    pub(crate) fn map(&mut self, len: usize) -> &mut Self {
        self.step(|e| e.map(len as u64))
    }

    pub(crate) fn tag(&mut self, tag: u64) -> &mut Self {
        self.step(|e| e.tag(minicbor::data::Tag::new(tag)))
    }

    pub(crate) fn optional_uint(&mut self, key: i64, value: Option<u64>) {
        if let Some(value) = value {
            self.int(key).uint(value);
        }
    }

    /// The sink cannot fail, and the encoder fails for no other reason.
    fn step(
        &mut self,
        write: impl for<'e> FnOnce(
            &'e mut Encoder<Sink<'a>>,
        ) -> Result<&'e mut Encoder<Sink<'a>>, Error<Infallible>>,
    ) -> &mut Self {
        let written = write(&mut self.encoder);
        debug_assert!(written.is_ok(), "writing into memory cannot fail");
        self
    }
}
