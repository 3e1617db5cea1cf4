//! Files that are written once, and keys that only their owner reads.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use data_encoding::BASE64;

use super::error::PkiError;

/// Who may read a file.
#[derive(Clone, Copy)]
pub(super) enum Readable {
    /// Its owner.
    Owner,
    /// Everyone.
    All,
}

/// Writes a file that must not exist yet.
pub(super) fn write_new(path: &Path, text: &str, readable: Readable) -> Result<(), PkiError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(
        &mut options,
        match readable {
            Readable::Owner => 0o600,
            Readable::All => 0o644,
        },
    );
    let mut file = options.open(path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => PkiError::Exists(path.to_owned()),
        _ => io("create", path, source),
    })?;
    file.write_all(text.as_bytes())
        .map_err(|source| io("write", path, source))
}

/// Makes a folder that only its owner enters, and those above it; it may exist.
pub(super) fn make_folder(path: &Path) -> Result<(), PkiError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|source| io("create the folder", path, source))
}

/// A certificate in PEM (RFC 7468).
pub(super) fn certificate_pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// Reads a file of the PKI.
pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    std::fs::read_to_string(path).map_err(|source| io("read", path, source))
}

pub(super) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> PkiError {
    PkiError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}
