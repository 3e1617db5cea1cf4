//! The configuration: a TOML file, `FLEETGRANT_*` variables over it, the command line over both.
//!
//! What is read is parsed once into the types here, so the rest of the program meets no text that
//! may be wrong. A relative path is relative to the folder of the file it stands in. Secrets are
//! named by their files and never stand in the configuration itself.

mod authority;
mod broker;
mod database;
mod error;
mod file;
mod http;
mod interval;
mod limits;
mod oidc;
mod realm;
mod remote;
mod reports;
mod source;
mod webhooks;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetgrant_core::delivery::Pauses;
use jiff::tz::TimeZone;

pub use authority::Authority;
pub use broker::{Broker, BrokerMode, EmbeddedBroker, GatewayTls, HostPort};
pub use error::{ConfigError, Place};
pub use file::{LogFormat, LogSection as Log};
pub use http::Http;
pub use limits::{Bucket, Limits};
pub use oidc::{Oidc, RoleHere};
pub use realm::Realm;
pub use remote::Remote;
pub use reports::Reports;
pub use source::{DEFAULT_FILES, Overrides};
pub use webhooks::Webhooks;

use crate::identity::{AnchorConfig, IdPrefix};
use crate::store::Location;

/// Everything an installation is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The name of the installation, as `iss` and `aud` on the wire.
    pub realm: Realm,
    /// The zone in which dates without a party's own zone are read.
    pub time_zone: TimeZone,
    /// Where the gateway keeps what it writes.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Location,
    /// The MQTT broker, and how the gateway reaches it.
    pub broker: Broker,
    /// The HTTP API; none where nothing is to listen.
    pub http: Option<Http>,
    /// Whose devices are known, and how; paths are resolved already.
    pub trust_anchors: Vec<AnchorConfig>,
    /// The authority's key; only what signs needs it.
    pub authority: Option<Authority>,
    /// Rates, threads and queues.
    pub limits: Limits,
    /// How grants are pushed.
    pub delivery: Delivery,
    /// Who else is told what happened, and how.
    pub webhooks: Webhooks,
    /// Reports that are made ahead.
    pub reports: Reports,
    /// What is logged, and how.
    pub log: Log,
}

/// How grants are pushed until the device acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The waits between one push and the next; after the last the delivery is exhausted, and the
    /// next contact of the device starts it again.
    pub backoff: Pauses,
    /// How long after it was signed a grant may be installed.
    pub installable: Duration,
}

impl Config {
    /// Reads, merges and checks the configuration.
    ///
    /// Without a `path` the first of [`DEFAULT_FILES`] that exists is read; with none of them,
    /// variables and overrides have to say what has no default.
    ///
    /// # Errors
    /// What is wrong, the key it is wrong at, and what would be right.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let source = source::read(path, overrides, std::env::vars_os())?;
        Self::from_source(source)
    }

    fn from_source(source: source::Source) -> Result<Self, ConfigError> {
        let source::Source { file, base, raw } = source;
        // Through its components, so that what is shown has no `/./`.
        let in_base = |path: &Path| base.join(path).components().collect::<PathBuf>();
        let data_dir = in_base(&raw.data_dir);
        Ok(Self {
            realm: Realm::parse(raw.realm)?,
            time_zone: TimeZone::get(&raw.time_zone)
                .map_err(|_| ConfigError::time_zone(raw.time_zone))?,
            database: database::parse(raw.database, &base, &data_dir)?,
            broker: Broker::parse(raw.broker, in_base)?,
            http: Http::parse(raw.http, in_base)?,
            trust_anchors: anchors(raw.trust_anchor, in_base)?,
            authority: raw
                .authority
                .map(|section| Authority::parse(section, in_base))
                .transpose()?,
            limits: Limits::parse(raw.limits)?,
            delivery: Delivery::parse(raw.delivery)?,
            webhooks: Webhooks::parse(raw.webhooks, in_base, &data_dir)?,
            reports: Reports::parse(&raw.reports)?,
            log: raw.log,
            data_dir,
            file,
        })
    }

    /// The product lines of the trust anchors, which imports name.
    #[must_use]
    pub fn product_lines(&self) -> Vec<(String, IdPrefix)> {
        let anchors = self.trust_anchors.iter();
        anchors
            .map(|anchor| (anchor.product_line.clone(), anchor.id_prefix.clone()))
            .collect()
    }

    /// The authority's key, for what signs.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], when the section is not there.
    pub fn authority(&self) -> Result<&Authority, ConfigError> {
        self.authority.as_ref().ok_or(ConfigError::Missing {
            key: "authority",
            hint: "grants are signed with the authority's key; `fleetgrant pki` makes one, and \
                   docs/samples/fleetgrant.toml shows the section",
        })
    }
}

/// Resolves the paths of the anchors, whose names must differ.
fn anchors(
    mut anchors: Vec<AnchorConfig>,
    in_base: impl Fn(&Path) -> PathBuf,
) -> Result<Vec<AnchorConfig>, ConfigError> {
    let mut names = HashSet::new();
    for anchor in &mut anchors {
        if !names.insert(anchor.name.clone()) {
            return Err(ConfigError::invalid(
                "trust_anchor.name",
                &anchor.name,
                "another name: two anchors have this one",
            ));
        }
        let files = [
            &mut anchor.roots,
            &mut anchor.intermediates,
            &mut anchor.crls,
        ];
        for path in files.into_iter().flatten() {
            *path = in_base(path);
        }
    }
    Ok(anchors)
}

impl Delivery {
    fn parse(section: file::DeliverySection) -> Result<Self, ConfigError> {
        let seconds = section.backoff.iter().map(|wait| wait.get().as_secs());
        let seconds: Vec<u64> = seconds.collect();
        let backoff = Pauses::new(&seconds)
            .filter(|_| seconds.len() <= 32 && !seconds.contains(&0))
            .ok_or_else(|| {
                ConfigError::invalid(
                    "delivery.backoff",
                    format!("{} waits", seconds.len()),
                    "1 to 32 waits of a second or more, as [\"1m\", \"5m\", \"30m\"]",
                )
            })?;
        let installable = section.installable.get();
        if installable < Duration::from_secs(3600) {
            return Err(ConfigError::invalid(
                "delivery.installable",
                section.installable,
                "an hour at least: a device that sleeps must find its grant still valid",
            ));
        }
        Ok(Self {
            backoff,
            installable,
        })
    }
}

#[cfg(test)]
mod tests;
