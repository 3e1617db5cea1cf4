//! What a device on a host is told.

use std::sync::Arc;
use std::time::Duration;

use fleetgrant_schemas::id::{DeviceId, InvalidDeviceId};
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey};
use fleetgrant_schemas::{OemId, Platform, limits};

use super::keys::HostKeys;
use super::storage::AnyStorage;
use crate::profile::Profile;

/// Where the broker is, and how the device proves itself there.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Host name or address; its certificate must bear it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Mutual TLS with the device's certificate.
    pub tls: Arc<rustls::ClientConfig>,
    /// First levels of every topic.
    pub topic_prefix: String,
    /// How long the broker keeps what comes while the device is away; zero: not at all.
    pub session_expiry: Duration,
}

/// What a device says of itself.
#[derive(Clone, Debug, Default)]
pub struct OwnedPlatform {
    /// The maker's IANA private enterprise number.
    pub oem_id: Option<u32>,
    /// Model of the hardware, at most 32 bytes; told only with `oem_id`.
    pub hw_model: Option<Vec<u8>>,
    /// Name of the firmware, at most 32 bytes.
    pub sw_name: Option<String>,
    /// Version of the firmware, at most 32 bytes; told only with `sw_name`.
    pub sw_version: Option<String>,
    /// When the firmware was built, in seconds since 1970. It is told to nobody.
    pub sw_built: Option<u64>,
}

/// Everything a device on a host is told.
#[derive(Debug)]
pub struct DeviceConfig {
    /// The id that its certificate proves.
    pub device: String,
    /// The realm it belongs to.
    pub realm: String,
    /// The broker.
    pub broker: Broker,
    /// Its key and certificates.
    pub keys: HostKeys,
    /// Where its records are kept.
    pub storage: AnyStorage,
    /// The authority's keys.
    pub authority_keys: Vec<AuthorityKey>,
    /// The offline roots of key sets.
    pub roots: Vec<PublicKey>,
    /// The features it knows.
    pub features: Vec<String>,
    /// What it says of itself.
    pub platform: OwnedPlatform,
}

impl DeviceConfig {
    pub(super) fn id(&self) -> Result<DeviceId<'_>, InvalidDeviceId> {
        DeviceId::new(&self.device)
    }
}

impl OwnedPlatform {
    fn borrowed(&self) -> Platform<'_> {
        Platform {
            oem_id: self.oem_id.map(OemId::Pen),
            hw_model: self.oem_id.and(self.hw_model.as_deref()),
            boot_count: None,
            sw_name: self.sw_name.as_deref(),
            sw_version: self.sw_name.as_ref().and(self.sw_version.as_deref()),
        }
    }
}

/// A profile that borrows from what a device task owns.
pub(super) fn profile<'c>(
    device: DeviceId<'c>,
    config: &'c DeviceConfig,
    features: &'c [&'c str],
) -> Profile<'c> {
    Profile {
        device,
        realm: &config.realm,
        platform: config.platform.borrowed(),
        features,
        authority_keys: &config.authority_keys,
        roots: &config.roots,
        sw_built: config.platform.sw_built,
        min_key_set: 0,
        max_down: limits::MAX_DOWN as u16,
    }
}
