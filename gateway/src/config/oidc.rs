//! Who gives people tokens, and what their roles are here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetgrant_core::domain::Role;
use jsonwebtoken::Algorithm;

use super::ConfigError;
use super::file::{OidcSection, RoleOfLineSection, RoleSection};
use crate::access::secured;

/// An OpenID Connect issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The issuer, exactly as its tokens and its discovery document write it.
    pub issuer: String,
    /// What its tokens must be for.
    pub audience: String,
    /// Programs that tokens may be given to; none: to any, where they are for the audience alone.
    pub clients: Vec<String>,
    /// The claim that roles come from: the names that lead to it.
    pub roles_claim: Vec<String>,
    /// What values of the claim are here.
    pub roles: BTreeMap<String, RoleHere>,
    /// How tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be from the gateway's.
    pub leeway: Duration,
    /// The roots that its certificate chains to; none: the system's.
    pub roots: Option<PathBuf>,
}

/// What a value of the claim is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleHere {
    /// The role.
    pub role: Role,
    /// The name of the product line that it is for; none: for all.
    pub product_line: Option<String>,
}

impl From<Role> for RoleHere {
    fn from(role: Role) -> Self {
        Self {
            role,
            product_line: None,
        }
    }
}

/// How far clocks may be apart: beyond it, instants mean nothing.
const WIDEST: Duration = Duration::from_secs(300);

impl Oidc {
    pub(super) fn parse(
        section: OidcSection,
        in_base: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, ConfigError> {
        secured(&section.issuer).map_err(|why| {
            let expected = format!("the issuer's https address, exactly as it writes it ({why})");
            ConfigError::invalid(
                "http.oidc.issuer",
                format!("{:?}", section.issuer),
                &expected,
            )
        })?;
        let filled = |key: &str, texts: &[String]| {
            if texts.is_empty() || texts.iter().any(String::is_empty) {
                Err(ConfigError::invalid(key, "nothing", "a name at least"))
            } else {
                Ok(())
            }
        };
        filled(
            "http.oidc.audience",
            std::slice::from_ref(&section.audience),
        )?;
        filled("http.oidc.roles_claim", &section.roles_claim)?;
        if section.leeway.get() > WIDEST {
            return Err(ConfigError::invalid(
                "http.oidc.leeway",
                section.leeway,
                "5m at most",
            ));
        }
        let algorithms = section.algorithms.iter().map(|name| algorithm(name));
        let algorithms: Vec<_> = algorithms.collect::<Result<_, _>>()?;
        if algorithms.is_empty() {
            return Err(ConfigError::invalid(
                "http.oidc.algorithms",
                "[]",
                "one at least of RS256, ES256 and EdDSA",
            ));
        }
        let roles = section.roles.into_iter().map(|(value, of)| role(value, of));
        let roles: BTreeMap<_, _> = roles.collect::<Result<_, _>>()?;
        if roles.is_empty() {
            return Err(ConfigError::invalid(
                "http.oidc.roles",
                "nothing",
                "a table of what values of the claim are here, as fleet-admins = \"admin\"",
            ));
        }
        Ok(Self {
            issuer: section.issuer,
            audience: section.audience,
            clients: section.clients,
            roles_claim: section.roles_claim,
            roles,
            algorithms,
            leeway: section.leeway.get(),
            roots: section.roots.as_deref().map(in_base),
        })
    }
}

/// Never none, and never one whose key the gateway would share with the issuer.
fn algorithm(name: &str) -> Result<Algorithm, ConfigError> {
    match name {
        "RS256" => Ok(Algorithm::RS256),
        "ES256" => Ok(Algorithm::ES256),
        "EdDSA" => Ok(Algorithm::EdDSA),
        _ => Err(ConfigError::invalid(
            "http.oidc.algorithms",
            format!("{name:?}"),
            "RS256, ES256 or EdDSA",
        )),
    }
}

fn role(value: String, section: RoleSection) -> Result<(String, RoleHere), ConfigError> {
    let key = format!("http.oidc.roles.{value}");
    let (name, product_line) = match section {
        RoleSection::OfAll(name) => (name, None),
        RoleSection::OfLine(RoleOfLineSection { role, product_line }) => (role, Some(product_line)),
    };
    let invalid = |expected: String| ConfigError::invalid(&key, format!("{name:?}"), expected);
    let can_be = |role: Role| match product_line {
        Some(_) => role.may_be_of_a_product_line(),
        None => !role.is_of_a_party(),
    };
    match name.parse::<Role>() {
        Ok(role) if can_be(role) => Ok((value, RoleHere { role, product_line })),
        Ok(role) if !role.is_of_a_party() => Err(invalid(
            "for all product lines, as it has to do with every one".to_owned(),
        )),
        Ok(_) => Err(invalid(
            "a role of the maker's own: a token names no party whose things alone are seen"
                .to_owned(),
        )),
        Err(_) => {
            let roles = Role::ALL.iter().filter(|role| can_be(**role));
            let roles: Vec<_> = roles.map(|role| role.as_str()).collect();
            Err(invalid(format!("one of {}", roles.join(", "))))
        }
    }
}

impl Oidc {
    /// A product line of the roles that is neither configured nor in the ledger.
    ///
    /// # Errors
    /// Which, and what there is.
    pub fn check_lines(&self, known: &BTreeSet<String>) -> Result<(), ConfigError> {
        for (value, of) in &self.roles {
            if let Some(line) = of
                .product_line
                .as_ref()
                .filter(|line| !known.contains(*line))
            {
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                return Err(ConfigError::invalid(
                    &format!("http.oidc.roles.{value}.product_line"),
                    format!("{line:?}"),
                    match known.is_empty() {
                        true => "a product line of a trust anchor, and there is none".to_owned(),
                        false => format!("one of the product lines {}", known.join(", ")),
                    },
                ));
            }
        }
        Ok(())
    }
}
