//! The HTTP API: where it listens, and how much of it one key gets.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::file::HttpSection;
use super::limits::Bucket;
use super::oidc::Oidc;

/// The HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The address it listens on, without TLS.
    pub listen: SocketAddr,
    /// Connections it holds at once.
    pub max_connections: NonZeroUsize,
    /// Requests of one key.
    pub key: Bucket,
    /// Who gives people tokens.
    pub oidc: Option<Oidc>,
}

impl Http {
    /// None without an address: then nothing listens.
    pub(super) fn parse(
        section: HttpSection,
        in_base: impl Fn(&Path) -> PathBuf,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(listen) = section.listen else {
            return Ok(None);
        };
        let listen = listen.parse().map_err(|_| {
            ConfigError::invalid(
                "http.listen",
                format!("{listen:?}"),
                "ADDRESS:PORT, as 127.0.0.1:8080 or [::1]:8080",
            )
        })?;
        let max_connections = NonZeroUsize::new(section.max_connections)
            .filter(|count| count.get() <= 65_535)
            .ok_or_else(|| {
                ConfigError::invalid(
                    "http.max_connections",
                    section.max_connections,
                    "1 to 65535",
                )
            })?;
        Ok(Some(Self {
            listen,
            max_connections,
            key: Bucket::parse("http.key", section.key)?,
            oidc: section
                .oidc
                .map(|section| Oidc::parse(section, in_base))
                .transpose()?,
        }))
    }
}
