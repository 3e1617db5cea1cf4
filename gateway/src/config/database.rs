//! Which database.

use std::path::{Path, PathBuf};

use super::ConfigError;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// SQLite in one file.
    Sqlite {
        /// The file; made by the first migration.
        path: PathBuf,
    },
}

impl DatabaseUrl {
    pub(super) fn parse(
        url: Option<&str>,
        base: &Path,
        data_dir: &Path,
    ) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "sqlite:PATH, as sqlite:fleetgrant.db";
        let Some(url) = url else {
            return Ok(Self::Sqlite {
                path: data_dir.join("fleetgrant.db"),
            });
        };
        let path = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))
            .filter(|path| !path.is_empty());
        match path {
            Some(path) => Ok(Self::Sqlite {
                path: base.join(path),
            }),
            // What stands before the colon says what was meant; the rest may be a password.
            None => Err(ConfigError::invalid(
                "database.url",
                format!("{}:…", url.split(':').next().unwrap_or_default()),
                EXPECTED,
            )),
        }
    }
}
