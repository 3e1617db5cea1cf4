//! The key set that devices get: signed by an offline root, and only passed on here.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use fleetgrant_core::domain::Realm;
use fleetgrant_schemas::envelope::Envelope;
use fleetgrant_schemas::keys::{self, Role};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::MessageType;

use super::AuthorityKey;

/// Why a key set cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// The file cannot be read.
    #[error("cannot read the key set {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} is no key set as `fleetgrant pki keys` signs it: {reason}", path.display())]
    NotAKeySet {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is of another realm.
    #[error("the key set {} is of the realm {found:?}, not of {expected:?}", path.display())]
    OtherRealm {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it must be.
        expected: String,
    },
    /// Devices that take it would refuse what this gateway signs.
    #[error(
        "the key set {} does not hold the configured authority key as one for grants with epoch \
         {epoch}, so devices would refuse what it signs: sign a key set that has it",
        path.display()
    )]
    WithoutOurKey {
        /// The file.
        path: PathBuf,
        /// The epoch of the configured key.
        epoch: u32,
    },
}

/// A signed key set, as bytes that are passed on. Its root's signature is the devices' to check:
/// the gateway has no root, and what it cannot sign it need not be trusted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedKeySet {
    bytes: Bytes,
    generation: u32,
}

impl PublishedKeySet {
    /// Reads a key set that holds this key.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn load(path: &Path, realm: &Realm, key: &AuthorityKey) -> Result<Self, KeySetError> {
        let bytes = std::fs::read(path).map_err(|source| KeySetError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let broken = |reason: String| KeySetError::NotAKeySet {
            path: path.to_owned(),
            reason,
        };
        if bytes.len() > limits::MAX_DOWN {
            return Err(broken(format!(
                "it has more than {} bytes",
                limits::MAX_DOWN
            )));
        }
        let envelope = Envelope::parse(&bytes).map_err(|reason| broken(reason.to_string()))?;
        let verified = envelope
            .verify(|_, _| true)
            .map_err(|reason| broken(reason.to_string()))?;
        let set: keys::KeySet<'_> = verified
            .read()
            .map_err(|reason| broken(reason.to_string()))?;
        if set.realm != realm.as_str() {
            return Err(KeySetError::OtherRealm {
                path: path.to_owned(),
                found: set.realm.to_owned(),
                expected: realm.as_str().to_owned(),
            });
        }
        let is_ours = |known: &keys::AuthorityKey| {
            known.key.to_sec1() == *key.public_key().as_bytes()
                && known.epoch == key.epoch()
                && known.role == Role::Grants
                && known.not_before <= key.not_before().seconds()
                && known.not_after >= key.not_after().seconds()
        };
        if !set.keys.iter().any(|known| is_ours(&known)) {
            return Err(KeySetError::WithoutOurKey {
                path: path.to_owned(),
                epoch: key.epoch(),
            });
        }
        let generation = set.generation;
        Ok(Self {
            bytes: bytes.into(),
            generation,
        })
    }

    /// Its type on the wire.
    pub const MESSAGE: MessageType = MessageType::Keys;

    /// Its number.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether a device that holds this generation is to get it.
    #[must_use]
    pub const fn is_newer_than(&self, held: u32) -> bool {
        held < self.generation
    }

    /// Whether a device that reads so many bytes can read it.
    #[must_use]
    pub fn fits(&self, max_down: u16) -> bool {
        self.bytes.len() <= usize::from(max_down)
    }

    /// The signed message.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::domain::Timestamp;
    use fleetgrant_schemas::keys::PublicKey;

    use super::*;
    use crate::pki::{KeySetContent, NewAuthority, make_roots, sign_key_set};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn realm(name: &str) -> Realm {
        Realm::new(name).unwrap()
    }

    /// A folder with a key set of generation 4 for the authority's key as `change` makes it.
    fn made(change: impl FnOnce(&mut keys::AuthorityKey)) -> (tempfile::TempDir, AuthorityKey) {
        let folder = tempfile::tempdir().unwrap();
        let new = NewAuthority::create(folder.path(), 2, NOW).unwrap();
        let [root, _] = make_roots(folder.path()).unwrap();
        let mut known = keys::AuthorityKey {
            key: PublicKey::from_sec1(new.public_key.as_bytes()).unwrap(),
            not_before: new.not_before.seconds(),
            not_after: new.not_after.seconds(),
            epoch: 2,
            role: Role::Grants,
        };
        change(&mut known);
        let content = KeySetContent {
            realm: "acme",
            issued_at: NOW.seconds(),
            generation: 4,
            keys: &[known],
            retired: &[],
        };
        let signed = sign_key_set(&root.key, &content).unwrap();
        std::fs::write(folder.path().join("keys"), signed).unwrap();
        let key = AuthorityKey::load(&new.key, 2, new.not_before, new.not_after).unwrap();
        (folder, key)
    }

    #[test]
    fn a_device_with_an_older_set_gets_it_if_it_can_read_it() {
        let (folder, key) = made(|_| {});
        let set = PublishedKeySet::load(&folder.path().join("keys"), &realm("acme"), &key);
        let set = set.unwrap();
        assert_eq!(set.generation(), 4);
        assert!(set.is_newer_than(0) && set.is_newer_than(3));
        assert!(!set.is_newer_than(4) && !set.is_newer_than(5));
        assert!(set.fits(4_096) && set.fits(512) && !set.fits(100));
    }

    #[test]
    fn a_key_set_under_which_devices_refuse_our_key_is_refused() {
        let changes: [fn(&mut keys::AuthorityKey); 4] = [
            |known| known.epoch = 3,
            |known| known.role = Role::Notices,
            |known| known.not_before += 1,
            |known| known.not_after -= 1,
        ];
        for change in changes {
            let (folder, key) = made(change);
            let path = folder.path().join("keys");
            let refused = PublishedKeySet::load(&path, &realm("acme"), &key);
            let is_so = matches!(refused, Err(KeySetError::WithoutOurKey { .. }));
            assert!(is_so, "{refused:?}");
        }
    }

    #[test]
    fn what_is_of_another_realm_or_no_key_set_is_refused() {
        let (folder, key) = made(|_| {});
        let path = folder.path().join("keys");
        let refused = PublishedKeySet::load(&path, &realm("other"), &key);
        assert!(matches!(refused, Err(KeySetError::OtherRealm { .. })));
        let missing = PublishedKeySet::load(&folder.path().join("none"), &realm("acme"), &key);
        assert!(matches!(missing, Err(KeySetError::Unreadable { .. })));
        for bytes in [vec![], vec![0xd2; 40], vec![0; 5_000]] {
            std::fs::write(&path, bytes).unwrap();
            let refused = PublishedKeySet::load(&path, &realm("acme"), &key);
            assert!(matches!(refused, Err(KeySetError::NotAKeySet { .. })));
        }
    }
}
