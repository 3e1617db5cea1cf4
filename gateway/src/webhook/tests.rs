//! Webhooks against endpoints that really listen: good, broken, slow and gone.
#![allow(clippy::unwrap_used)]

mod endpoint;
mod replays;
mod scene;
mod secrets;

use std::time::Duration;

use fleetgrant_core::domain::{ApiKeyId, PartyId};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::webhook::{DeliveryStep, WebhookState};

use super::{MessageId, Replay, replay, resume};
use crate::outgoing::Reach;
use crate::store::event::Stream;
use crate::store::webhook::Wanted;
use endpoint::{Endpoint, Say};
use scene::{NOW, Scene, patient};

const ONE: Stream<'static> = Stream::Party(PartyId([1; 16]));
const OTHER: Stream<'static> = Stream::Party(PartyId([2; 16]));
const MINUTE: Duration = Duration::from_secs(60);

fn created() -> Wanted {
    Wanted::Kinds(vec![EventKind::PartyCreated])
}

#[tokio::test]
async fn what_was_chosen_is_sent_and_signed_and_nothing_else() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    let made = scene
        .webhook(&endpoint.url("/hooks?tenant=7"), created())
        .await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    scene.happens(ONE, EventKind::PartyAmended).await;
    scene.happens(OTHER, EventKind::PartyCreated).await;
    let got = endpoint.received(2).await;
    scene.settles("erp", DeliveryStep::Delivered, 2).await;
    for (message, stream) in got.iter().zip([ONE, OTHER]) {
        assert_eq!(message.target, "/hooks?tenant=7");
        message.is_signed_by(&[&made.secret.to_string()], NOW.seconds());
        let says = message.json();
        assert_eq!(says["type"], "party-created");
        assert_eq!(says["timestamp"], "2027-01-15T08:00:00.000000Z");
        assert_eq!(says["data"]["stream"], stream.to_string());
        assert_eq!(says["data"]["seq"], 1);
        assert_eq!(says["data"]["actor"], "tester");
        assert_eq!(says["data"]["body"]["name"], "x");
        assert!(says["data"].get("personal").is_none(), "{says}");
        let id = MessageId::new(
            made.webhook.id.0,
            says["data"]["position"].as_i64().unwrap(),
        );
        assert_eq!(message.id(), id.to_string());
    }
    assert_eq!(endpoint.count(), 2, "the other kind was sent too");
}

/// That nobody listens is remembered between conversations.
#[tokio::test]
async fn a_webhook_hears_what_devices_say_from_then_on() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    scene.is_told(OTHER, EventKind::PartyCreated).await;
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.is_told(ONE, EventKind::PartyCreated).await;
    let got = endpoint.received(1).await;
    assert_eq!(got[0].json()["data"]["stream"], ONE.to_string());
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_with_the_same_name_and_in_order() {
    let endpoint = Endpoint::start().await;
    endpoint.will_say([Say::Status(500), Say::Status(429)]);
    let scene = Scene::start().await;
    let wanted = Wanted::Kinds(vec![EventKind::PartyCreated, EventKind::PartyAmended]);
    scene.webhook(&endpoint.url("/"), wanted).await;
    for kind in [EventKind::PartyCreated, EventKind::PartyAmended] {
        scene.happens(ONE, kind).await;
    }
    let first = endpoint.received(1).await;
    scene.settles("erp", DeliveryStep::Waiting, 2).await;
    scene.attempted("erp", first[0].id(), 1).await;
    // Neither the message nor the rest of its stream goes out before the pause is over.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(endpoint.count(), 1);
    scene.hands.advance(Duration::from_secs(7));
    endpoint.received(2).await;
    scene.attempted("erp", first[0].id(), 2).await;
    scene.hands.advance(2 * MINUTE);
    scene.settles("erp", DeliveryStep::Delivered, 2).await;
    let got = endpoint.received(4).await;
    let kinds: Vec<_> = got
        .iter()
        .map(|message| message.json()["type"].clone())
        .collect();
    let (one, other) = ("party-created", "party-amended");
    assert_eq!(kinds, [one, one, one, other]);
    for again in &got[1..3] {
        assert_eq!((again.id(), &again.body), (got[0].id(), &got[0].body));
        assert_ne!(
            again.signature(),
            got[0].signature(),
            "the instant is signed"
        );
    }
}

#[tokio::test]
async fn what_is_never_taken_is_dead_until_it_is_replayed() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    scene.webhook(&endpoint.url("/"), created()).await;
    endpoint.will_always_say(Say::Status(400));
    scene.happens(ONE, EventKind::PartyCreated).await;
    for attempt in 1..=3 {
        let got = endpoint.received(attempt).await;
        scene.attempted("erp", got[0].id(), attempt as i64).await;
        scene.hands.advance(10 * MINUTE);
    }
    let dead = scene.settles("erp", DeliveryStep::Dead, 1).await;
    assert_eq!(dead[0].status, Some(400));
    assert_eq!(dead[0].problem.as_deref(), Some("no thanks"));
    scene.hands.advance(10 * MINUTE);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(endpoint.count(), 3, "it was sent after it was given up");

    endpoint.will_always_say(Say::Status(204));
    let id = MessageId::new(dead[0].webhook_id.0, dead[0].position);
    let again = Replay::One(id.clone());
    scene
        .act(move |db, name, now| replay(db, name, &again, "tester", now))
        .await
        .unwrap();
    let got = endpoint.received(4).await;
    assert_eq!(got[3].id(), id.to_string());
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
    assert_eq!(scene.named("erp").await.failures, 0);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_and_gets_what_it_missed_when_resumed() {
    let endpoint = Endpoint::start().await;
    let scene = Scene::start().await;
    let made = scene.webhook(&endpoint.url("/"), created()).await;
    endpoint.will_say([Say::Status(410)]);
    scene.happens(ONE, EventKind::PartyCreated).await;
    endpoint.received(1).await;
    let disabled = scene.becomes("erp", WebhookState::Disabled).await;
    assert_eq!(disabled.because.unwrap().0.as_str(), "gone");
    let kinds = scene.kinds(Stream::Webhook(made.webhook.id.0)).await;
    assert_eq!(kinds, ["webhook-created", "webhook-disabled"]);
    scene.hands.advance(MINUTE);
    scene.happens(OTHER, EventKind::PartyCreated).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(endpoint.count(), 1, "it was sent to while it was disabled");
    scene
        .act(|db, name, now| resume(db, name, "tester", now))
        .await
        .unwrap();
    let got = endpoint.received(3).await;
    scene.settles("erp", DeliveryStep::Delivered, 2).await;
    assert_eq!(got[0].id(), got[1].id());
    assert_eq!(got[2].json()["data"]["stream"], OTHER.to_string());
}

#[tokio::test]
async fn an_endpoint_that_fails_for_days_is_disabled() {
    let endpoint = Endpoint::start().await;
    endpoint.will_always_say(Say::HangUp);
    let scene = Scene::start().await;
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    endpoint.received(1).await;
    let waiting = scene.settles("erp", DeliveryStep::Waiting, 1).await;
    let id = MessageId::new(waiting[0].webhook_id.0, waiting[0].position);
    scene.attempted("erp", &id.to_string(), 1).await;
    let failing = scene.named("erp").await;
    assert_eq!(
        (failing.failures, failing.failing_since.unwrap().0),
        (1, NOW)
    );
    scene.hands.advance(Duration::from_secs(86_400));
    let disabled = scene.becomes("erp", WebhookState::Disabled).await;
    assert_eq!(disabled.because.unwrap().0.as_str(), "failing");
}

#[tokio::test]
async fn a_slow_endpoint_holds_up_nobody_else() {
    let (slow, quick) = (Endpoint::start().await, Endpoint::start().await);
    slow.will_always_say(Say::AfterASleep(Duration::from_secs(30)));
    let scene = Scene::start().await;
    scene.named_webhook("slow", &slow.url("/"), created()).await;
    scene
        .named_webhook("quick", &quick.url("/"), created())
        .await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    quick.received(1).await;
    scene.settles("quick", DeliveryStep::Delivered, 1).await;
    let got = slow.received(1).await;
    scene.attempted("slow", got[0].id(), 1).await;
    let waiting = scene.settles("slow", DeliveryStep::Waiting, 1).await;
    let problem = waiting[0].problem.as_deref().unwrap();
    assert_eq!(problem, "there was no answer within 1 s");
}

#[tokio::test]
async fn what_was_under_way_in_a_crash_is_sent_again() {
    let endpoint = Endpoint::start().await;
    endpoint.will_say([Say::AfterASleep(Duration::from_secs(30))]);
    let mut scene = Scene::start().await;
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    let before = endpoint.received(1).await;
    scene.crash().await;
    scene.dispatch();
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(endpoint.count(), 1, "it was sent while it may be under way");
    scene.hands.advance(MINUTE);
    let after = endpoint.received(2).await;
    assert_eq!(before[0].id(), after[1].id());
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
}

#[tokio::test]
async fn two_gateways_on_one_database_send_each_message_once() {
    let endpoint = Endpoint::start().await;
    let mut scene = Scene::start().await;
    scene.dispatch();
    scene.webhook(&endpoint.url("/"), Wanted::All).await;
    for number in 0..40 {
        let stream = Stream::Key(ApiKeyId([number; 16]));
        scene.happens(stream, EventKind::KeyCreated).await;
    }
    scene.settles("erp", DeliveryStep::Delivered, 41).await;
    let mut ids: Vec<_> = endpoint
        .received(41)
        .await
        .iter()
        .map(|message| message.id().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), endpoint.count()), (41, 41));
}

#[tokio::test]
async fn what_only_this_machine_reaches_is_not_sent_to() {
    let endpoint = Endpoint::start().await;
    let mut config = patient();
    // As when it was allowed once, and is not any more; a name hides the address.
    let port = endpoint.address.port();
    let scene = Scene::start().await;
    scene
        .webhook(&format!("http://localhost:{port}/"), created())
        .await;
    scene.stop().await;
    config.reach = Reach {
        plain: true,
        networks: Vec::new(),
    };
    let scene = scene.again(config);
    scene.happens(ONE, EventKind::PartyCreated).await;
    let waiting = scene.fails("erp").await;
    let problem = waiting.problem.unwrap();
    assert!(
        problem.contains("localhost has no address that may be sent to"),
        "{problem}"
    );
    assert_eq!(endpoint.count(), 0);
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let (endpoint, other) = (Endpoint::start().await, Endpoint::start().await);
    endpoint.will_always_say(Say::Redirect(other.url("/")));
    let scene = Scene::start().await;
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    let waiting = scene.fails("erp").await;
    assert_eq!(waiting.status, Some(307));
    assert!(waiting.problem.unwrap().contains("is not followed"));
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn an_answer_of_any_length_is_taken_and_not_read_to_its_end() {
    let endpoint = Endpoint::start().await;
    endpoint.will_say([Say::Endless]);
    let scene = Scene::start().await;
    scene.webhook(&endpoint.url("/"), created()).await;
    scene.happens(ONE, EventKind::PartyCreated).await;
    scene.settles("erp", DeliveryStep::Delivered, 1).await;
    assert_eq!(endpoint.count(), 1);
}
