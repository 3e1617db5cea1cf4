//! What is sent once more, and what is forgotten.

use std::time::Duration;

use fleetgrant_core::domain::PartyId;
use fleetgrant_core::event::EventKind;
use fleetgrant_core::webhook::DeliveryStep;

use super::endpoint::Endpoint;
use super::scene::{NOW, Scene};
use super::{MINUTE, ONE, OTHER, created};
use crate::history::subject::{self, Subject};
use crate::store::column::Octets;
use crate::store::event;
use crate::store::party;
use crate::store::webhook::{self as store, Wanted};
use crate::webhook::{Replay, pause, remove, replay, resume};

#[tokio::test]
async fn a_replay_brings_what_was_before_the_webhook_and_of_its_party_only() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::with_samples().await;
    let party = scene.party("C-200").await;
    let made = scene
        .webhook_of(&endpoint.url("/"), Wanted::All, party)
        .await;
    let all = Replay::Since {
        since: NOW.minus_seconds(60),
        delivered: false,
    };
    scene
        .act(move |db, name, now| replay(db, name, &all, "tester", now))
        .await
        .unwrap();
    let expected = scene
        .read(move |db| {
            let mut count = 0;
            for part in subject::parts(db, &Subject::Party(party))? {
                if part.only.is_empty() {
                    count += event::of_named_stream(db, &part.stream)?.len();
                }
            }
            Ok(count)
        })
        .await;
    assert!(expected > 5, "{expected}");
    scene
        .settles("erp", DeliveryStep::Delivered, expected)
        .await;
    let replayed = scene.named("erp").await;
    assert_eq!(replayed.replay_since, None);
    assert_eq!(replayed.id, made.webhook.id);
}

#[tokio::test]
async fn a_webhook_that_waits_is_resumed_where_it_stopped_and_removed_with_all_it_has() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    let made = scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    endpoint.received(1).await;
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
    scene
        .act(|db, name, now| pause(db, name, "tester", now))
        .await
        .unwrap();
    let twice = scene
        .act(|db, name, now| pause(db, name, "tester", now))
        .await;
    assert_eq!(
        twice.unwrap_err().to_string(),
        "the webhook erp is paused already"
    );
    scene.happens(OTHER, EventKind::PartyCreated).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(endpoint.count(), 1);
    scene
        .act(|db, name, now| resume(db, name, "tester", now))
        .await
        .unwrap();
    let got = endpoint.received(2).await;
    assert_eq!(got[1].json()["data"]["stream"], OTHER.to_string());
    scene.settles("erp", DeliveryStep::Delivered, 2).await;
    assert_eq!(endpoint.count(), 2, "what was delivered was sent again");
    scene
        .act(|db, name, now| remove(db, name, "tester", now))
        .await
        .unwrap();
    scene.happens(ONE, EventKind::PartyCreated).await;
    let left = scene
        .read(move |db| {
            let inbox = store::inbox(db, 10)?.len();
            Ok((
                inbox,
                store::waiting(db, made.webhook.id, DeliveryStep::Delivered)?,
            ))
        })
        .await;
    assert_eq!(left, (0, 0));
}

#[tokio::test]
async fn what_was_settled_long_ago_is_forgotten() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
    let forgotten = scene
        .write(|db| {
            let none = store::forget_settled(db, NOW)?;
            Ok((none, store::forget_settled(db, NOW.plus_seconds(1))?))
        })
        .await;
    assert_eq!(forgotten, (0, 1));
}

#[tokio::test]
async fn a_replay_does_not_send_again_what_was_sent_and_is_forgotten() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    // Before the webhook, so never sent.
    scene.happens(ONE, EventKind::PartyCreated).await;
    scene.hands.advance(MINUTE);
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    scene.hands.advance(MINUTE);
    scene.happens(OTHER, EventKind::PartyCreated).await;
    scene.settles("erp", DeliveryStep::Delivered, 2).await;
    let forget = async || {
        let forgotten = scene.write(|db| store::forget_settled(db, NOW.plus_seconds(100_000)));
        forgotten.await
    };
    assert_eq!(forget().await, 2);
    scene.hands.advance(MINUTE);
    let since = async |delivered: bool| {
        let all = Replay::Since {
            since: NOW.minus_seconds(60),
            delivered,
        };
        let done = scene.act(move |db, name, now| replay(db, name, &all, "tester", now));
        done.await.unwrap();
    };
    since(false).await;
    let got = endpoint.received(3).await;
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
    assert!(
        got[..2].iter().all(|sent| sent.id() != got[2].id()),
        "what was sent was sent again"
    );
    // That one is forgotten too, and all of them are sent to whoever says so.
    assert_eq!(forget().await, 1);
    since(false).await;
    scene.happens(OTHER, EventKind::PartyCreated).await;
    endpoint.received(4).await;
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
    assert_eq!(endpoint.count(), 4);
    since(true).await;
    scene.settles("erp", DeliveryStep::Delivered, 4).await;
    assert_eq!(endpoint.count(), 8);
}

#[tokio::test]
async fn what_happened_while_it_waited_is_sent_though_a_replay_skips_what_is_forgotten() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
    scene
        .act(|db, name, now| pause(db, name, "tester", now))
        .await
        .unwrap();
    let forgotten = scene.write(|db| store::forget_settled(db, NOW.plus_seconds(100_000)));
    assert_eq!(forgotten.await, 1);
    // In the same instant as what is forgotten.
    scene.happens(OTHER, EventKind::PartyCreated).await;
    let all = Replay::Since {
        since: NOW.minus_seconds(60),
        delivered: false,
    };
    scene
        .act(move |db, name, now| replay(db, name, &all, "tester", now))
        .await
        .unwrap();
    scene
        .act(|db, name, now| resume(db, name, "tester", now))
        .await
        .unwrap();
    // The quarter of an hour before the pause is gone through again, sent or not.
    let got = endpoint.received(3).await;
    let streams: Vec<_> = got
        .iter()
        .map(|sent| sent.json()["data"]["stream"].clone())
        .collect();
    assert!(streams.contains(&OTHER.to_string().into()), "{streams:?}");
}

impl Scene {
    async fn party(&self, external_id: &'static str) -> PartyId {
        let found = self
            .read(move |db| party::by_external_id(db, "erp", external_id))
            .await;
        let Octets(id) = found.unwrap().id;
        id
    }
}
