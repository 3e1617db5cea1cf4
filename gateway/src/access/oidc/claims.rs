//! What a token says, checked.

use std::collections::BTreeSet;

use fleetgrant_core::domain::{Role, Roles, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Person, TokenError};
use crate::config::{Oidc, RoleHere};

/// Characters of a subject, at most (OpenID Connect Core section 2).
const LONGEST_SUBJECT: usize = 255;

/// The claims of a token whose signature, issuer and audience are good.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    aud: Audience,
    exp: Instant,
    iat: Option<Instant>,
    nbf: Option<Instant>,
    azp: Option<String>,
    client_id: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(#[allow(dead_code, reason = "it has been compared")] String),
    Many(Vec<String>),
}

/// Seconds since 1970, with a fraction where an issuer writes one (RFC 7519 section 2).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Instant(Timestamp);

impl TryFrom<f64> for Instant {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, &'static str> {
        // To the end of the year 9999.
        if (0.0..253_402_300_800.0).contains(&seconds) {
            Ok(Self(Timestamp::from_seconds(seconds as u64)))
        } else {
            Err("no instant")
        }
    }
}

impl Claims {
    pub(super) fn check(self, config: &Oidc, now: Timestamp) -> Result<Person, TokenError> {
        let leeway = config.leeway.as_secs();
        let Instant(expires_at) = self.exp;
        if now >= expires_at.plus_seconds(leeway) {
            return Err(TokenError::Expired(expires_at));
        }
        let issued_at = self.iat.map_or(now, |Instant(at)| at);
        let from = self.nbf.map_or(issued_at, |Instant(at)| at.max(issued_at));
        if from > now.plus_seconds(leeway) {
            return Err(TokenError::NotYet(from));
        }
        self.check_client(config)?;
        let visible = self.sub.bytes().all(|byte| byte.is_ascii_graphic());
        if self.sub.is_empty() || self.sub.len() > LONGEST_SUBJECT || !visible {
            return Err(TokenError::Refused(
                "its subject is none: 1 to 255 visible ASCII characters",
            ));
        }
        let (roles, product_line) = granted(&self.roles(config), config)?;
        Ok(Person {
            issuer: config.issuer.clone(),
            subject: self.sub,
            roles,
            product_line,
            issued_at,
            expires_at,
        })
    }

    /// Whom it was given to: `azp` (OpenID Connect Core section 2) or `client_id` (RFC 9068). One
    /// that is good for several audiences must say, so that none of them can use it here.
    fn check_client(&self, config: &Oidc) -> Result<(), TokenError> {
        let client = self.azp.as_ref().or(self.client_id.as_ref());
        let for_several = matches!(&self.aud, Audience::Many(many) if many.len() > 1);
        let must_say = for_several || !config.clients.is_empty();
        match client {
            _ if !must_say => Ok(()),
            Some(client) if *client == config.audience || config.clients.contains(client) => Ok(()),
            Some(client) => Err(TokenError::Client(client.chars().take(64).collect())),
            None => Err(TokenError::Refused(
                "it does not say whom it was given to, by azp or client_id",
            )),
        }
    }

    /// What the values of its claim are here.
    fn roles<'a>(&self, config: &'a Oidc) -> Vec<&'a RoleHere> {
        let Some((first, rest)) = config.roles_claim.split_first() else {
            return Vec::new();
        };
        let mut value = self.others.get(first);
        for name in rest {
            value = value.and_then(|value| value.get(name));
        }
        let texts: Vec<&str> = match value {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            // As `scope` is written (RFC 8693 section 4.2).
            Some(Value::String(text)) => text.split(' ').collect(),
            _ => Vec::new(),
        };
        let found = texts.iter().filter_map(|text| config.roles.get(*text));
        found.collect()
    }
}

/// The roles that somebody asks in, and the product line that they are for. Who has a role for all
/// lines asks in those for all: in one for a line besides, they would have it for the others too.
fn granted(found: &[&RoleHere], config: &Oidc) -> Result<(Roles, Option<String>), TokenError> {
    let of = |line: Option<&str>| {
        let of_line = found
            .iter()
            .filter(|one| one.product_line.as_deref() == line);
        Roles::of(&of_line.map(|one| one.role).collect::<Vec<Role>>())
    };
    let of_all = of(None);
    if of_all != Roles::default() {
        return Ok((of_all, None));
    }
    let lines = found.iter().filter_map(|one| one.product_line.as_deref());
    let lines: Vec<&str> = lines.collect::<BTreeSet<_>>().into_iter().collect();
    match lines[..] {
        [] => Err(TokenError::NoRole(config.roles_claim.join("/"))),
        [line] => Ok((of(Some(line)), Some(line.to_owned()))),
        _ => Err(TokenError::SeveralLines(lines.join(" and "))),
    }
}
