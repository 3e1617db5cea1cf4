//! People with tokens of an issuer: who is let in, and every way in which a token is refused.

mod issuer;
mod keys;

use fleetgrant::access::OidcVerifier;
use fleetgrant::config::Oidc;
use fleetgrant::store::event::{self, Stream};
use fleetgrant::store::webhook;
use serde_json::{Value, json};

use crate::api::{Answer, NOW, Served};
use issuer::Issuer;

const KEY: &str = "/api/v1/key";
const AUDIENCE: &str = "fleetgrant";

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
