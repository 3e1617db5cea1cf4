//! Where every chain ended at an instant, signed by the authority.
//!
//! A checkpoint is text, an object of JSON a line: the realm and the instant, then a line for each
//! stream with the number and the hash of its last event, then the signature. It is ES256 (RFC 9053,
//! r‖s) over `fleetgrant-history-checkpoint-v1`, a line feed, and the SHA-256 of all lines before it,
//! in hex. No message for devices begins so: those begin with the array of a Sig_structure.

use std::io::{self, BufRead, Read as _, Write};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use fleetgrant_core::domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::verify::{self, VerifyError, Whole};
use crate::crypto::{AuthorityKey, Es256 as _, P256PublicKey, Ring, SigningFailed};
use crate::store::event::{self, Chain};
use crate::store::{Db, Store, StoreError};

/// What the first line says it is.
const FORM: &str = "fleetgrant-history-checkpoint-v1";
/// Bytes of a line, at most; a stream's name has 80.
const LONGEST_LINE: u64 = 1_024;
/// Streams that are looked up at once.
const AT_ONCE: usize = 500;

/// Why there is no checkpoint, or it does not hold.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The history is broken already, or could not be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The signature could not be made.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The authority's key is not to be used now.
    #[error("the authority's key may not sign at {0}: it has expired, or is not yet valid")]
    NotValid(Timestamp),
    /// The file is something else, or a part of one.
    #[error("line {line} is none of a checkpoint: {reason}")]
    Malformed {
        /// From 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Somebody else signed it, or it was changed.
    #[error("the signature is not by {0}, or the file was changed")]
    Forged(String),
    /// The history does not have what it had then.
    #[error(
        "{stream}: event {seq} is not what it was when the checkpoint was made; the history was cut \
         off or written anew"
    )]
    Rewritten {
        /// Of which stream.
        stream: String,
        /// Its number.
        seq: i64,
    },
}

impl From<StoreError> for CheckpointError {
    fn from(error: StoreError) -> Self {
        Self::Verify(error.into())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heading {
    form: String,
    realm: String,
    at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    stream: String,
    seq: i64,
    hash: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    streams: u64,
    /// The key's thumbprint (RFC 9679).
    key: String,
    signature: String,
}

/// Checks every chain and writes where each ends. A broken history gets no signature.
///
/// # Errors
/// See [`CheckpointError`]; what was written until then has no last line, and is none.
pub fn write(
    store: &Store,
    key: &AuthorityKey,
    realm: &str,
    now: Timestamp,
    out: impl Write,
) -> Result<Whole, CheckpointError> {
    if !key.may_sign_at(now) {
        return Err(CheckpointError::NotValid(now));
    }
    let mut out = Digested {
        out,
        digest: Sha256::new(),
    };
    out.line(&Heading {
        form: FORM.to_owned(),
        realm: realm.to_owned(),
        at: now.to_string(),
    })?;
    let whole = verify::chains(store, |chain: &Chain| {
        out.line(&Head {
            stream: chain.stream.clone(),
            seq: chain.seq,
            hash: HEXLOWER.encode(&chain.hash),
        })
        .map_err(CheckpointError::from)
    })?;
    let signature = key.sign(&signed(out.digest.clone()))?;
    out.line(&Seal {
        streams: whole.streams,
        key: key.thumbprint().to_string(),
        signature: BASE64URL_NOPAD.encode(&signature),
    })?;
    out.out.flush()?;
    Ok(whole)
}

/// Checks who signed a checkpoint, and that the history still has what it tells of; how many streams
/// that is. Reads it twice, a line at a time.
///
/// # Errors
/// See [`CheckpointError`].
pub fn hold(
    store: &Store,
    key: &P256PublicKey,
    mut open: impl FnMut() -> io::Result<Box<dyn BufRead>>,
) -> Result<u64, CheckpointError> {
    let streams = genuine(key, open()?)?;
    let mut lines = Lines::new(open()?);
    lines.next::<Heading>()?;
    let mut left = streams;
    while left > 0 {
        let mut heads = Vec::with_capacity(AT_ONCE);
        while left > 0 && heads.len() < AT_ONCE {
            heads.push(lines.next::<Head>()?);
            left -= 1;
        }
        let missed = store.read_blocking("checkpoint", move |db| first_missed(db, heads))?;
        if let Some(Head { stream, seq, .. }) = missed {
            return Err(CheckpointError::Rewritten { stream, seq });
        }
    }
    Ok(streams)
}

fn first_missed(db: &mut Db, heads: Vec<Head>) -> Result<Option<Head>, StoreError> {
    for head in heads {
        let hash = event::hash_at(db, &head.stream, head.seq)?;
        if hash.is_none_or(|hash| HEXLOWER.encode(&hash) != head.hash) {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// How many streams a checkpoint that the key signed tells of.
fn genuine(key: &P256PublicKey, file: Box<dyn BufRead>) -> Result<u64, CheckpointError> {
    let mut lines = Lines::new(file);
    let heading: Heading = lines.next()?;
    if heading.form != FORM {
        let reason = format!("it is {:?}, not {FORM:?}", heading.form);
        return Err(lines.malformed(reason));
    }
    let mut digest = lines.digest.clone();
    let mut streams = 0;
    let seal: Seal = loop {
        let line = lines.line()?;
        if let Ok(seal) = serde_json::from_str(&line) {
            break seal;
        }
        lines.parsed::<Head>(&line)?;
        streams += 1;
        digest.clone_from(&lines.digest);
    };
    if !lines.is_at_end()? {
        return Err(lines.malformed("lines follow the signature".to_owned()));
    }
    if seal.streams != streams {
        return Err(lines.malformed(format!("{streams} streams are not {}", seal.streams)));
    }
    let thumbprint = key.thumbprint().to_string();
    let forged = || CheckpointError::Forged(thumbprint.clone());
    let signature = BASE64URL_NOPAD.decode(seal.signature.as_bytes());
    let signature = signature.map_err(|_| forged())?;
    Ring.verify(key, &signed(digest), &signature)
        .map_err(|_| forged())?;
    Ok(streams)
}

/// What is signed.
fn signed(digest: Sha256) -> Vec<u8> {
    format!("{FORM}\n{}", HEXLOWER.encode(&digest.finalize())).into_bytes()
}

struct Digested<W> {
    out: W,
    digest: Sha256,
}

impl<W: Write> Digested<W> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.out.write_all(&text)
    }
}

/// The lines of a checkpoint, and the digest of those that were read.
struct Lines {
    file: Box<dyn BufRead>,
    digest: Sha256,
    number: u64,
}

impl Lines {
    fn new(file: Box<dyn BufRead>) -> Self {
        Self {
            file,
            digest: Sha256::new(),
            number: 0,
        }
    }

    fn next<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, CheckpointError> {
        let line = self.line()?;
        self.parsed(&line)
    }

    fn line(&mut self) -> Result<String, CheckpointError> {
        self.number += 1;
        let mut line = String::new();
        let read = self.file.by_ref().take(LONGEST_LINE).read_line(&mut line);
        match read {
            Ok(_) if line.ends_with('\n') => {
                self.digest.update(&line);
                Ok(line)
            }
            Ok(_) => Err(self.malformed("it ends too early, or is too long".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(self.malformed("it is no text".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn parsed<T: serde::de::DeserializeOwned>(&self, line: &str) -> Result<T, CheckpointError> {
        serde_json::from_str(line).map_err(|error| self.malformed(error.to_string()))
    }

    fn is_at_end(&mut self) -> Result<bool, CheckpointError> {
        Ok(self.file.fill_buf()?.is_empty())
    }

    fn malformed(&self, reason: String) -> CheckpointError {
        CheckpointError::Malformed {
            line: self.number,
            reason,
        }
    }
}
