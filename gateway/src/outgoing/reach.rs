//! Which addresses may be asked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use axum::http::Uri;
use axum::http::uri::Scheme;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Bytes of an address, at most.
const LONGEST: usize = 2_048;

/// Where requests may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Without TLS too.
    pub plain: bool,
    /// To these networks too, which are nobody's on the Internet.
    pub networks: Vec<IpNet>,
}

/// An address that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Uri);

/// Why an address may not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// It is no URL.
    #[error("it is no URL: write it as https://erp.example.com/hooks")]
    NoUrl,
    /// It is too long.
    #[error("it has more than {LONGEST} bytes")]
    TooLong,
    /// What is sent there could be read on the way.
    #[error(
        "only https is sent to; {key} = true allows http too",
        key = "allow_http"
    )]
    Plain,
    /// It holds a user name or a password.
    #[error("it holds a user name or a password: what is sent is signed, so none is needed")]
    User,
    /// Its host is an address that only this machine, or its network, can reach.
    #[error(
        "{0} is an address of a private network or of this machine; allow_networks names those \
         that may be sent to"
    )]
    Private(IpAddr),
}

/// What is not to be reached from the Internet, or stands for such an address (IANA's registries of
/// special-purpose addresses, RFC 6890).
static SPECIAL_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    nets(&[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ])
});

/// Of what is global unicast (RFC 4291 section 2.4).
static SPECIAL_V6: LazyLock<Vec<Ipv6Net>> =
    LazyLock::new(|| nets(&["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]));

const GLOBAL_UNICAST: &str = "2000::/3";
/// IPv4 addresses behind a translator (RFC 6052).
const TRANSLATED: &str = "64:ff9b::/96";

fn nets<T: std::str::FromStr<Err: fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    let parsed = texts.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, _>>()
        .expect("the networks above are well formed")
}

impl Reach {
    /// To every address, TLS or none: for what whoever runs the gateway has configured.
    #[must_use]
    pub fn anywhere() -> Self {
        Self {
            plain: true,
            networks: nets(&["0.0.0.0/0", "::/0"]),
        }
    }

    /// Whether an address may be connected to.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|net| net.contains(&address)) || is_public(address)
    }

    /// Reads an address that is to be asked.
    ///
    /// # Errors
    /// It may not be.
    pub fn target(&self, text: &str) -> Result<Target, InvalidTarget> {
        if text.len() > LONGEST {
            return Err(InvalidTarget::TooLong);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidTarget::NoUrl)?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidTarget::NoUrl)?;
        let scheme = uri.scheme().ok_or(InvalidTarget::NoUrl)?;
        if *scheme == Scheme::HTTP && !self.plain {
            return Err(InvalidTarget::Plain);
        }
        // A fragment never reaches a server, and the parser leaves it out.
        if text.contains('#') || (*scheme != Scheme::HTTPS && *scheme != Scheme::HTTP) {
            return Err(InvalidTarget::NoUrl);
        }
        if uri
            .authority()
            .is_some_and(|who| who.as_str().contains('@'))
        {
            return Err(InvalidTarget::User);
        }
        match literal(host).filter(|address| !self.allows(*address)) {
            Some(address) => Err(InvalidTarget::Private(address)),
            None => Ok(Target(uri)),
        }
    }
}

impl Target {
    /// As a request bears it.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether nobody between can read or change what is sent: by TLS, or as it stays on this machine.
    #[must_use]
    pub fn is_secure_or_local(&self) -> bool {
        let host = self.host();
        self.0.scheme() == Some(&Scheme::HTTPS)
            || host == "localhost"
            || literal(host).is_some_and(|address| address.is_loopback())
    }

    /// The name or address of the machine.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }
}

/// The address that stands for itself as a host. What else means one, such as 127.1, is resolved,
/// and checked then.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|net| net.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |net: &str| {
        net.parse::<Ipv6Net>()
            .is_ok_and(|net| net.contains(&address))
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if within(TRANSLATED) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(GLOBAL_UNICAST) && !SPECIAL_V6.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_only_this_machine_or_its_network_reaches_is_refused() {
        for host in [
            "127.0.0.1",
            "127.8.9.10",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001::1]",
        ] {
            let refused = Reach::default().target(&format!("https://{host}:8443/x"));
            assert!(matches!(refused, Err(InvalidTarget::Private(_))), "{host}");
        }
    }

    #[test]
    fn what_is_public_or_allowed_is_asked() {
        let reach = Reach {
            plain: false,
            networks: vec![
                "10.1.0.0/16".parse().unwrap(),
                "fd00:1::/64".parse().unwrap(),
            ],
        };
        for url in [
            "https://erp.example.com/hooks?tenant=7",
            "https://9.9.9.9/",
            "https://[2620:fe::fe]/",
            "https://10.1.2.3:9000/",
            "https://[fd00:1::7]/",
            "https://[64:ff9b::909:909]/",
        ] {
            assert!(reach.target(url).is_ok(), "{url}");
        }
        for url in ["https://10.2.0.1/", "https://[fd00:2::7]/"] {
            assert!(reach.target(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let long = format!("https://a/{}", "x".repeat(LONGEST));
        for (url, reason) in [
            ("", InvalidTarget::NoUrl),
            ("erp.example.com", InvalidTarget::NoUrl),
            ("/hooks", InvalidTarget::NoUrl),
            ("https://", InvalidTarget::NoUrl),
            ("file:///etc/passwd", InvalidTarget::NoUrl),
            ("ftp://a/", InvalidTarget::NoUrl),
            ("https://a/#b", InvalidTarget::NoUrl),
            ("https://a b/", InvalidTarget::NoUrl),
            ("https://müller.example/", InvalidTarget::NoUrl),
            ("http://erp.example.com/", InvalidTarget::Plain),
            ("https://me:secret@erp.example.com/", InvalidTarget::User),
            ("https://erp@127.0.0.1/", InvalidTarget::User),
            (long.as_str(), InvalidTarget::TooLong),
        ] {
            assert_eq!(Reach::default().target(url), Err(reason), "{url}");
        }
    }

    #[test]
    fn a_name_that_looks_like_an_address_is_resolved_and_checked_then() {
        assert!(Reach::default().target("https://127.1/").is_ok());
        assert_eq!(literal("127.1"), None);
    }
}
