//! People with tokens of an issuer: who is let in, and every way in which a token is refused.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use data_encoding::BASE64URL_NOPAD;
use fleetgrant::access::OidcVerifier;
use fleetgrant::config::{Oidc, RoleHere};
use fleetgrant::store::event::{self, Stream};
use fleetgrant::store::webhook;
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

use crate::api::{Answer, NOW, Served};

const KEY: &str = "/api/v1/key";
const AUDIENCE: &str = "fleetgrant";
const RSA: &[u8] = include_bytes!("../../src/pki/forge/rsa-2048.pkcs8.der");

/// An issuer on a real port, with a key for each algorithm.
struct Issuer {
    url: String,
    shows: Arc<Mutex<Shown>>,
    random: SystemRandom,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    rsa: RsaKeyPair,
}

/// What it shows to whoever asks.
struct Shown {
    discovery: Value,
    keys: Value,
    asked: usize,
    is_up: bool,
    /// How long it takes to answer.
    takes: Duration,
}

impl Issuer {
    async fn start() -> Self {
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
    fn keys(&self, end: &str) -> Value {
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

    fn claims(&self) -> Value {
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "248289761001",
            "iat": NOW.seconds() - 10, "exp": NOW.seconds() + 600,
            "roles": ["fleet-admins", "printers"],
        })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
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

    fn token(&self, claims: &Value) -> String {
        self.sign(
            &json!({"alg": "ES256", "kid": "ec", "typ": "at+jwt"}),
            claims,
        )
    }

    fn asked(&self) -> usize {
        self.shows.lock().unwrap().asked
    }

    fn config(&self) -> Oidc {
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

    async fn serve(&self, config: &Oidc) -> Served {
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

#[tokio::test]
async fn people_are_let_in_by_each_way_of_signing_with_the_roles_they_have() {
    let issuer = Issuer::start().await;
    let api = issuer.serve(&issuer.config()).await;
    for (alg, kid) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let token = issuer.sign(&json!({"alg": alg, "kid": kid}), &issuer.claims());
        let answer = api.get_as(&token, KEY).await;
        assert_eq!(answer.status, 200, "{alg}: {answer:?}");
        let key = answer.json();
        assert_eq!(key["name"], format!("{} 248289761001", issuer.url));
        assert_eq!(key["roles"], json!(["admin"]));
        assert_eq!(key["expires_at"], "2027-01-15T08:10:00Z");
    }
    assert_eq!(issuer.asked(), 2, "keys are fetched once");
    let mut claims = issuer.claims();
    claims["roles"] = json!("auditors printers");
    let auditor = issuer.token(&claims);
    assert_eq!(api.get_as(&auditor, "/api/v1/events").await.status, 200);
    let hooks = api.post(&auditor, "1", "/api/v1/webhooks", ("", "")).await;
    hooks.is_problem(403, "forbidden");
}

#[tokio::test]
async fn every_token_that_is_not_good_here_is_refused_with_the_reason() {
    let issuer = Issuer::start().await;
    let api = issuer.serve(&issuer.config()).await;
    let now = NOW.seconds();
    let with = |name: &str, value: Value| {
        let mut claims = issuer.claims();
        claims[name] = value;
        issuer.token(&claims)
    };
    let without = |name: &str| {
        let mut claims = issuer.claims();
        claims.as_object_mut().unwrap().remove(name);
        issuer.token(&claims)
    };
    let signed = |header: Value| issuer.sign(&header, &issuer.claims());
    let good = issuer.token(&issuer.claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    let other = issuer.token(&json!({"a": 1}));
    let (_, signature) = other.rsplit_once('.').unwrap();
    let (refused, expired) = ("token-refused", "token-expired");
    for (token, kind, told) in [
        (
            format!("{message}.{signature}"),
            refused,
            "signature is wrong",
        ),
        (format!("{message}."), refused, "signature is wrong"),
        (
            signed(json!({"alg": "none", "kid": "ec"})),
            refused,
            "no signed JWT",
        ),
        (
            signed(json!({"alg": "HS256", "kid": "ec"})),
            refused,
            "signed by HS256",
        ),
        (
            signed(json!({"alg": "RS256", "kid": "ec"})),
            refused,
            "no key",
        ),
        (
            signed(json!({"alg": "RS256", "kid": "enc"})),
            refused,
            "no key",
        ),
        (
            signed(json!({"alg": "ES256", "kid": "unknown"})),
            refused,
            "no key",
        ),
        (
            signed(json!({"alg": "ES256", "kid": "ec", "typ": "logout+jwt"})),
            refused,
            "its type",
        ),
        (
            signed(json!({"alg": "ES256", "kid": "ec", "crit": ["x"], "x": 1})),
            refused,
            "no signed JWT",
        ),
        (
            signed(json!({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": false})),
            refused,
            "no signed JWT",
        ),
        ("a.b.c".to_owned(), refused, "no signed JWT"),
        (
            format!("{good}{}", "A".repeat(8_192)),
            refused,
            "no signed JWT",
        ),
        (
            with("iss", json!("https://other.example/")),
            refused,
            "another issuer",
        ),
        (
            with("iss", json!(format!("{}/", issuer.url))),
            refused,
            "another issuer",
        ),
        (without("iss"), refused, "lacks one of the claims"),
        (with("aud", json!("shop")), refused, "another audience"),
        (with("aud", json!([])), refused, "another audience"),
        (without("aud"), refused, "is missing"),
        (
            with("aud", json!([AUDIENCE, "shop"])),
            refused,
            "whom it was given to",
        ),
        (without("sub"), refused, "is missing"),
        (with("sub", json!("")), refused, "its subject"),
        (with("sub", json!("a\nb")), refused, "its subject"),
        (with("sub", json!("x".repeat(256))), refused, "its subject"),
        (without("exp"), refused, "is missing"),
        (with("exp", json!("tomorrow")), refused, "another type"),
        (with("exp", json!(-1)), refused, "another type"),
        (with("exp", json!(now - 30)), expired, "sign in again"),
        (with("nbf", json!(now + 31)), refused, "is good from"),
        (with("iat", json!(now + 31)), refused, "is good from"),
    ] {
        let answer = api.get_as(&token, KEY).await;
        answer.is_problem(401, kind);
        assert!(answer.body.contains(told), "{told}: {answer:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    for claims in [
        json!([]),
        json!(["printers"]),
        json!(7),
        json!({"a": "fleet-admins"}),
    ] {
        let answer = api.get_as(&with("roles", claims), KEY).await;
        answer.is_problem(403, "forbidden");
    }
    // Within the leeway, and with what says whom it was given to.
    for token in [
        with("exp", json!(now - 29)),
        with("exp", json!(now as f64 + 0.5)),
        with("nbf", json!(now + 30)),
        with("aud", json!([AUDIENCE])),
    ] {
        assert_eq!(api.get_as(&token, KEY).await.status, 200);
    }
}

#[tokio::test]
async fn people_of_a_product_line_see_what_belongs_to_it() {
    let issuer = Issuer::start().await;
    let people = OidcVerifier::new(&issuer.config()).unwrap();
    let api = Served::with_people_of(people, &["pumps", "valves"]).await;
    let token = |roles: &[&str]| {
        let mut claims = issuer.claims();
        claims["roles"] = json!(roles);
        issuer.token(&claims)
    };
    let desk = token(&["pump-desk", "printers"]);
    let early = api.get_as(&desk, KEY).await;
    early.is_problem(403, "forbidden");
    assert!(
        early
            .body
            .contains("nothing is known of the product line pumps yet"),
        "{early:?}"
    );

    let devices = "serial,product_line\npump-1,pumps\nvalve-1,valves\n";
    let admin = token(&["fleet-admins"]);
    let manifest = "/api/v1/imports/manifest";
    let imported = api.post(&admin, "m", manifest, ("text/csv", devices)).await;
    assert_eq!(imported.status, 200, "{imported:?}");
    let told = api.get_as(&desk, KEY).await.json();
    assert_eq!(
        (&told["roles"], &told["product_line"]),
        (&json!(["support"]), &json!("pumps"))
    );
    let listed = api.get_as(&desk, "/api/v1/devices").await.json();
    let ids: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["id"])
        .collect();
    assert_eq!(ids, ["pump-pump-1"]);
    for (path, status, kind) in [
        ("/api/v1/devices/valve-valve-1", 404, "not-found"),
        (
            "/api/v1/reports/stuck?product_line=valves",
            400,
            "bad-query",
        ),
        ("/api/v1/reports/activation", 403, "forbidden"),
        ("/api/v1/stations", 403, "forbidden"),
    ] {
        api.get_as(&desk, path).await.is_problem(status, kind);
    }
    // Roles for one line go together, and a report is of it.
    let figures = token(&["pump-desk", "pump-figures"]);
    let report = api
        .get_as(&figures, "/api/v1/reports/activation")
        .await
        .json();
    assert_eq!(report["devices"], json!({"expected": 1}));
    // Who has one for all lines has that, and not what they may do to one of them.
    let both = token(&["pump-desk", "auditors"]);
    let told = api.get_as(&both, KEY).await.json();
    assert_eq!(
        (&told["roles"], &told["product_line"]),
        (&json!(["auditor"]), &Value::Null)
    );
    // Of two lines nobody is.
    let torn = api.get_as(&token(&["pump-desk", "valve-desk"]), KEY).await;
    torn.is_problem(403, "forbidden");
    assert!(
        torn.body.contains("the product lines pumps and valves"),
        "{torn:?}"
    );
}

#[tokio::test]
async fn a_token_that_was_given_to_another_program_is_refused() {
    let issuer = Issuer::start().await;
    let config = Oidc {
        clients: vec!["console".to_owned()],
        roles_claim: vec!["realm_access".to_owned(), "roles".to_owned()],
        ..issuer.config()
    };
    let api = issuer.serve(&config).await;
    let given_to = |name: &str, client: &str| {
        let mut claims = issuer.claims();
        claims[name] = json!(client);
        claims["aud"] = json!([AUDIENCE, "shop"]);
        claims["realm_access"] = json!({"roles": ["auditors"]});
        issuer.token(&claims)
    };
    for (name, client) in [
        ("azp", "console"),
        ("client_id", "console"),
        ("azp", AUDIENCE),
    ] {
        let answer = api.get_as(&given_to(name, client), KEY).await;
        assert_eq!(answer.json()["roles"], json!(["auditor"]), "{answer:?}");
    }
    let answer = api.get_as(&given_to("azp", "shop"), KEY).await;
    answer.is_problem(401, "token-refused");
    let nobody = api.get_as(&given_to("x", "console"), KEY).await;
    nobody.is_problem(401, "token-refused");
}

#[tokio::test]
async fn new_keys_are_fetched_and_unknown_ones_do_not_make_it_ask_and_ask() {
    let issuer = Issuer::start().await;
    let verifier = OidcVerifier::new(&issuer.config()).unwrap();
    let api = Served::with_people(Some(verifier.fetching_every(Duration::from_millis(400)))).await;
    let by = |kid: &str| issuer.sign(&json!({"alg": "ES256", "kid": kid}), &issuer.claims());
    assert_eq!(api.get_as(&by("ec"), KEY).await.status, 200);
    for _ in 0..5 {
        api.get_as(&by("ec-2"), KEY)
            .await
            .is_problem(401, "token-refused");
    }
    assert_eq!(issuer.asked(), 2, "it asks again and again");
    let renamed = issuer.keys("-2");
    issuer.shows.lock().unwrap().keys = renamed;
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(api.get_as(&by("ec-2"), KEY).await.status, 200);
    assert_eq!(issuer.asked(), 4);
    // A key that was withdrawn is good no longer.
    api.get_as(&by("ec"), KEY)
        .await
        .is_problem(401, "token-refused");
}

#[tokio::test]
async fn without_the_issuers_keys_nobody_is_let_in_and_keys_of_the_api_go_on() {
    let issuer = Issuer::start().await;
    issuer.shows.lock().unwrap().is_up = false;
    let api = issuer.serve(&issuer.config()).await;
    let token = issuer.token(&issuer.claims());
    let down = api.get_as(&token, KEY).await;
    down.is_problem(503, "issuer-unavailable");
    let key = api.key(Role::Admin).await;
    assert_eq!(api.get_as(&key, KEY).await.status, 200);

    let liar = Issuer::start().await;
    liar.shows.lock().unwrap().discovery["issuer"] = json!("https://other.example");
    let api = liar.serve(&liar.config()).await;
    let answer = api.get_as(&liar.token(&liar.claims()), KEY).await;
    answer.is_problem(503, "issuer-unavailable");

    // Keys that anybody between could have given.
    let open = Issuer::start().await;
    open.shows.lock().unwrap().discovery["jwks_uri"] = json!("http://192.0.2.1/keys");
    let api = open.serve(&open.config()).await;
    let answer = api.get_as(&open.token(&open.claims()), KEY).await;
    answer.is_problem(503, "issuer-unavailable");
}

#[tokio::test]
async fn what_a_person_does_is_done_once_and_the_history_names_them() {
    let issuer = Issuer::start().await;
    let api = issuer.serve(&issuer.config()).await;
    let token = issuer.token(&issuer.claims());
    let body = r#"{"name":"erp","url":"https://erp.example.com/","all":true}"#;
    let post = async |token: &str| -> Answer {
        let body = ("application/json", body);
        api.post(token, "once", "/api/v1/webhooks", body).await
    };
    assert_eq!(post(&token).await.status, 200);
    let again = post(&token).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    let mut claims = issuer.claims();
    claims["sub"] = json!("somebody-else");
    post(&issuer.token(&claims))
        .await
        .is_problem(409, "refused");
    let actors = api
        .store
        .read("test", |db| {
            let id = webhook::by_name(db, "erp")?.unwrap().id.0;
            let events = event::of_stream(db, Stream::Webhook(id))?;
            Ok(events
                .into_iter()
                .map(|event| event.actor)
                .collect::<Vec<_>>())
        })
        .await
        .unwrap();
    assert_eq!(actors, [format!("{} 248289761001", issuer.url)]);
}

/// Whoever asks with a key that is known waits for no fetch, however slow the issuer is; whoever needs
/// one waits for the one that goes on.
#[tokio::test]
async fn a_slow_issuer_holds_up_only_who_needs_another_key() {
    let issuer = Issuer::start().await;
    let verifier = OidcVerifier::new(&issuer.config()).unwrap();
    let verifier = verifier
        .fetching_every(Duration::ZERO)
        .fresh_for(Duration::from_millis(500));
    let api = Served::with_people(Some(verifier)).await;
    let by = |kid: &str| issuer.sign(&json!({"alg": "ES256", "kid": kid}), &issuer.claims());
    let (known, unknown) = (by("ec"), by("ec-2"));
    assert_eq!(api.get_as(&known, KEY).await.status, 200);
    let key = api.key(Role::Admin).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (slow, asked) = (Duration::from_secs(2), issuer.asked());
    issuer.shows.lock().unwrap().takes = slow;

    let began = Instant::now();
    let waits = async {
        let answer = api.get_as(&unknown, KEY).await;
        (answer.status, began.elapsed())
    };
    let goes_on = async {
        let mut statuses = Vec::new();
        for token in [&known, &key, &known, &known, &key] {
            statuses.push(api.get_as(token, KEY).await.status);
        }
        (statuses, began.elapsed(), issuer.asked())
    };
    let ((refused, waited), (statuses, went_on, meanwhile)) = tokio::join!(waits, goes_on);
    assert_eq!(statuses, [200; 5]);
    assert!(went_on < slow, "{went_on:?}");
    assert_eq!(meanwhile, asked + 1, "two fetches go on at once");
    assert_eq!(refused, 401);
    assert!(waited >= 2 * slow, "{waited:?}");
}

/// An issuer that never answers is given up, also by those that wait together.
#[tokio::test]
async fn an_issuer_that_never_answers_is_given_up() {
    let issuer = Issuer::start().await;
    issuer.shows.lock().unwrap().takes = Duration::from_secs(60);
    let api = issuer.serve(&issuer.config()).await;
    let token = issuer.token(&issuer.claims());
    let began = Instant::now();
    let (one, other) = tokio::join!(api.get_as(&token, KEY), api.get_as(&token, KEY));
    for answer in [one, other] {
        answer.is_problem(503, "issuer-unavailable");
        assert!(answer.body.contains("no answer within"), "{answer:?}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(issuer.asked(), 1);
}
