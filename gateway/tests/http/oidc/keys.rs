//! The issuer's keys: when they are fetched, and what is where they cannot be.

use std::time::{Duration, Instant};

use fleetgrant::access::OidcVerifier;
use fleetgrant_core::domain::Role;
use serde_json::json;

use super::KEY;
use super::issuer::Issuer;
use crate::api::Served;

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
