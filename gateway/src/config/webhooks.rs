//! Webhooks: how patient the gateway is with their endpoints, and where those may be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetgrant_core::webhook::Patience;

use super::ConfigError;
use super::file::WebhooksSection;
use crate::outgoing::Reach;

/// Webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhooks {
    /// When messages are sent again, and when an endpoint is disabled.
    pub patience: Patience,
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
    /// How long messages are kept that were delivered or given up.
    pub keep: Duration,
    /// Where endpoints may be.
    pub reach: Reach,
    /// The roots that their certificates chain to; none: the system's.
    pub roots: Option<PathBuf>,
    /// The file with the key that their secrets are sealed with.
    pub sealing_key: PathBuf,
}

/// As where the configuration says nothing.
impl Default for Webhooks {
    fn default() -> Self {
        Self::parse(WebhooksSection::default(), Path::to_path_buf, Path::new(""))
            .expect("the defaults are what is allowed")
    }
}

impl Webhooks {
    pub(super) fn parse(
        section: WebhooksSection,
        in_base: impl Fn(&Path) -> PathBuf,
        data_dir: &Path,
    ) -> Result<Self, ConfigError> {
        let pauses = section.backoff.iter().map(|wait| wait.get().as_secs());
        let pauses: Vec<u64> = pauses.collect();
        if !(1..=32).contains(&pauses.len()) || pauses.contains(&0) {
            return Err(ConfigError::invalid(
                "webhooks.backoff",
                format!("{} waits", pauses.len()),
                "1 to 32 waits of a second or more, as [\"5s\", \"5m\", \"30m\"]",
            ));
        }
        let timeout = section.timeout.get();
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&timeout) {
            return Err(ConfigError::invalid(
                "webhooks.timeout",
                section.timeout,
                "1s to 60s",
            ));
        }
        let at_least_an_hour = |key: &str, interval: super::interval::Interval| {
            if interval.get() < Duration::from_secs(3_600) {
                Err(ConfigError::invalid(key, interval, "an hour at least"))
            } else {
                Ok(interval.get())
            }
        };
        let networks = section.allow_networks.iter().map(|text| {
            text.parse().map_err(|_| {
                ConfigError::invalid(
                    "webhooks.allow_networks",
                    format!("{text:?}"),
                    "networks, as [\"10.1.0.0/16\", \"fd00:1::/64\"]",
                )
            })
        });
        Ok(Self {
            patience: Patience {
                pauses,
                disable_after: at_least_an_hour("webhooks.disable_after", section.disable_after)?
                    .as_secs(),
            },
            timeout,
            keep: at_least_an_hour("webhooks.keep", section.keep)?,
            reach: Reach {
                plain: section.allow_http,
                networks: networks.collect::<Result<_, _>>()?,
            },
            roots: section.roots.as_deref().map(&in_base),
            sealing_key: match &section.sealing_key {
                Some(path) => in_base(path),
                None => data_dir.join("webhooks.key"),
            },
        })
    }
}
