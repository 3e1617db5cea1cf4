//! Reports that are made ahead of who will ask for them.

use std::time::Duration;

use super::ConfigError;
use super::file::ReportsSection;

/// Reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// How often those over all that was ever activated are made ahead; none: when they are asked for.
    pub ahead: Option<Duration>,
}

impl Reports {
    pub(super) fn parse(section: &ReportsSection) -> Result<Self, ConfigError> {
        let Some(ahead) = section.ahead else {
            return Ok(Self::default());
        };
        if !(Duration::from_secs(60)..=Duration::from_secs(86_400)).contains(&ahead.get()) {
            return Err(ConfigError::invalid("reports.ahead", ahead, "1m to 24h"));
        }
        Ok(Self {
            ahead: Some(ahead.get()),
        })
    }
}
