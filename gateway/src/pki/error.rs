//! Why the development PKI cannot do what it was asked.

use std::path::PathBuf;

/// Why the development PKI cannot do what it was asked, and what would help.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Something is there already.
    #[error("{} exists; keys are never overwritten: choose another folder or name", .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no PKI in the folder.
    #[error("{} holds no development PKI; make one with `fleetgrant pki init`", .0.display())]
    NotAPki(PathBuf),
    /// A file of the PKI holds something else.
    #[error("{} is not what `fleetgrant pki init` wrote: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why it is of no use.
        reason: String,
    },
    /// A file holds no key of the kind that is needed.
    #[error("{} is no P-256 {kind} in PEM", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Which kind.
        kind: &'static str,
    },
    /// A key set that no device would take.
    #[error("the key set cannot be signed: {0}")]
    KeySet(&'static str),
    /// A serial that could not be a file's name and part of a device id.
    #[error("{0:?} is no serial here: 1 to 48 of A-Z a-z 0-9 . _ -, the first no dot")]
    Serial(String),
    /// A name a certificate cannot bear.
    #[error("{0:?} is no DNS name or IP address")]
    ServerName(String),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}
