//! `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=…`, as libpq reads it, but for TLS: what would
//! silently go on without it, or trust anybody, is not offered or has to be asked for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

const MODES: &str = "disable, require or verify-full";

/// A database of a PostgreSQL server's, and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Postgres {
    config: Config,
    tls: Tls,
}

/// How the server proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// It does not, and everybody on the way reads along.
    Off,
    /// It does not; who only listens reads nothing.
    Encrypted,
    /// By a certificate for its name, of a root in this file or, without one, of the system's.
    Verified {
        /// PEM.
        roots: Option<PathBuf>,
        /// How the gateway proves who it is, apart from its password.
        client: Option<ClientFiles>,
    },
}

/// Certificate and key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What a URL asks for that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is no such URL.
    #[error("{0}; it is postgres://USER:PASSWORD@HOST:PORT/NAME")]
    Syntax(String),
    /// A part is missing.
    #[error("it says no {0}; it is postgres://USER:PASSWORD@HOST:PORT/NAME")]
    Missing(&'static str),
    /// Not every mode of libpq's is offered.
    #[error("sslmode={0} is not offered; use {MODES}")]
    SslMode(String),
    /// Files for a check that is not made.
    #[error("{0} is for sslmode=verify-full, which looks at it")]
    Unused(&'static str),
    /// One without the other.
    #[error("sslcert and sslkey belong together")]
    HalfAnIdentity,
}

impl Postgres {
    pub(in crate::store::dialect) fn parse(url: &str) -> Result<Self, UrlError> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut files = Files::default();
        let mut mode = None;
        let mut others = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "sslmode" => mode = Some(value),
                "sslrootcert" => files.roots = Some(value.into()),
                "sslcert" => files.certificate = Some(value.into()),
                "sslkey" => files.key = Some(value.into()),
                _ => {
                    others.append_pair(&name, &value);
                }
            }
        }
        // A space is %20 for them, and plus for forms.
        let others = others.finish().replace('+', "%20");
        let mut config: Config = format!("{address}?{others}").parse().map_err(syntax)?;
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(UrlError::Missing("name of a database"));
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(UrlError::Missing("user"));
        }
        if config.get_hosts().is_empty() {
            return Err(UrlError::Missing("host"));
        }
        let tls = files.tls(mode.as_deref(), &config)?;
        config
            .ssl_mode(match tls {
                Tls::Off => SslMode::Disable,
                Tls::Encrypted | Tls::Verified { .. } => SslMode::Require,
            })
            // Of several hosts the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            // What was sent and never arrived.
            .tcp_user_timeout(Duration::from_secs(30));
        if config.get_connect_timeout().is_none() {
            // For each of several hosts.
            config.connect_timeout(Duration::from_secs(5));
        }
        Ok(Self { config, tls })
    }

    pub(in crate::store::dialect) fn below(mut self, base: &Path) -> Self {
        if let Tls::Verified { roots, client } = &mut self.tls {
            if let Some(roots) = roots {
                *roots = base.join(&*roots);
            }
            if let Some(client) = client {
                client.certificate = base.join(&client.certificate);
                client.key = base.join(&client.key);
            }
        }
        self
    }

    /// Another database of the same server.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.config.dbname(name);
        self
    }

    /// Whether the server proves nothing over its TLS.
    pub(super) const fn takes_anybody(&self) -> bool {
        matches!(self.tls, Tls::Encrypted)
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn tls(&self) -> &Tls {
        &self.tls
    }
}

/// Hosts, ports and name, and never the password.
impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                Host::Unix(folder) => write!(f, "{}", folder.display())?,
            }
            let port = ports.get(index).copied().unwrap_or(5_432);
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({self}, {:?})", self.tls)
    }
}

#[derive(Default)]
struct Files {
    roots: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Files {
    fn tls(self, mode: Option<&str>, config: &Config) -> Result<Tls, UrlError> {
        let mode = mode.unwrap_or(if is_here(config) {
            "disable"
        } else {
            "verify-full"
        });
        let unverified = match mode {
            "disable" => Tls::Off,
            "require" => Tls::Encrypted,
            "verify-full" => {
                let client = match (self.certificate, self.key) {
                    (Some(certificate), Some(key)) => Some(ClientFiles { certificate, key }),
                    (None, None) => None,
                    _ => return Err(UrlError::HalfAnIdentity),
                };
                return Ok(Tls::Verified {
                    roots: self.roots,
                    client,
                });
            }
            other => return Err(UrlError::SslMode(other.to_owned())),
        };
        let named = [
            ("sslrootcert", &self.roots),
            ("sslcert", &self.certificate),
            ("sslkey", &self.key),
        ];
        match named.iter().find(|(_, file)| file.is_some()) {
            Some((name, _)) => Err(UrlError::Unused(name)),
            None => Ok(unverified),
        }
    }
}

/// Whether nothing of it leaves this machine.
fn is_here(config: &Config) -> bool {
    let is_loopback = |host: &str| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    config
        .get_hostaddrs()
        .iter()
        .all(std::net::IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => is_loopback(name),
            Host::Unix(_) => true,
        })
}

fn syntax(error: tokio_postgres::Error) -> UrlError {
    use std::error::Error as _;
    UrlError::Syntax(
        error
            .source()
            .map_or_else(|| error.to_string(), |source| source.to_string()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tls(url: &str) -> Tls {
        Postgres::parse(url).unwrap().tls
    }

    fn refusal(url: &str) -> String {
        Postgres::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn who_is_far_away_proves_who_it_is_unless_the_url_says_otherwise() {
        let verified = Tls::Verified {
            roots: None,
            client: None,
        };
        assert_eq!(tls("postgres://u:p@db.example.com/f"), verified);
        assert_eq!(tls("postgres://u:p@10.0.0.1,localhost/f"), verified);
        assert_eq!(tls("postgresql://u:p@localhost/f"), Tls::Off);
        assert_eq!(tls("postgres://u@[::1]:5433/f"), Tls::Off);
        assert_eq!(tls("postgres://u@%2Frun%2Fpostgresql/f"), Tls::Off);
        assert_eq!(tls("postgres://u@h/f?sslmode=require"), Tls::Encrypted);
        assert_eq!(tls("postgres://u@h/f?sslmode=disable"), Tls::Off);
    }

    #[test]
    fn files_are_below_the_folder_of_the_configuration() {
        let url = "postgres://u@h/f?sslrootcert=ca.pem&sslcert=/a/c.pem&sslkey=c.key";
        let place = Postgres::parse(url).unwrap().below(Path::new("/etc/fg"));
        let expected = Tls::Verified {
            roots: Some("/etc/fg/ca.pem".into()),
            client: Some(ClientFiles {
                certificate: "/a/c.pem".into(),
                key: "/etc/fg/c.key".into(),
            }),
        };
        assert_eq!(place.tls, expected);
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_what_to_write() {
        let prefer = refusal("postgres://u@h/f?sslmode=prefer");
        assert!(
            prefer.contains("disable, require or verify-full"),
            "{prefer}"
        );
        assert!(refusal("postgres://u@h").contains("no name of a database"));
        assert!(refusal("postgres://h/f").contains("no user"));
        assert!(refusal("postgres://u@/f").contains("no host"));
        assert!(refusal("postgres://u@h/f?sslcert=c.pem").contains("belong together"));
        assert!(
            refusal("postgres://u@h/f?sslmode=require&sslrootcert=c")
                .contains("sslrootcert is for")
        );
        assert!(refusal("postgres://u@h/f?speed=high").contains("speed"));
        assert!(refusal("postgres://u@h:x/f").contains("port"));
    }

    #[test]
    fn no_text_of_it_has_the_password() {
        let place = Postgres::parse("postgres://u:geheim@h1:5433,h2/f?connect_timeout=3").unwrap();
        assert_eq!(place.to_string(), "h1:5433,h2:5432/f");
        assert!(!format!("{place:?}").contains("geheim"), "{place:?}");
        let refused = refusal("postgres://u:geheim@h:port/f?sslmode=no");
        assert!(!refused.contains("geheim"), "{refused}");
    }
}
