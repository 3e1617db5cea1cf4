//! The table of roles, against every route.

use fleetgrant::access;
use fleetgrant::http::roles::{ENDPOINTS, Endpoint};
use fleetgrant_core::domain::Role;

use crate::api::Served;

/// A path that could be one, with ids that are well formed and name nothing.
fn path(endpoint: &Endpoint) -> String {
    let segments = endpoint.path.split('/').map(|segment| match segment {
        "{device}" | "{tier}" | "{key}" => "dev-none",
        "{version}" => "1",
        id if id.starts_with('{') => "00000000000000000000000000000000",
        other => other,
    });
    segments.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_lets_in_the_roles_of_the_table_and_nobody_else() {
    let api = Served::with_samples().await;
    let party = api.party("C-200").await;
    for role in Role::ALL {
        let own = role.is_of_a_party().then_some(party);
        let key = api.key_for(*role, own).await;
        for endpoint in ENDPOINTS {
            let answer = api
                .send(&key, endpoint.method.clone(), &path(endpoint))
                .await;
            let told = format!("{role} {} {}: {answer:?}", endpoint.method, endpoint.path);
            assert!(answer.status < 500, "{told}");
            if endpoint.roles.contains(*role) {
                assert!(![401, 403, 405].contains(&answer.status), "{told}");
            } else {
                assert_eq!(answer.status, 403, "{told}");
                answer.is_problem(403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn no_route_answers_without_a_key_that_is_good() {
    let api = Served::start().await;
    let revoked = api.key(Role::Admin).await;
    let name = "admin".parse().unwrap();
    api.store
        .write("test-revoke", move |db| {
            access::revoke(db, &name, "tester", crate::api::NOW).unwrap();
            Ok(())
        })
        .await
        .unwrap();
    let expired = api.key(Role::Operator).await;
    api.hands.advance(crate::api::LIFE);
    for endpoint in ENDPOINTS {
        let path = path(endpoint);
        let request = reqwest::Client::new().request(endpoint.method.clone(), api.url(&path));
        let without = crate::api::Answer::of(request.send().await.unwrap()).await;
        without.is_problem(401, "unauthenticated");
        for (key, kind) in [(&revoked, "key-revoked"), (&expired, "key-expired")] {
            let answer = api.send(key, endpoint.method.clone(), &path).await;
            answer.is_problem(401, kind);
        }
    }
}

#[test]
fn the_table_has_each_route_once_and_admins_everywhere() {
    for (index, endpoint) in ENDPOINTS.iter().enumerate() {
        let others = &ENDPOINTS[index + 1..];
        let again =
            |other: &Endpoint| other.method == endpoint.method && other.path == endpoint.path;
        assert!(!others.iter().any(again), "{endpoint:?}");
        assert!(endpoint.roles.contains(Role::Admin), "{endpoint:?}");
    }
}
