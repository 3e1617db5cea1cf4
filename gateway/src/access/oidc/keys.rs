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
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::TokenError;
use crate::outgoing::{Outgoing, Reach, Target};

/// How long keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(3_600);
/// How long they are used where they cannot be: a key that was withdrawn is good no longer.
const STALE: Duration = Duration::from_secs(24 * 3_600);
/// The time between two attempts: unknown keys in tokens must not make the gateway ask and ask.
const PAUSE: Duration = Duration::from_secs(30);
/// How long it may take to fetch them, the discovery document among it.
const LONGEST: Duration = Duration::from_secs(8);
/// Keys of an issuer, at most.
const MOST: usize = 64;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The time between two attempts.
    pub(super) pause: Duration,
    /// How long keys are used before they are fetched again.
    pub(super) fresh: Duration,
    issuer: Arc<Issuer>,
}

#[derive(Debug)]
struct Issuer {
    name: String,
    outgoing: Outgoing,
    known: RwLock<Option<Arc<Known>>>,
    /// Held while they are fetched, so that one fetch goes on at a time.
    tried: Arc<Mutex<Option<Tried>>>,
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
            pause: PAUSE,
            fresh: FRESH,
            issuer: Arc::new(Issuer {
                name: issuer,
                outgoing,
                known: RwLock::default(),
                tried: Arc::default(),
            }),
        }
    }

    /// The key of this name for this algorithm; without a name, the only one there is.
    ///
    /// Who needs a key that is known does not wait for others to be fetched.
    pub(super) async fn find(
        &self,
        name: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, TokenError> {
        let known = self.issuer.known();
        let Some((key, fetched)) = known
            .and_then(|known| Some((known.find(name, algorithm)?, known.fetched)))
            .filter(|(_, fetched)| fetched.elapsed() < STALE)
        else {
            return self.find_anew(name, algorithm).await;
        };
        if fetched.elapsed() >= self.fresh
            && let Ok(tried) = Arc::clone(&self.issuer.tried).try_lock_owned()
        {
            drop(self.refresh(tried));
        }
        Ok(key)
    }

    /// The key, once the issuer was asked for it.
    async fn find_anew(
        &self,
        name: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, TokenError> {
        let tried = Arc::clone(&self.issuer.tried).lock_owned().await;
        // Somebody may have fetched them while this waited.
        if let Ok(key) = self.issuer.found(name, algorithm, None) {
            return Ok(key);
        }
        let problem = self.refresh(tried).await.unwrap_or_else(|error| {
            // It has panicked.
            tracing::error!(%error, "the issuer's keys were not fetched");
            Some("they are fetched again in a moment".to_owned())
        });
        self.issuer.found(name, algorithm, problem)
    }

    /// Fetches the keys, unless that was tried a moment ago; what was wrong with it. It goes on when
    /// whoever asked has gone.
    fn refresh(&self, mut tried: OwnedMutexGuard<Option<Tried>>) -> JoinHandle<Option<String>> {
        let (issuer, pause) = (Arc::clone(&self.issuer), self.pause);
        tokio::spawn(async move {
            if let Some(tried) = tried.as_ref().filter(|tried| tried.at.elapsed() < pause) {
                return tried.problem.clone();
            }
            let problem = issuer.refresh().await;
            *tried = Some(Tried {
                at: Instant::now(),
                problem: problem.clone(),
            });
            problem
        })
    }
}

impl Issuer {
    /// What there is after an attempt.
    fn found(
        &self,
        name: Option<&str>,
        algorithm: Algorithm,
        problem: Option<String>,
    ) -> Result<DecodingKey, TokenError> {
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

    /// Fetches the keys; what was wrong with it.
    async fn refresh(&self) -> Option<String> {
        let fetched = match tokio::time::timeout(LONGEST, self.fetch()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!(
                "there was no answer within {} s",
                LONGEST.as_secs()
            )),
        };
        let outcome = if fetched.is_ok() { "ok" } else { "failed" };
        metrics::counter!("fleetgrant_oidc_fetches_total", "outcome" => outcome).increment(1);
        match fetched {
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
                    issuer = self.name,
                    problem,
                    "the issuer's keys cannot be had"
                );
                Some(problem)
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<(Option<String>, Algorithm, DecodingKey)>, String> {
        let base = self.name.trim_end_matches('/');
        let address = format!("{base}/.well-known/openid-configuration");
        let discovery: Discovery = self.get(&address).await?;
        // Otherwise one issuer could speak for another (section 4.3).
        if discovery.issuer != self.name {
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
