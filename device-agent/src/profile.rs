//! What a device is built with.

use fleetgrant_schemas::Platform;
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey};
use fleetgrant_schemas::limits;

/// What the firmware tells the agent once: who the device is, whom it trusts, what it can do.
#[derive(Clone, Copy, Debug)]
pub struct Profile<'c> {
    /// The id that its certificate proves.
    pub device: DeviceId<'c>,
    /// The realm it was provisioned for, at most 64 bytes.
    pub realm: &'c str,
    /// What it says of itself. `sw_version` is what version ceilings are compared with; without
    /// it every right with a ceiling is refused. `boot_count` is filled in by the agent.
    pub platform: Platform<'c>,
    /// The features this firmware knows, at most 64; a right to any other is refused.
    pub features: &'c [&'c str],
    /// The authority's keys it was built with: key set 0.
    pub authority_keys: &'c [AuthorityKey],
    /// The authority's two offline roots, which sign key sets; none: it takes no key set.
    pub roots: &'c [PublicKey],
    /// A key set below this generation is refused.
    pub min_key_set: u32,
    /// The largest message it takes: 512 to 4,096 bytes.
    pub max_down: u16,
}

impl Profile<'_> {
    /// What is announced, whatever was configured.
    pub(crate) fn max_down(&self) -> u16 {
        self.max_down
            .clamp(limits::MIN_DOWN as u16, limits::MAX_DOWN as u16)
    }

    pub(crate) fn feature(&self, name: &str) -> Option<u8> {
        let known = self.features.iter().take(MAX_FEATURES);
        known
            .zip(0u8..)
            .find(|(known, _)| **known == name)
            .map(|(_, index)| index)
    }
}

/// Features are also bits of a `u64`.
pub(crate) const MAX_FEATURES: usize = 64;
