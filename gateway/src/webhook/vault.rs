//! The secrets of webhooks as the database keeps them: sealed, with a key that stands in a file.
//!
//! What is kept is the id of that key, a nonce, and the secret under AES-256-GCM (NIST SP 800-38D),
//! bound to its webhook: whoever reads the database, or a copy of it, can sign nothing, and a secret
//! that is moved to another webhook is none.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use data_encoding::HEXLOWER;
use fleetgrant_core::domain::WebhookId;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use super::Secret;
use super::secret::LENGTH;

/// Bytes of the key's id.
const ID: usize = 4;
/// Bytes of the tag that tells what was changed.
const TAG: usize = 16;
/// Bytes of a sealed secret.
const SEALED: usize = ID + NONCE_LEN + LENGTH + TAG;
/// Bytes of the key.
const KEY: usize = 32;
/// What the seal is bound to besides the webhook.
const PURPOSE: &[u8] = b"fleetgrant webhook secret 1";

/// Seals and opens secrets, with the key of a file that is made when it is first needed. Cheap to
/// clone.
#[derive(Clone)]
pub struct Vault {
    path: PathBuf,
    key: Arc<OnceLock<Key>>,
}

struct Key {
    id: [u8; ID],
    key: LessSafeKey,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file cannot be read or made.
    #[error("the key of webhooks' secrets {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Others could have read the key.
    #[error(
        "others can read {path}, the key of webhooks' secrets (mode {mode:03o}): `chmod 600 {path}`"
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file has something else in it.
    #[error("{0} holds no key of webhooks' secrets: 64 hexadecimal digits")]
    Malformed(PathBuf),
    /// The file is not there, and was.
    #[error(
        "the secret is sealed with the key {id}, and {path} is not there: bring it back, or copy it from \
         the gateway that made it; if it is lost, rotate the webhook"
    )]
    Missing {
        /// The key it is sealed with.
        id: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// The file holds another key.
    #[error(
        "the secret is sealed with the key {id}, and {path} holds {own}: bring the other back, or rotate \
         the webhook"
    )]
    Other {
        /// The key it is sealed with.
        id: String,
        /// The key that is there.
        own: String,
        /// Where that is.
        path: PathBuf,
    },
    /// It is not what was sealed.
    #[error("the secret was changed since it was sealed: rotate the webhook")]
    Forged,
}

/// Whether what the database keeps is sealed.
pub(super) const fn is_sealed(kept: &[u8]) -> bool {
    kept.len() == SEALED
}

impl Vault {
    /// With the key of this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            key: Arc::default(),
        }
    }

    /// What is to be kept of a secret. The key is made if there is none.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn seal(&self, webhook: WebhookId, secret: &Secret) -> Result<Vec<u8>, VaultError> {
        if self.find()?.is_none() {
            make(&self.path).map_err(|source| self.file(source))?;
        }
        let gone = || self.file(ErrorKind::NotFound.into());
        let key = self.find()?.ok_or_else(gone)?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = secret.bytes().to_vec();
        let context = context(webhook);
        let aad = Aad::from(context.as_slice());
        key.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| VaultError::Forged)?;
        Ok([&key.id[..], &nonce, &sealed].concat())
    }

    /// The secret that is kept so; one from before they were sealed is as it is.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn open(&self, webhook: WebhookId, kept: &[u8]) -> Result<Secret, VaultError> {
        if !is_sealed(kept) {
            return Ok(Secret::of(kept.to_vec()));
        }
        let (id, rest) = kept.split_at(ID);
        let (nonce, sealed) = rest.split_at(NONCE_LEN);
        let Some(key) = self.find()? else {
            return Err(VaultError::Missing {
                id: HEXLOWER.encode(id),
                path: self.path.clone(),
            });
        };
        if key.id != id {
            return Err(VaultError::Other {
                id: HEXLOWER.encode(id),
                own: HEXLOWER.encode(&key.id),
                path: self.path.clone(),
            });
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Forged)?;
        let mut opened = sealed.to_vec();
        let context = context(webhook);
        let aad = Aad::from(context.as_slice());
        let opened = key.key.open_in_place(nonce, aad, &mut opened);
        opened
            .map(|secret| Secret::of(secret.to_vec()))
            .map_err(|_| VaultError::Forged)
    }

    /// Whether the key is there, and its id if it is.
    ///
    /// # Errors
    /// It is of no use.
    pub fn key_id(&self) -> Result<Option<String>, VaultError> {
        Ok(self.find()?.map(|key| HEXLOWER.encode(&key.id)))
    }

    fn find(&self) -> Result<Option<&Key>, VaultError> {
        if let Some(key) = self.key.get() {
            return Ok(Some(key));
        }
        let Some(key) = self.read()? else {
            return Ok(None);
        };
        Ok(Some(self.key.get_or_init(|| key)))
    }

    fn read(&self) -> Result<Option<Key>, VaultError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.file(source)),
        };
        let metadata = file.metadata().map_err(|source| self.file(source))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = self.path.clone();
            return Err(VaultError::Open { path, mode });
        }
        let mut text = Vec::new();
        // A digit more than fits says that it is something else.
        file.take(2 * KEY as u64 + 2)
            .read_to_end(&mut text)
            .map_err(|source| self.file(source))?;
        let bytes = HEXLOWER.decode(text.trim_ascii()).ok();
        let key = bytes.and_then(|bytes| {
            let key = UnboundKey::new(&AES_256_GCM, &bytes).ok()?;
            let digest: [u8; 32] = Sha256::digest([PURPOSE, &bytes].concat()).into();
            Some(Key {
                id: std::array::from_fn(|index| digest[index]),
                key: LessSafeKey::new(key),
            })
        });
        let malformed = || VaultError::Malformed(self.path.clone());
        key.ok_or_else(malformed).map(Some)
    }

    fn file(&self, source: io::Error) -> VaultError {
        VaultError::File {
            path: self.path.clone(),
            source,
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.path).finish()
    }
}

fn context(webhook: WebhookId) -> Vec<u8> {
    [PURPOSE, &webhook.0].concat()
}

/// Makes a key. Whoever else makes one at the same time has either this one or that one, whole.
fn make(path: &Path) -> io::Result<()> {
    let key: [u8; KEY] = rand::random();
    let unlike: [u8; 8] = rand::random();
    let beside = path.with_extension(format!("new-{}", HEXLOWER.encode(&unlike)));
    let made = write(&beside, &format!("{}\n", HEXLOWER.encode(&key)))
        .and_then(|()| fs::hard_link(&beside, path));
    let removed = fs::remove_file(&beside);
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made?,
    }
    removed?;
    // So that the name is there after a power cut.
    let folder = path.parent().filter(|folder| folder.as_os_str() != "");
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ONE: WebhookId = WebhookId([1; 16]);
    const OTHER: WebhookId = WebhookId([2; 16]);

    fn vault(folder: &Path) -> Vault {
        Vault::new(folder.join("webhooks.key"))
    }

    #[test]
    fn what_is_sealed_is_opened_with_the_key_of_the_file_and_for_its_webhook_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = vault(folder.path());
        assert_eq!(first.key_id().unwrap(), None);
        let secret = Secret::random();
        let sealed = first.seal(ONE, &secret).unwrap();
        assert!(is_sealed(&sealed) && sealed.len() == 64);
        let holds = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
        assert!(!holds(&secret.bytes()[..8]));
        assert_ne!(first.seal(ONE, &secret).unwrap(), sealed);
        let mode = fs::metadata(folder.path().join("webhooks.key")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // Another process reads the same file.
        let second = vault(folder.path());
        assert_eq!(second.open(ONE, &sealed).unwrap(), secret);
        assert_eq!(second.key_id().unwrap(), first.key_id().unwrap());
        assert!(matches!(
            second.open(OTHER, &sealed),
            Err(VaultError::Forged)
        ));
        for at in [ID, ID + NONCE_LEN, SEALED - 1] {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert!(matches!(second.open(ONE, &forged), Err(VaultError::Forged)));
        }
        // From before they were sealed.
        assert_eq!(second.open(ONE, secret.bytes()).unwrap(), secret);
    }

    #[test]
    fn a_key_that_is_lost_open_or_another_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhooks.key");
        let sealed = vault(folder.path()).seal(ONE, &Secret::random()).unwrap();
        let told = || {
            vault(folder.path())
                .open(ONE, &sealed)
                .unwrap_err()
                .to_string()
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(told().contains("mode 640"), "{}", told());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "no key", &"0".repeat(66)] {
            fs::write(&path, text).unwrap();
            assert!(told().contains("holds no key"), "{text}: {}", told());
        }
        fs::write(&path, "0".repeat(64)).unwrap();
        assert!(told().contains("rotate the webhook"), "{}", told());
        fs::remove_file(&path).unwrap();
        assert!(told().contains("is not there"), "{}", told());
        assert!(!path.exists(), "opening makes no key");
    }

    #[test]
    fn of_many_that_make_a_key_at_once_all_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let ids = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let vault = vault(folder.path());
                        vault.seal(ONE, &Secret::random()).unwrap();
                        vault.key_id().unwrap().unwrap()
                    })
                })
                .collect();
            let ids = makers.into_iter().map(|maker| maker.join().unwrap());
            ids.collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(ids.len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
