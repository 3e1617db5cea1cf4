//! The offline roots, and the key sets that they sign.

use std::path::{Path, PathBuf};

use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::id::KeyId;
use fleetgrant_schemas::keys::{AuthorityKey, KeySet, PublicKey};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::seq::Seq;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    LineEnding,
};

use super::error::PkiError;
use super::files::{self, Readable};
use crate::crypto::es256::Es256 as _;
use crate::crypto::{P256PublicKey, Ring};

/// A root that was made: its key, to be taken offline, and its public half, which devices pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoot {
    /// PKCS#8 in PEM.
    pub key: PathBuf,
    /// PEM.
    pub public: PathBuf,
    /// The key's id on the wire.
    pub kid: KeyId,
}

/// Makes the two roots of a realm in `folder`: `root-1` and `root-2`. Each can retire the other.
///
/// # Errors
/// A file exists already or cannot be written.
pub fn make_roots(folder: &Path) -> Result<[NewRoot; 2], PkiError> {
    files::make_folder(folder)?;
    Ok([make_root(folder, 1)?, make_root(folder, 2)?])
}

fn make_root(folder: &Path, number: u8) -> Result<NewRoot, PkiError> {
    let key = folder.join(format!("root-{number}.key"));
    let public = folder.join(format!("root-{number}.pub"));
    let damaged = |path: &Path| PkiError::Damaged {
        path: path.to_owned(),
        reason: "the key could not be encoded".to_owned(),
    };
    let secret = p256::SecretKey::generate();
    let secret_pem = secret
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|_| damaged(&key))?;
    let public_pem = secret
        .public_key()
        .to_public_key_pem(LineEnding::LF)
        .map_err(|_| damaged(&public))?;
    files::write_new(&key, &secret_pem, Readable::Owner)?;
    files::write_new(&public, &public_pem, Readable::All)?;
    let kid = P256PublicKey::from(secret.public_key())
        .thumbprint()
        .key_id();
    Ok(NewRoot { key, public, kid })
}

/// A public key from a PEM file.
///
/// # Errors
/// It cannot be read, or holds something else.
pub fn read_public_key(path: &Path) -> Result<PublicKey, PkiError> {
    let not_a_key = || PkiError::NotAKey {
        path: path.to_owned(),
        kind: "public key",
    };
    let pem = std::fs::read_to_string(path).map_err(|source| files::io("read", path, source))?;
    let key = p256::PublicKey::from_public_key_pem(&pem).map_err(|_| not_a_key())?;
    PublicKey::from_sec1(P256PublicKey::from(key).as_bytes()).ok_or_else(not_a_key)
}

/// What a key set says.
#[derive(Clone, Debug)]
pub struct KeySetContent<'a> {
    /// Whose keys.
    pub realm: &'a str,
    /// When, in seconds since 1970.
    pub issued_at: u64,
    /// Greater than that of every key set before.
    pub generation: u32,
    /// 1 to 8 keys.
    pub keys: &'a [AuthorityKey],
    /// Roots never to be trusted again.
    pub retired: &'a [KeyId],
}

/// Signs a key set with the root in this file; the signed message.
///
/// # Errors
/// The file holds no key, the root would retire itself, the content contradicts itself, or it is
/// too large.
pub fn sign_key_set(root: &Path, content: &KeySetContent<'_>) -> Result<Vec<u8>, PkiError> {
    let not_a_key = || PkiError::NotAKey {
        path: root.to_owned(),
        kind: "private key",
    };
    let pem = std::fs::read_to_string(root).map_err(|source| files::io("read", root, source))?;
    let secret = p256::SecretKey::from_pkcs8_pem(&pem).map_err(|_| not_a_key())?;
    let kid = P256PublicKey::from(secret.public_key())
        .thumbprint()
        .key_id();
    if content.retired.contains(&kid) {
        return Err(PkiError::KeySet("a root cannot retire itself"));
    }
    let set = KeySet {
        realm: content.realm,
        issued_at: content.issued_at,
        generation: content.generation,
        keys: Seq::new(content.keys),
        retired_roots: Seq::new(content.retired),
    };
    let mut buffer = vec![0; limits::MAX_DOWN];
    let draft = Draft::new(&mut buffer, &Signer::Key(kid), &set)
        .map_err(|_| PkiError::KeySet("it is larger than any device reads"))?;
    let mut to_sign = Vec::new();
    draft
        .to_sign()
        .for_each_part(|part| to_sign.extend_from_slice(part));
    let signature = Ring
        .signing_key(&secret)
        .map_err(|_| not_a_key())?
        .sign(&to_sign)
        .map_err(|_| PkiError::KeySet("the system's random number generator failed"))?;
    let signed = draft.finish(&signature).to_vec();
    // As devices will read it.
    let envelope = fleetgrant_schemas::envelope::Envelope::parse(&signed);
    let read = envelope
        .ok()
        .and_then(|envelope| envelope.verify(|_, _| true).ok())
        .is_some_and(|verified| verified.read::<KeySet<'_>>().is_ok());
    if read {
        Ok(signed)
    } else {
        Err(PkiError::KeySet(
            "no device would read it: keys and roots must each stand there once, at most 8 and 2, \
             and each key be valid for some time",
        ))
    }
}
