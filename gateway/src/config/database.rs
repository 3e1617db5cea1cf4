//! Which database.

use std::path::Path;

use super::ConfigError;
use crate::store::Location;

/// The database at `url`, its path relative to `base`; without one, the file in `data_dir`.
pub(super) fn parse(
    url: Option<&str>,
    base: &Path,
    data_dir: &Path,
) -> Result<Location, ConfigError> {
    let Some(url) = url else {
        return Ok(Location::Sqlite(data_dir.join("fleetgrant.db")));
    };
    match Location::parse(url) {
        Ok(Location::Sqlite(path)) => Ok(Location::Sqlite(base.join(path))),
        // What stands before the colon says what was meant; the rest may hold a password.
        Err(_) => Err(ConfigError::invalid(
            "database.url",
            format!("{}:…", url.split(':').next().unwrap_or_default()),
            "sqlite:PATH, as sqlite:fleetgrant.db",
        )),
    }
}
