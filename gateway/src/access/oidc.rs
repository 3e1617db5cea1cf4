//! People, by the tokens of an OpenID Connect issuer.
//!
//! A token is a signed JWT (RFC 7519, RFC 9068) that the maker's own issuer gave. Its signature is
//! checked by the keys that the issuer publishes, and its claims by what the configuration says;
//! from one of them come the roles.

mod claims;
mod jws;
mod keys;

use std::time::Duration;

use fleetgrant_core::domain::{Roles, Timestamp};
use jsonwebtoken::{Validation, decode, decode_header};

use crate::config::Oidc;
use crate::outgoing::{Outgoing, Reach};
use crate::tls::TlsError;
use claims::Claims;
use keys::Keys;
pub(crate) use keys::secured;

/// Bytes of a token, at most.
const LONGEST: usize = 8 * 1024;
/// How long the issuer may take to tell its keys.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of what it tells, at most.
const ANSWER: usize = 256 * 1024;

/// Checks tokens of one issuer.
#[derive(Debug)]
pub struct OidcVerifier {
    config: Oidc,
    keys: Keys,
}

/// Whoever a good token is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who says so.
    pub issuer: String,
    /// What the issuer calls them: the same person for ever.
    pub subject: String,
    /// What they may do.
    pub roles: Roles,
    /// The name of the product line whose things alone they see; none: those of all.
    pub product_line: Option<String>,
    /// When the token was given.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no signed JWT.
    #[error("it is no signed JWT that can be read")]
    Malformed,
    /// It is of another type, as one that only ends a session.
    #[error("its type is {0:?}, and not JWT or at+jwt")]
    Type(String),
    /// It is signed in a way that is not accepted.
    #[error("it is signed by {0}, which http.oidc.algorithms does not have")]
    Algorithm(String),
    /// The issuer has no such key.
    #[error("the issuer has no key that it can be signed with")]
    UnknownKey,
    /// The signature, the issuer, the audience or a claim that must be there is wrong.
    #[error("{0}")]
    Refused(&'static str),
    /// It was given to a program that is not listed.
    #[error("it was given to {0:?}, which http.oidc.clients does not have")]
    Client(String),
    /// Its time is over.
    #[error("it expired at {0}; sign in again")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("it is good from {0} on: compare the clocks of the issuer and of the gateway")]
    NotYet(Timestamp),
    /// None of its roles is one here.
    #[error("its claim {0} has nothing that http.oidc.roles makes a role of")]
    NoRole(String),
    /// Some of its roles are for one product line and some for another.
    #[error(
        "its roles are for the product lines {0}, and who asks is of one of them or of all: leave one \
         of their groups, or map one to a role for all"
    )]
    SeveralLines(String),
    /// The issuer's keys cannot be had.
    #[error("the issuer's keys cannot be had: {0}")]
    Unavailable(String),
}

impl OidcVerifier {
    /// For the configured issuer. Its keys are fetched when the first token comes.
    ///
    /// # Errors
    /// The roots are of no use.
    pub fn new(config: &Oidc) -> Result<Self, TlsError> {
        jws::install();
        let outgoing = Outgoing::new(Reach::anywhere(), config.roots.as_deref(), TIMEOUT, ANSWER)?;
        Ok(Self {
            keys: Keys::new(config.issuer.clone(), outgoing),
            config: config.clone(),
        })
    }

    /// With another time between two attempts to fetch the issuer's keys.
    #[must_use]
    pub fn fetching_every(mut self, pause: Duration) -> Self {
        self.keys.pause = pause;
        self
    }

    /// With another time until known keys are fetched again.
    #[must_use]
    pub const fn fresh_for(mut self, time: Duration) -> Self {
        self.keys.fresh = time;
        self
    }

    /// Whether a text may be a token of an issuer: three parts, with dots between.
    #[must_use]
    pub fn is_token(text: &str) -> bool {
        text.split('.').count() == 3
    }

    /// Checks a token.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Person, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // RFC 8725 section 3.11: tokens for something else must not pass for one of these.
        if let Some(typ) = &header.typ {
            let name = typ.to_ascii_lowercase();
            let name = name.strip_prefix("application/").unwrap_or(&name);
            if !matches!(name, "jwt" | "at+jwt") {
                return Err(TokenError::Type(typ.chars().take(64).collect()));
            }
        }
        if !self.config.algorithms.contains(&header.alg) {
            return Err(TokenError::Algorithm(format!("{:?}", header.alg)));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub"]);
        // Instants are compared by the gateway's own clock.
        validation.validate_exp = false;
        let decoded = decode::<Claims>(token, &key, &validation);
        let claims = decoded.map_err(|error| refused(error.kind()))?.claims;
        claims.check(&self.config, now)
    }
}

fn refused(kind: &jsonwebtoken::errors::ErrorKind) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => TokenError::Refused("its signature is wrong"),
        ErrorKind::InvalidIssuer => TokenError::Refused("it is of another issuer"),
        ErrorKind::InvalidAudience => TokenError::Refused("it is for another audience"),
        ErrorKind::MissingRequiredClaim(_) => {
            TokenError::Refused("it lacks one of the claims iss, aud and sub")
        }
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidEcdsaKey | ErrorKind::InvalidKeyFormat => {
            TokenError::UnknownKey
        }
        ErrorKind::Json(_) => TokenError::Refused("a claim is missing, or of another type"),
        _ => TokenError::Malformed,
    }
}
