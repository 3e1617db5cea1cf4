//! Refusals that have nothing to do with what a route is for.

use crate::api::{Answer, Served};

#[tokio::test]
async fn an_unknown_address_is_a_problem() {
    let api = Served::start().await;
    let answer = api.get("/api/v1/nothing?x=1").await;
    answer.is_problem(404, "not-found");
    assert!(answer.body.contains("/api/v1/nothing"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let api = Served::start().await;
    let response = reqwest::Client::new()
        .delete(api.url("/healthz"))
        .send()
        .await
        .unwrap();
    let answer = Answer::of(response).await;
    answer.is_problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}
