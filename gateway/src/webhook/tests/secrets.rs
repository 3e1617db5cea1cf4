//! What messages are signed with: replaced, sealed, and lost.

use std::time::Duration;

use fleetgrant_core::event::EventKind;

use super::endpoint::Endpoint;
use super::scene::{NOW, Scene};
use super::{MINUTE, ONE, OTHER, created};
use crate::store::webhook as store;
use crate::webhook::{NewWebhook, Sender, Vault, VaultError, WebhookError, create, rotate};

#[tokio::test]
async fn for_a_while_both_secrets_sign() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    let made = scene.webhook(&endpoint.url("/"), created()).await;
    let former = made.secret.to_string();
    let hour = Duration::from_secs(3_600);
    let vault = Vault::new(scene.config.sealing_key.clone());
    let made = scene
        .act(move |db, name, now| rotate(db, name, hour, &vault, "tester", now))
        .await
        .unwrap();
    let new = made.secret.to_string();
    assert_ne!(former, new);
    scene.happens(ONE, EventKind::PartyCreated).await;
    endpoint.received(1).await[0].is_signed_by(&[&new, &former], NOW.seconds());
    scene.hands.advance(hour);
    scene.happens(OTHER, EventKind::PartyCreated).await;
    endpoint.received(2).await[1].is_signed_by(&[&new], NOW.seconds() + 3_600);
}

/// What a version before kept in clear is sealed at the start, and signs as before.
#[tokio::test]
async fn secrets_from_before_are_sealed_and_sign_as_before() {
    let endpoint = Endpoint::start().await;
    let mut scene = Scene::start().await;
    let made = scene.webhook(&endpoint.url("/"), created()).await;
    scene.crash().await;
    let (secret, id) = (made.secret.clone(), made.webhook.id);
    let kept = async |scene: &Scene| {
        let found = scene.read(move |db| store::find(db, id)).await;
        found.unwrap().secret
    };
    assert_eq!(kept(&scene).await.len(), 64);
    let clear = secret.bytes().to_vec();
    scene
        .write(move |db| {
            let mut webhook = store::find(db, id)?.unwrap();
            webhook.secret.clone_from(&clear);
            store::save(db, &webhook)
        })
        .await;
    scene.dispatch();
    scene.happens(ONE, EventKind::PartyCreated).await;
    endpoint.received(1).await[0].is_signed_by(&[&secret.to_string()], NOW.seconds());
    assert_eq!(kept(&scene).await.len(), 64);
}

/// Without the key nothing is signed, and no second key is made; a rotation makes one.
#[tokio::test]
async fn a_webhook_whose_key_is_lost_is_rotated() {
    let endpoint = Endpoint::start().await;
    let mut scene = Scene::start().await;
    let made = scene.webhook(&endpoint.url("/"), created()).await;
    scene.crash().await;
    std::fs::remove_file(&scene.config.sealing_key).unwrap();
    scene.dispatch();
    scene.happens(ONE, EventKind::PartyCreated).await;
    let mut problem = None;
    for _ in 0..400 {
        problem = scene
            .messages("erp")
            .await
            .pop()
            .and_then(|message| message.problem);
        if problem.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(
        problem.as_deref().unwrap().contains("is not there"),
        "{problem:?}"
    );
    let sender = Sender::new(&scene.config).unwrap();
    let new = NewWebhook {
        name: "crm".parse().unwrap(),
        url: endpoint.url("/"),
        wanted: created(),
        party: None,
        product_line: None,
    };
    let refused = scene
        .write(move |db| Ok(create(db, &new, &sender, "tester", NOW).map(drop)))
        .await;
    assert!(matches!(
        refused,
        Err(WebhookError::Vault(VaultError::Missing { .. }))
    ));
    assert!(!scene.config.sealing_key.exists());
    assert_eq!(endpoint.count(), 0);
    let vault = Vault::new(scene.config.sealing_key.clone());
    let rotated = scene
        .act(move |db, name, now| rotate(db, name, MINUTE, &vault, "tester", now))
        .await
        .unwrap();
    assert_ne!(rotated.secret, made.secret);
    // What cannot be opened signs no more.
    assert_eq!(rotated.webhook.former_secret, None);
    scene.hands.advance(MINUTE);
    endpoint.received(1).await[0].is_signed_by(&[&rotated.secret.to_string()], NOW.seconds() + 60);
}
