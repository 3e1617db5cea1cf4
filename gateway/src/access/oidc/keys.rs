//! The issuer's keys: where its discovery document says, remembered, and fetched again when a token
//! names one that is not known.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::TokenError;
use crate::outgoing::{Outgoing, Reach, Target};

/// How long keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(3_600);
/// How long they are used where they cannot be: a key that was withdrawn is good no longer.
const STALE: Duration = Duration::from_secs(24 * 3_600);
/// The time between two attempts: unknown keys in tokens must not make the gateway ask and ask.
const PAUSE: Duration = Duration::from_secs(30);
/// Keys of an issuer, at most.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    outgoing: Outgoing,
    /// The time between two attempts.
    pub(super) pause: Duration,
    known: RwLock<Option<Arc<Known>>>,
    /// Held by whoever fetches.
    tried: Mutex<Option<Tried>>,
}

#[derive(Debug)]
struct Known {
    keys: Vec<(Option<String>, Algorithm, DecodingKey)>,
    fetched: Instant,
}

/// The last attempt to fetch them.
#[derive(Clone, Debug)]
struct Tried {
    at: Instant,
    problem: Option<String>,
}

/// What is read of a discovery document (OpenID Connect Discovery section 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Keys {
    pub(super) fn new(issuer: String, outgoing: Outgoing) -> Self {
        Self {
            issuer,
            outgoing,
            pause: PAUSE,
            known: RwLock::default(),
            tried: Mutex::default(),
        }
    }

    /// The key of this name for this algorithm; without a name, the only one there is.
    pub(super) async fn find(
        &self,
        name: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, TokenError> {
        let known = self.known();
        let found = known.as_ref().and_then(|known| known.find(name, algorithm));
        match (found, &known) {
            (Some(key), Some(known)) if known.fetched.elapsed() < FRESH => Ok(key),
            (Some(key), Some(known)) => {
                // One request refreshes them; the others go on meanwhile.
                if let Ok(mut tried) = self.tried.try_lock() {
                    self.refresh(&mut tried).await;
                    return self.found(name, algorithm, tried.clone());
                }
                if known.fetched.elapsed() < STALE {
                    Ok(key)
                } else {
                    Err(TokenError::Unavailable("they are being fetched".to_owned()))
                }
            }
            _ => {
                let mut tried = self.tried.lock().await;
                // Somebody may have fetched them while this waited.
                self.refresh_unless(&mut tried, name, algorithm).await;
                self.found(name, algorithm, tried.clone())
            }
        }
    }

    async fn refresh_unless(
        &self,
        tried: &mut Option<Tried>,
        name: Option<&str>,
        algorithm: Algorithm,
    ) {
        let known = self.known();
        let is_there = known.is_some_and(|known| known.find(name, algorithm).is_some());
        if !is_there {
            self.refresh(tried).await;
        }
    }

    /// What there is after an attempt.
    fn found(
        &self,
        name: Option<&str>,
        algorithm: Algorithm,
        tried: Option<Tried>,
    ) -> Result<DecodingKey, TokenError> {
        let problem = tried.and_then(|tried| tried.problem);
        match (self.known(), problem) {
            (Some(known), _) if known.fetched.elapsed() < STALE => {
                known.find(name, algorithm).ok_or(TokenError::UnknownKey)
            }
            (_, problem) => Err(TokenError::Unavailable(problem.unwrap_or_default())),
        }
    }

    fn known(&self) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Fetches the keys, unless that was tried a moment ago.
    async fn refresh(&self, tried: &mut Option<Tried>) {
        if tried
            .as_ref()
            .is_some_and(|tried| tried.at.elapsed() < self.pause)
        {
            return;
        }
        // Noted before: whoever asked may go away meanwhile, and come again at once.
        *tried = Some(Tried {
            at: Instant::now(),
            problem: Some("they are being fetched".to_owned()),
        });
        let fetched = self.fetch().await;
        let outcome = if fetched.is_ok() { "ok" } else { "failed" };
        metrics::counter!("fleetgrant_oidc_fetches_total", "outcome" => outcome).increment(1);
        let problem = match fetched {
            Ok(keys) => {
                let known = Known {
                    keys,
                    fetched: Instant::now(),
                };
                let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
                *place = Some(Arc::new(known));
                None
            }
            Err(problem) => {
                tracing::warn!(
                    issuer = self.issuer,
                    problem,
                    "the issuer's keys cannot be had"
                );
                Some(problem)
            }
        };
        *tried = Some(Tried {
            at: Instant::now(),
            problem,
        });
    }

    async fn fetch(&self) -> Result<Vec<(Option<String>, Algorithm, DecodingKey)>, String> {
        let base = self.issuer.trim_end_matches('/');
        let address = format!("{base}/.well-known/openid-configuration");
        let discovery: Discovery = self.get(&address).await?;
        // Otherwise one issuer could speak for another (section 4.3).
        if discovery.issuer != self.issuer {
            return Err(format!(
                "{address} is about the issuer {:?}",
                discovery.issuer
            ));
        }
        let set: JwkSet = self.get(&discovery.jwks_uri).await?;
        let keys: Vec<_> = set.keys.iter().take(MOST).filter_map(usable).collect();
        if keys.is_empty() {
            return Err(format!("{} has no key of use", discovery.jwks_uri));
        }
        Ok(keys)
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, String> {
        let told = |problem: String| format!("{address}: {problem}");
        let target = secured(address).map_err(told)?;
        let answer = self
            .outgoing
            .send(&target, Request::new(Full::new(Bytes::new())));
        let answer = answer.await.map_err(|error| told(error.to_string()))?;
        if answer.status != StatusCode::OK || !answer.is_whole {
            return Err(told(format!("answered {}, or too much", answer.status)));
        }
        serde_json::from_slice(&answer.body).map_err(|error| told(error.to_string()))
    }
}

/// Whoever is between could give keys of its own, so there is TLS, but for this machine.
pub(crate) fn secured(address: &str) -> Result<Target, String> {
    let target = Reach::anywhere()
        .target(address)
        .map_err(|error| error.to_string())?;
    if target.is_secure_or_local() {
        Ok(target)
    } else {
        Err("only https is asked, but for this machine itself".to_owned())
    }
}

impl Known {
    fn find(&self, name: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|(own, of, _)| {
            *of == algorithm && name.is_none_or(|name| own.as_deref() == Some(name))
        });
        let first = fitting.next()?;
        // Without a name it must be clear which.
        (name.is_some() || fitting.next().is_none()).then(|| first.2.clone())
    }
}

/// A key for signatures of a kind that is checked here.
fn usable(jwk: &Jwk) -> Option<(Option<String>, Algorithm, DecodingKey)> {
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let named = common.key_algorithm.map(|named| named.to_string());
    if named.is_some_and(|named| named != format!("{algorithm:?}")) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((common.key_id.clone(), algorithm, key))
}
