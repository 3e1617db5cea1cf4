//! Which database.

use std::fs;
use std::path::Path;

use super::ConfigError;
use super::file::DatabaseSection;
use crate::store::{Location, OpenError};

/// The database at the URL, or at that which stands in a file, its paths relative to `base`;
/// without either, the file in `data_dir`.
pub(super) fn parse(
    section: DatabaseSection,
    base: &Path,
    data_dir: &Path,
) -> Result<Location, ConfigError> {
    match (section.url, section.url_file) {
        (None, None) => Ok(Location::Sqlite(data_dir.join("fleetgrant.db"))),
        (Some(url), None) => at("database.url", &url, base),
        (None, Some(file)) => {
            let path = base.join(file);
            let url = fs::read_to_string(&path)
                .map_err(|cause| ConfigError::Unreadable { path, cause })?;
            at("database.url_file", url.trim(), base)
        }
        (Some(_), Some(file)) => Err(ConfigError::invalid(
            "database.url_file",
            file.display(),
            "left out where database.url is set",
        )),
    }
}

fn at(key: &str, url: &str, base: &Path) -> Result<Location, ConfigError> {
    let located = Location::parse(url).map(|location| location.below(base));
    located.map_err(|cause| {
        let wanted = match cause {
            OpenError::PostgresUrl(reason) => {
                format!("a PostgreSQL URL that can be followed: {reason}")
            }
            _ => "sqlite:PATH, as sqlite:fleetgrant.db, or postgres://USER@HOST/NAME".to_owned(),
        };
        // What stands before the colon says what was meant; the rest may hold a password.
        let meant = url.split(':').next().unwrap_or_default();
        ConfigError::invalid(key, format!("{meant}:…"), wanted)
    })
}
