//! Which database.

use std::path::Path;

use super::ConfigError;
use crate::store::{Location, OpenError};

/// The database at `url`, its path relative to `base`; without one, the file in `data_dir`.
pub(super) fn parse(
    url: Option<&str>,
    base: &Path,
    data_dir: &Path,
) -> Result<Location, ConfigError> {
    let Some(url) = url else {
        return Ok(Location::Sqlite(data_dir.join("fleetgrant.db")));
    };
    Location::parse(url)
        .map(|location| location.below(base))
        // What stands before the colon says what was meant; the rest may hold a password.
        .map_err(|cause| {
            let wanted = match cause {
                OpenError::PostgresUrl(reason) => {
                    format!("a PostgreSQL URL that can be followed: {reason}")
                }
                _ => {
                    "sqlite:PATH, as sqlite:fleetgrant.db, or postgres://USER@HOST/NAME".to_owned()
                }
            };
            ConfigError::invalid(
                "database.url",
                format!("{}:…", url.split(':').next().unwrap_or_default()),
                wanted,
            )
        })
}
