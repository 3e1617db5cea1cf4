//! A NOR flash that outlives the power: an image on the host, written word by word. The power can
//! be made to fail at a chosen word or erasure, which then is done by half.

use core::fmt;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};
use semihosting::fs::{File, OpenOptions};
use semihosting::io::{Read as _, Seek as _, SeekFrom, Write as _};
use semihosting::process;

/// The smallest part that can be erased.
pub const PAGE: usize = 4_096;
/// The whole flash: a page of the factory's, the rest for records.
pub const CAPACITY: usize = 16 * PAGE;
/// How the firmware ends when the power fails.
pub const POWER_LOST: i32 = 3;

const WORD: usize = 4;
const ERASED: [u8; 64] = [0xff; 64];

/// The image `flash.bin` in the folder in which QEMU runs.
pub struct ImageFlash {
    file: File,
    /// Words and erasures until the power fails.
    until_cut: Option<u32>,
}

/// The image cannot be reached, or what was asked is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageError(pub NorFlashErrorKind);

impl NorFlashError for ImageError {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

impl fmt::Debug for ImageFlash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImageFlash")
    }
}

const FAILED: ImageError = ImageError(NorFlashErrorKind::Other);

impl ImageFlash {
    /// Opens the image. With `until_cut` the power fails at that word or erasure, counted from 0.
    ///
    /// # Errors
    /// There is no image.
    pub fn open(until_cut: Option<u32>) -> Result<Self, ImageError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = options.open(c"flash.bin").map_err(|_| FAILED)?;
        Ok(Self { file, until_cut })
    }

    fn seek(&mut self, offset: u32) -> Result<(), ImageError> {
        let there = self.file.seek(SeekFrom::Start(offset.into()));
        there.map(|_| ()).map_err(|_| FAILED)
    }

    fn put(&mut self, offset: u32, bytes: &[u8]) -> Result<(), ImageError> {
        self.seek(offset)?;
        self.file.write_all(bytes).map_err(|_| FAILED)
    }

    /// Whether the power fails now.
    fn is_cut(&mut self) -> bool {
        match &mut self.until_cut {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn write_word(&mut self, offset: u32, word: &[u8]) -> Result<(), ImageError> {
        let mut there = [0; WORD];
        self.read(offset, &mut there)?;
        // Programming clears bits; only an erasure sets them.
        for (byte, written) in there.iter_mut().zip(word) {
            *byte &= written;
        }
        if self.is_cut() {
            let [a, b, ..] = there;
            self.put(offset, &[a, b])?;
            process::exit(POWER_LOST);
        }
        self.put(offset, &there)
    }
}

impl ErrorType for ImageFlash {
    type Error = ImageError;
}

impl ReadNorFlash for ImageFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ImageError> {
        check_read(self, offset, bytes.len()).map_err(ImageError)?;
        self.seek(offset)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.read(rest) {
                Ok(0) | Err(_) => return Err(FAILED),
                Ok(len) => rest = rest.get_mut(len..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for ImageFlash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), ImageError> {
        check_erase(self, from, to).map_err(ImageError)?;
        for page in (from..to).step_by(PAGE) {
            let is_cut = self.is_cut();
            let end = if is_cut {
                page + PAGE as u32 / 2
            } else {
                page + PAGE as u32
            };
            for offset in (page..end).step_by(ERASED.len()) {
                self.put(offset, &ERASED)?;
            }
            if is_cut {
                process::exit(POWER_LOST);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), ImageError> {
        check_write(self, offset, bytes.len()).map_err(ImageError)?;
        for (offset, word) in (offset..).step_by(WORD).zip(bytes.chunks(WORD)) {
            self.write_word(offset, word)?;
        }
        Ok(())
    }
}
