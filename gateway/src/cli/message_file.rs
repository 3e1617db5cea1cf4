//! Messages in files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::anyhow;
use fleetgrant_schemas::limits;

use super::{Failure, OrUnavailable};

/// Larger files are no messages; vectors and dumps fit in.
const LARGEST_FILE: u64 = 64 * 1024;

/// The message that a file holds, as bytes or in hex; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let reading = || format!("cannot read {}", path.display());
    let source: &mut dyn Read = if path.as_os_str() == "-" {
        &mut io::stdin().lock()
    } else {
        &mut File::open(path).or_unavailable(reading)?
    };
    source
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .or_unavailable(reading)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Failure::refused(anyhow!(
            "{} has more than {LARGEST_FILE} bytes; a message has at most {}",
            path.display(),
            limits::MAX_UP
        )));
    }
    Ok(from_hex(&bytes).unwrap_or(bytes))
}

/// The bytes that a file writes in hex, if it does: no message begins with two hex digits, since
/// its first byte is the head of tag 18.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .copied()
        .collect();
    if digits.is_empty() {
        return None;
    }
    data_encoding::HEXLOWER_PERMISSIVE.decode(&digits).ok()
}

#[cfg(test)]
mod tests {
    use super::from_hex;

    #[test]
    fn hex_is_read_as_what_it_stands_for() {
        assert_eq!(from_hex(b"d2 84\n40"), Some(vec![0xd2, 0x84, 0x40]));
        assert_eq!(from_hex(&[0xd2, 0x84]), None);
    }
}
