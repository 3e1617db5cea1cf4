//! An issuer of tokens, which listens on a port of this machine.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use data_encoding::BASE64URL_NOPAD;
use fleetgrant::access::OidcVerifier;
use fleetgrant::config::{Oidc, RoleHere};
use fleetgrant_core::domain::Role;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::Algorithm;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::AUDIENCE;
use crate::api::{NOW, Served};

const RSA: &[u8] = include_bytes!("../../../src/pki/forge/rsa-2048.pkcs8.der");

/// An issuer on a real port, with a key for each algorithm.
pub(super) struct Issuer {
    pub(super) url: String,
    pub(super) shows: Arc<Mutex<Shown>>,
    random: SystemRandom,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    rsa: RsaKeyPair,
}

/// What it shows to whoever asks.
pub(super) struct Shown {
    pub(super) discovery: Value,
    pub(super) keys: Value,
    asked: usize,
    pub(super) is_up: bool,
    /// How long it takes to answer.
    pub(super) takes: Duration,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/realms/acme", listener.local_addr().unwrap());
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random);
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let issuer = Self {
            shows: Arc::new(Mutex::new(Shown {
                discovery: json!({"issuer": url, "jwks_uri": format!("{url}/keys"), "other": 1}),
                keys: Value::Null,
                asked: 0,
                is_up: true,
                takes: Duration::ZERO,
            })),
            url,
            random,
            ec: ec.unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            rsa: RsaKeyPair::from_pkcs8(RSA).unwrap(),
        };
        issuer.shows.lock().unwrap().keys = issuer.keys("");
        let shows = Arc::clone(&issuer.shows);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shows = Arc::clone(&shows);
                let service = service_fn(move |request| answer(Arc::clone(&shows), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        issuer
    }

    /// Its keys, their names ending so.
    pub(super) fn keys(&self, end: &str) -> Value {
        let point = self.ec.public_key().as_ref();
        let rsa = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        json!({"keys": [
            {"kty": "RSA", "kid": format!("rsa{end}"), "use": "sig", "alg": "RS256", "n": b64(&rsa.n), "e": b64(&rsa.e)},
            {"kty": "EC", "kid": format!("ec{end}"), "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])},
            {"kty": "OKP", "kid": format!("ed{end}"), "crv": "Ed25519", "x": b64(self.ed.public_key().as_ref())},
            {"kty": "RSA", "kid": format!("enc{end}"), "use": "enc", "n": b64(&rsa.n), "e": b64(&rsa.e)},
            {"kty": "oct", "kid": format!("oct{end}"), "k": b64(b"a secret that is shared with all")},
            {"kty": "new", "kid": format!("new{end}")},
        ]})
    }

    pub(super) fn claims(&self) -> Value {
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "248289761001",
            "iat": NOW.seconds() - 10, "exp": NOW.seconds() + 600,
            "roles": ["fleet-admins", "printers"],
        })
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = match header["alg"].as_str().unwrap_or_default() {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                let bytes = message.as_bytes();
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &self.random, bytes, &mut signature)
                    .unwrap();
                signature
            }
            "ES256" => {
                let signed = self.ec.sign(&self.random, message.as_bytes());
                signed.unwrap().as_ref().to_vec()
            }
            "EdDSA" => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
            "HS256" => {
                // With a public key as the secret: what mistakes one for the other takes it.
                let key = self.ec.public_key().as_ref();
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
                ring::hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.sign(
            &json!({"alg": "ES256", "kid": "ec", "typ": "at+jwt"}),
            claims,
        )
    }

    pub(super) fn asked(&self) -> usize {
        self.shows.lock().unwrap().asked
    }

    pub(super) fn config(&self) -> Oidc {
        Oidc {
            issuer: self.url.clone(),
            audience: AUDIENCE.to_owned(),
            clients: Vec::new(),
            roles_claim: vec!["roles".to_owned()],
            roles: BTreeMap::from([
                ("fleet-admins".to_owned(), Role::Admin.into()),
                ("auditors".to_owned(), Role::Auditor.into()),
                of_line("pump-desk", Role::Support, "pumps"),
                of_line("pump-figures", Role::Auditor, "pumps"),
                of_line("valve-desk", Role::Support, "valves"),
            ]),
            algorithms: vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            leeway: Duration::from_secs(30),
            roots: None,
        }
    }

    pub(super) async fn serve(&self, config: &Oidc) -> Served {
        Served::with_people(Some(OidcVerifier::new(config).unwrap())).await
    }
}

fn of_line(value: &str, role: Role, line: &str) -> (String, RoleHere) {
    let product_line = Some(line.to_owned());
    (value.to_owned(), RoleHere { role, product_line })
}

async fn answer(
    shows: Arc<Mutex<Shown>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let takes = {
        let mut shows = shows.lock().unwrap();
        shows.asked += 1;
        shows.takes
    };
    tokio::time::sleep(takes).await;
    let shows = shows.lock().unwrap();
    let body = match request.uri().path() {
        _ if !shows.is_up => None,
        "/realms/acme/.well-known/openid-configuration" => Some(&shows.discovery),
        "/realms/acme/keys" => Some(&shows.keys),
        _ => None,
    };
    let response = match body {
        Some(body) => Response::new(Body::from(body.to_string())),
        None => Response::builder().status(503).body(Body::empty()).unwrap(),
    };
    Ok(response)
}
