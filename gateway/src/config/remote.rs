//! Another gateway, which the command line asks over HTTP.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::{ConfigError, Overrides, source};

/// Where the command line works that is told of another gateway, as the configuration says. Nothing
/// else of an installation is needed for that, not even its name.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The address of its API, without `/api`.
    pub server: Option<String>,
    /// The roots that its certificate chains to; none: those of the system.
    pub ca: Option<PathBuf>,
    /// The file with the key to ask with.
    pub key_file: Option<PathBuf>,
    /// The zone in which dates are read.
    pub time_zone: TimeZone,
}

impl Remote {
    /// Reads what the configuration says of it.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let source::Source { base, raw, .. } = source::read(path, overrides, std::env::vars_os())?;
        let in_base = |path: PathBuf| base.join(path).components().collect::<PathBuf>();
        Ok(Self {
            server: raw.remote.server,
            ca: raw.remote.ca.map(in_base),
            key_file: raw.remote.key_file.map(in_base),
            time_zone: TimeZone::get(&raw.time_zone)
                .map_err(|_| ConfigError::time_zone(raw.time_zone))?,
        })
    }
}
