//! The authority's key.

use std::path::{Path, PathBuf};

use fleetgrant_core::domain::Timestamp;

use super::ConfigError;
use super::file::AuthoritySection;

/// The key grants and notices are signed with, and when it may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// PKCS#8 in PEM; must not be readable by others.
    pub key: PathBuf,
    /// A newer epoch outranks any generation of an older one.
    pub epoch: u32,
    /// First moment the key signs.
    pub not_before: Timestamp,
    /// The moment it signs no more; at most 366 days later.
    pub not_after: Timestamp,
    /// The key set that devices with an older one are sent, signed by a root.
    pub key_set: Option<PathBuf>,
}

impl Authority {
    /// A year, and the day a leap year has more.
    const LONGEST_SECONDS: u64 = 366 * 86_400;

    pub(super) fn parse(
        section: AuthoritySection,
        in_base: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, ConfigError> {
        let not_before = instant("authority.not_before", &section.not_before)?;
        let not_after = instant("authority.not_after", &section.not_after)?;
        let latest = not_before.plus_seconds(Self::LONGEST_SECONDS);
        if not_after <= not_before || not_after > latest {
            return Err(ConfigError::invalid(
                "authority.not_after",
                not_after,
                "after not_before, and no more than a year after: a leaked key dies with its epoch",
            ));
        }
        if section.epoch == 0 {
            return Err(ConfigError::invalid(
                "authority.epoch",
                0,
                "1 or more, and more than that of the key before it",
            ));
        }
        Ok(Self {
            key: in_base(&section.key),
            epoch: section.epoch,
            not_before,
            not_after,
            key_set: section.key_set.as_deref().map(in_base),
        })
    }
}

fn instant(key: &str, text: &str) -> Result<Timestamp, ConfigError> {
    text.parse::<jiff::Timestamp>()
        .map(|instant| Timestamp::from_micros(instant.as_microsecond()))
        .map_err(|_| {
            ConfigError::invalid(
                key,
                format!("{text:?}"),
                "an instant as RFC 3339 writes it, as 2026-01-31T00:00:00Z",
            )
        })
}
