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
    /// When the firmware was built, in seconds since 1970: what build ceilings are compared with;
    /// without it every right with one is refused. It is no secret, and is told to nobody.
    pub sw_built: Option<u64>,
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

/// What is wrong with a profile: messages made from it would be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidProfile {
    /// The realm has 1 to 64 bytes, without control characters.
    Realm,
    /// There are at most 64 features, each of 1 to 32 visible ASCII characters, none twice.
    Features,
    /// `hw_model`, `sw_name`, `sw_version` have 1 to 32 bytes; `hw_model` needs an `oem_id`,
    /// `sw_version` a `sw_name`.
    Platform,
    /// There are at most 8 roots.
    Roots,
}

impl core::fmt::Display for InvalidProfile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Realm => "the realm must have 1 to 64 bytes without control characters",
            Self::Features => {
                "features are at most 64 names of 1 to 32 visible characters, all different"
            }
            Self::Platform => "what the platform says is too long, or lacks what it belongs to",
            Self::Roots => "there are more than 8 roots",
        })
    }
}

impl core::error::Error for InvalidProfile {}

impl Profile<'_> {
    pub(crate) fn check(&self) -> Result<(), InvalidProfile> {
        if !is_text(self.realm, limits::MAX_REALM) {
            return Err(InvalidProfile::Realm);
        }
        let is_name = |name: &str| {
            (1..=limits::MAX_FEATURE).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        for (place, name) in self.features.iter().enumerate() {
            let is_repeated = self.features.iter().take(place).any(|other| other == name);
            if place >= MAX_FEATURES || is_repeated || !is_name(name) {
                return Err(InvalidProfile::Features);
            }
        }
        let platform = &self.platform;
        let fits = |text: Option<&str>| text.is_none_or(|text| is_text(text, limits::MAX_SOFTWARE));
        let model_fits = platform.hw_model.is_none_or(|model| {
            (1..=limits::MAX_HWMODEL).contains(&model.len()) && platform.oem_id.is_some()
        });
        let version_fits = platform.sw_version.is_none() || platform.sw_name.is_some();
        if !(model_fits && version_fits && fits(platform.sw_name) && fits(platform.sw_version)) {
            return Err(InvalidProfile::Platform);
        }
        if self.roots.len() > MAX_ROOTS {
            return Err(InvalidProfile::Roots);
        }
        Ok(())
    }

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

fn is_text(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && fleetgrant_schemas::is_printable(text)
}

/// Features are also bits of a `u64`.
pub(crate) const MAX_FEATURES: usize = 64;
/// Roots are also bits of a byte.
pub(crate) const MAX_ROOTS: usize = 8;
