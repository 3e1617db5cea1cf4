//! The broker, and how the gateway reaches it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetgrant_schemas::limits;
use serde::Deserialize;

use super::ConfigError;
use super::file::{BrokerSection, EmbeddedBrokerSection};

/// Whose broker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum BrokerMode {
    /// The one in this binary: in the process of `serve`, or by `broker` in one of its own.
    Embedded,
    /// Any MQTT 5 broker with mutual TLS and topic rules.
    External,
}

impl TryFrom<String> for BrokerMode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "embedded" => Ok(Self::Embedded),
            "external" => Ok(Self::External),
            _ => Err(format!(
                "{text:?} is no mode; use \"embedded\" or \"external\""
            )),
        }
    }
}

/// The broker, and how the gateway reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Where the gateway connects to, and devices do.
    pub address: HostPort,
    /// The MQTT client id; `None`: `gateway:` and the CN of its certificate. The session of a
    /// replica hangs on it, so each has its own and keeps it.
    pub client_id: Option<String>,
    /// How the gateway proves itself there.
    pub tls: GatewayTls,
    /// First level of every topic.
    pub topic_prefix: String,
    /// Name of the shared subscription of all replicas.
    pub share_group: String,
    /// How long the broker keeps the gateway's session and queue after a lost connection.
    pub session_expiry: Duration,
    /// Messages in flight to the gateway that it has not acknowledged yet.
    pub receive_maximum: u16,
    /// The embedded broker; `None` where the broker is somebody else's.
    pub embedded: Option<EmbeddedBroker>,
}

/// Mutual TLS of the gateway as a client of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTls {
    /// Roots the broker's certificate must chain to (PEM).
    pub roots: PathBuf,
    /// The gateway's role certificate and its chain (PEM).
    pub certificate: PathBuf,
    /// Its key (PKCS#8 in PEM).
    pub key: PathBuf,
}

/// The broker in this binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedBroker {
    /// The address it listens on, with TLS.
    pub listen: SocketAddr,
    /// Its certificate and chain (PEM).
    pub certificate: PathBuf,
    /// Its key (PKCS#8 in PEM).
    pub key: PathBuf,
    /// Roots of the role certificates, which no device anchor may contain (PEM).
    pub gateway_roots: PathBuf,
    /// Connections it holds at once.
    pub max_connections: usize,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl HostPort {
    fn parse(key: &str, text: &str) -> Result<Self, ConfigError> {
        let refused = || {
            ConfigError::invalid(
                key,
                format!("{text:?}"),
                "HOST:PORT, as broker.example.com:8883",
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(refused)?,
            None if host.contains(':') => return Err(refused()),
            None => host,
        };
        match port.parse() {
            Ok(port) if port != 0 && !host.is_empty() => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(refused()),
        }
    }
}

impl Broker {
    pub(super) fn parse(
        section: BrokerSection,
        in_base: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, ConfigError> {
        let one_level = |key: &str, text: String, longest: usize| {
            let fits = (1..=longest).contains(&text.len())
                && !text.starts_with('$')
                && text
                    .chars()
                    .all(|c| c.is_ascii_graphic() && !"/+#".contains(c));
            if fits {
                Ok(text)
            } else {
                let expected = format!("1 to {longest} visible ASCII characters without / + #");
                Err(ConfigError::invalid(key, format!("{text:?}"), &expected))
            }
        };
        if section.receive_maximum == 0 {
            return Err(ConfigError::invalid(
                "broker.receive_maximum",
                0,
                "1 or more",
            ));
        }
        Ok(Self {
            address: HostPort::parse("broker.address", &section.address)?,
            client_id: section
                .client_id
                .map(|text| one_level("broker.client_id", text, 64))
                .transpose()?,
            tls: GatewayTls {
                roots: in_base(&section.roots),
                certificate: in_base(&section.certificate),
                key: in_base(&section.key),
            },
            topic_prefix: one_level(
                "broker.topic_prefix",
                section.topic_prefix,
                limits::MAX_TOPIC_PREFIX,
            )?,
            share_group: one_level("broker.share_group", section.share_group, 64)?,
            session_expiry: section.session_expiry.get(),
            receive_maximum: section.receive_maximum,
            embedded: match section.mode {
                BrokerMode::Embedded => Some(EmbeddedBroker::parse(section.embedded, in_base)?),
                BrokerMode::External => None,
            },
        })
    }
}

impl EmbeddedBroker {
    fn parse(
        section: EmbeddedBrokerSection,
        in_base: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, ConfigError> {
        let listen = section.listen.parse().map_err(|_| {
            ConfigError::invalid(
                "broker.embedded.listen",
                format!("{:?}", section.listen),
                "ADDRESS:PORT, as 127.0.0.1:8883 or [::]:8883",
            )
        })?;
        if section.max_connections == 0 {
            return Err(ConfigError::invalid(
                "broker.embedded.max_connections",
                0,
                "1 or more",
            ));
        }
        Ok(Self {
            listen,
            certificate: in_base(&section.certificate),
            key: in_base(&section.key),
            gateway_roots: in_base(&section.gateway_roots),
            max_connections: section.max_connections,
        })
    }
}
