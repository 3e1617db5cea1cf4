//! Certificates and CRLs in files: PEM with any number of entries, or one entry in DER.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

/// Largest file that is read, in bytes: a CRL of a large fleet.
const MAX_FILE: u64 = 64 << 20;

/// What a file should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// X.509 certificates.
    Certificate,
    /// X.509 certificate revocation lists.
    Crl,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableFile {
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Too large.
    #[error("{} is larger than {MAX_FILE} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// PEM that cannot be read, or holds none of what it should.
    #[error("{} holds no {} in PEM or DER", path.display(), kind.label())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        kind: Kind,
    },
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Crl => "certificate revocation list",
        }
    }
}

/// Reads the entries of a file as DER, at least one. DER is told from PEM by its first byte and
/// is returned as it is, with whatever follows it.
///
/// # Errors
/// The file cannot be read, is too large, or is PEM without any entry of this kind.
pub fn read(path: &Path, kind: Kind) -> Result<Vec<Vec<u8>>, UnreadableFile> {
    let io = |source| UnreadableFile::Io {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(io)?.len() > MAX_FILE {
        return Err(UnreadableFile::TooLarge {
            path: path.to_owned(),
        });
    }
    let bytes = std::fs::read(path).map_err(io)?;
    // 0x30 is the tag of a SEQUENCE; as text it is the digit 0, which begins no PEM.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes]);
    }
    let entries: Result<Vec<_>, _> = match kind {
        Kind::Certificate => CertificateDer::pem_slice_iter(&bytes)
            .map(|entry| entry.map(|der| der.to_vec()))
            .collect(),
        Kind::Crl => CertificateRevocationListDer::pem_slice_iter(&bytes)
            .map(|entry| entry.map(|der| der.to_vec()))
            .collect(),
    };
    entries
        .ok()
        .filter(|entries| !entries.is_empty())
        .ok_or_else(|| UnreadableFile::Empty {
            path: path.to_owned(),
            kind,
        })
}
