//! The configuration as it is written: the keys of the file with their defaults.
//!
//! `docs/samples/fleetgrant.toml` shows every key with its default; a test holds the two together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::broker::BrokerMode;
use super::interval::Interval;
use crate::identity::AnchorConfig;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileSection {
    pub(super) realm: Option<String>,
    pub(super) time_zone: String,
    pub(super) data_dir: PathBuf,
    pub(super) database: DatabaseSection,
    pub(super) broker: BrokerSection,
    pub(super) http: HttpSection,
    pub(super) trust_anchor: Vec<AnchorConfig>,
    pub(super) authority: Option<AuthoritySection>,
    pub(super) limits: LimitsSection,
    pub(super) delivery: DeliverySection,
    pub(super) webhooks: WebhooksSection,
    pub(super) reports: ReportsSection,
    pub(super) remote: RemoteSection,
    pub(super) log: LogSection,
}

impl Default for FileSection {
    fn default() -> Self {
        Self {
            realm: None,
            time_zone: "UTC".to_owned(),
            data_dir: PathBuf::from("."),
            database: DatabaseSection::default(),
            broker: BrokerSection::default(),
            http: HttpSection::default(),
            trust_anchor: Vec::new(),
            authority: None,
            limits: LimitsSection::default(),
            delivery: DeliverySection::default(),
            webhooks: WebhooksSection::default(),
            reports: ReportsSection::default(),
            remote: RemoteSection::default(),
            log: LogSection::default(),
        }
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReportsSection {
    pub(super) ahead: Option<Interval>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RemoteSection {
    pub(super) server: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DatabaseSection {
    pub(super) url: Option<String>,
    pub(super) url_file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BrokerSection {
    pub(super) mode: BrokerMode,
    pub(super) address: String,
    pub(super) client_id: Option<String>,
    pub(super) roots: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) topic_prefix: String,
    pub(super) share_group: String,
    pub(super) session_expiry: Interval,
    pub(super) receive_maximum: u16,
    pub(super) embedded: EmbeddedBrokerSection,
}

impl Default for BrokerSection {
    fn default() -> Self {
        Self {
            mode: BrokerMode::Embedded,
            address: "localhost:8883".to_owned(),
            client_id: None,
            roots: PathBuf::from("pki/service-ca.pem"),
            certificate: PathBuf::from("pki/gateway.pem"),
            key: PathBuf::from("pki/gateway.key"),
            topic_prefix: "fg".to_owned(),
            share_group: "fleetgrant".to_owned(),
            session_expiry: Interval::from_secs(24 * 3600),
            receive_maximum: 256,
            embedded: EmbeddedBrokerSection::default(),
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EmbeddedBrokerSection {
    pub(super) listen: String,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) gateway_roots: PathBuf,
    pub(super) max_connections: usize,
}

impl Default for EmbeddedBrokerSection {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:8883".to_owned(),
            certificate: PathBuf::from("pki/broker.pem"),
            key: PathBuf::from("pki/broker.key"),
            gateway_roots: PathBuf::from("pki/service-ca.pem"),
            max_connections: 20_000,
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpSection {
    pub(super) listen: Option<String>,
    pub(super) max_connections: usize,
    pub(super) key: BucketSection,
    pub(super) oidc: Option<OidcSection>,
}

impl Default for HttpSection {
    fn default() -> Self {
        Self {
            listen: None,
            max_connections: 256,
            key: BucketSection {
                every: Interval::from_millis(20),
                burst: 100,
            },
            oidc: None,
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcSection {
    pub(super) issuer: String,
    pub(super) audience: String,
    #[serde(default)]
    pub(super) clients: Vec<String>,
    #[serde(default = "OidcSection::default_roles_claim")]
    pub(super) roles_claim: Vec<String>,
    pub(super) roles: BTreeMap<String, RoleSection>,
    #[serde(default = "OidcSection::default_algorithms")]
    pub(super) algorithms: Vec<String>,
    #[serde(default = "OidcSection::default_leeway")]
    pub(super) leeway: Interval,
    pub(super) roots: Option<PathBuf>,
}

/// A role of everybody who has a value of the claim, for every product line or for one.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a role, as \"admin\", or one for a product line, as \
                 { role = \"support\", product_line = \"pumps\" }"
)]
pub(super) enum RoleSection {
    OfAll(String),
    OfLine(RoleOfLineSection),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleOfLineSection {
    pub(super) role: String,
    pub(super) product_line: String,
}

impl OidcSection {
    fn default_roles_claim() -> Vec<String> {
        vec!["roles".to_owned()]
    }

    fn default_algorithms() -> Vec<String> {
        ["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec()
    }

    const fn default_leeway() -> Interval {
        Interval::from_secs(30)
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthoritySection {
    #[serde(default = "AuthoritySection::default_key")]
    pub(super) key: PathBuf,
    #[serde(default = "AuthoritySection::default_epoch")]
    pub(super) epoch: u32,
    pub(super) not_before: String,
    pub(super) not_after: String,
    pub(super) key_set: Option<PathBuf>,
}

impl AuthoritySection {
    fn default_key() -> PathBuf {
        PathBuf::from("pki/authority.key")
    }

    const fn default_epoch() -> u32 {
        1
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsSection {
    pub(super) device: BucketSection,
    pub(super) all_devices: BucketSection,
    pub(super) verify_threads: usize,
    pub(super) chain_threads: usize,
    pub(super) sign_threads: usize,
    pub(super) database_readers: usize,
    pub(super) queue: usize,
    pub(super) batch: usize,
    pub(super) batch_wait: Interval,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            device: BucketSection {
                every: Interval::from_secs(10),
                burst: 5,
            },
            all_devices: BucketSection {
                every: Interval::from_micros(200),
                burst: 10_000,
            },
            verify_threads: 0,
            chain_threads: 1,
            sign_threads: 1,
            database_readers: 2,
            queue: 4_096,
            batch: 100,
            batch_wait: Interval::from_millis(10),
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BucketSection {
    pub(super) every: Interval,
    pub(super) burst: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeliverySection {
    pub(super) backoff: Vec<Interval>,
    pub(super) installable: Interval,
}

impl Default for DeliverySection {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            backoff: [MINUTE, 5 * MINUTE, 30 * MINUTE, 6 * HOUR, 24 * HOUR]
                .map(Interval::from_secs)
                .to_vec(),
            installable: Interval::from_secs(30 * 24 * HOUR),
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebhooksSection {
    pub(super) backoff: Vec<Interval>,
    pub(super) timeout: Interval,
    pub(super) disable_after: Interval,
    pub(super) keep: Interval,
    pub(super) allow_http: bool,
    pub(super) allow_networks: Vec<String>,
    pub(super) roots: Option<PathBuf>,
    pub(super) sealing_key: Option<PathBuf>,
}

impl Default for WebhooksSection {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            backoff: [
                5,
                5 * MINUTE,
                30 * MINUTE,
                2 * HOUR,
                5 * HOUR,
                10 * HOUR,
                14 * HOUR,
                20 * HOUR,
                24 * HOUR,
            ]
            .map(Interval::from_secs)
            .to_vec(),
            timeout: Interval::from_secs(15),
            disable_after: Interval::from_secs(5 * 24 * HOUR),
            keep: Interval::from_secs(30 * 24 * HOUR),
            allow_http: false,
            allow_networks: Vec::new(),
            roots: None,
            sealing_key: None,
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// The form of a line.
    pub format: LogFormat,
    /// Directives of `tracing-subscriber`'s `EnvFilter`, as `info` or `info,fleetgrant=debug`.
    pub level: String,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            // The MQTT crates tell of each connection, and call what the gateway decides by its own
            // lines ("anonymous authentication") by other names.
            level: "info,mqtt5=error,rumqttc=error".to_owned(),
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The name in the file and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

impl TryFrom<String> for LogFormat {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(&text, false)
            .map_err(|_| format!("{text:?} is no log format; use \"auto\", \"human\" or \"json\""))
    }
}
