//! An installation, and a device of its factory: the real agent on one side, the command line on the
//! other.

use fleetgrant::clock::Clock;
use fleetgrant::crypto::AuthorityKey;
use fleetgrant::identity::AdmissionMode;
use fleetgrant::pki::DeviceCredentials;
use fleetgrant::quickstart::{Installation, InstallationOptions, sample};
use fleetgrant::store::{SchemaPolicy, Store, StoreOptions};
use fleetgrant_agent::host::HostKeys;
use fleetgrant_agent::{Instant, Profile};
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::keys::{self, PublicKey, Role};
use fleetgrant_schemas::limits;
use fleetgrant_schemas::{OemId, Platform};
use serde_json::Value;

use crate::folder::Folder;

pub(crate) const START: Instant = Instant(0);

/// An installation whose sample has one device on its manifest.
pub(crate) struct Scene {
    pub(crate) folder: Folder,
    pub(crate) id: String,
    pub(crate) credentials: DeviceCredentials,
    authority: keys::AuthorityKey,
    installation: Installation,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::admitting(AdmissionMode::Manifest)
    }

    pub(crate) fn admitting(admission: AdmissionMode) -> Self {
        let folder = Folder::new();
        let now = Clock::system().now();
        let options = InstallationOptions {
            admission,
            ..InstallationOptions::default()
        };
        let installation = Installation::open_or_create(folder.path(), &options, now).unwrap();
        let store_options = StoreOptions {
            schema: SchemaPolicy::Migrate,
            ..StoreOptions::default()
        };
        let store = Store::open_at(&installation.config.database, store_options).unwrap();
        sample::import(&installation, &store, 0, 1, now).unwrap();
        let serial = sample::serial(0);
        let prefix = &installation.config.trust_anchors[0].id_prefix;
        Self {
            id: format!("{prefix}-{serial}"),
            credentials: installation.pki.issue_device(&serial, "mk2").unwrap(),
            authority: authority(&installation),
            installation,
            folder,
        }
    }

    /// A certificate for another device.
    pub(crate) fn issue(&self, serial: &str) -> DeviceCredentials {
        self.installation.pki.issue_device(serial, "mk2").unwrap()
    }

    pub(crate) fn keys(&self) -> HostKeys {
        let Self { credentials, .. } = self;
        HostKeys::from_pkcs8_der(credentials.key_der(), credentials.chain().to_vec()).unwrap()
    }

    pub(crate) fn profile(&self) -> Profile<'_> {
        Profile {
            device: DeviceId::new(&self.id).unwrap(),
            realm: "quickstart",
            platform: Platform {
                oem_id: Some(OemId::Pen(32_473)),
                ..Platform::default()
            },
            features: &sample::FEATURES,
            authority_keys: std::slice::from_ref(&self.authority),
            roots: &[],
            sw_built: None,
            min_key_set: 0,
            max_down: limits::MAX_DOWN as u16,
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["--output", "json"]].concat();
        serde_json::from_str(&self.folder.run(&args).done().out).unwrap()
    }
}

pub(crate) fn authority(installation: &Installation) -> keys::AuthorityKey {
    let authority = installation.config.authority().unwrap();
    let key = AuthorityKey::load(
        &authority.key,
        authority.epoch,
        authority.not_before,
        authority.not_after,
    )
    .unwrap();
    keys::AuthorityKey {
        key: PublicKey::from_sec1(key.public_key().as_bytes()).unwrap(),
        not_before: key.not_before().seconds(),
        not_after: key.not_after().seconds(),
        epoch: key.epoch(),
        role: Role::Grants,
    }
}
