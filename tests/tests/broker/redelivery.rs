//! A message is gone from the broker when, and only when, it was acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use fleetgrant::mqtt::{Inbound, InboundMessage, PublishOutcome};
use fleetgrant_core::domain::DeviceId;
use fleetgrant_schemas::topic::MessageType;
use rumqttc::v5::mqttbytes::v5::PubAckReason;

use crate::harness::{Client, link, link_config, start, within};
use crate::pki::Pki;

async fn request(device: &mut Client, text: &str) {
    let topic = "fg/v1/dev-1/request";
    let taken = device.publish(topic, text.as_bytes()).await;
    assert_eq!(taken, PubAckReason::Success);
}

async fn next(inbound: &mut Inbound) -> InboundMessage {
    within("a message", inbound.recv()).await.unwrap()
}

/// What comes in until nothing has for a while.
async fn rest(inbound: &mut Inbound) -> BTreeSet<Bytes> {
    let mut seen = BTreeSet::new();
    while let Ok(message) = tokio::time::timeout(Duration::from_millis(300), inbound.recv()).await {
        let message = message.unwrap();
        seen.insert(message.payload.clone());
        message.ack.acknowledge();
    }
    seen
}

fn texts<const N: usize>(texts: [&'static str; N]) -> BTreeSet<Bytes> {
    texts.map(|text| Bytes::from_static(text.as_bytes())).into()
}

#[tokio::test]
async fn what_a_dead_process_had_not_committed_comes_again() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    let (dead, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    request(&mut device, "committed").await;
    request(&mut device, "in work").await;
    next(&mut inbound).await.ack.acknowledge();
    let in_work = next(&mut inbound).await;
    assert!(!in_work.dup);
    // A message committed while nobody is there to hear of it waits at the broker.
    drop(dead);
    request(&mut device, "meanwhile").await;

    let (_link, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    let again = next(&mut inbound).await;
    assert_eq!(again.payload, "in work");
    assert!(again.dup);
    again.ack.acknowledge();
    // The PUBACK of the first may have died with its process.
    let rest = rest(&mut inbound).await;
    assert!(rest.contains(&b"meanwhile"[..]), "{rest:?}");
    drop(in_work);
    broker.stop().await;
}

#[tokio::test]
async fn acknowledgements_given_before_a_stop_reach_the_broker() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    let (first, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    let count = 100;
    for n in 0..count {
        request(&mut device, &n.to_string()).await;
    }
    for _ in 0..count {
        next(&mut inbound).await.ack.acknowledge();
    }
    first.stop().await;
    let (_link, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    assert_eq!(rest(&mut inbound).await, texts([]));
    broker.stop().await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_after_the_intake_is_closed() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    device.subscribe("fg/v1/dev-1/grant").await;
    let (first, mut inbound, outbound) = link(&pki, link_config(broker.local_addr())).await;
    for text in ["under way", "come in"] {
        request(&mut device, text).await;
    }
    let under_way = next(&mut inbound).await;
    let come_in = next(&mut inbound).await;
    first.close_intake();
    request(&mut device, "too late").await;
    assert!(within("the end", inbound.recv()).await.is_none());
    let answer = outbound.publish(&under_way.device, MessageType::Grant, Bytes::new());
    let answer = within("an answer", answer).await;
    assert_eq!(answer, Ok(PublishOutcome::Accepted));
    under_way.ack.acknowledge();
    come_in.ack.acknowledge();
    first.stop().await;
    let (_link, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    assert_eq!(rest(&mut inbound).await, texts(["too late"]));
    broker.stop().await;
}

#[tokio::test]
async fn an_acknowledgement_waits_for_those_before_it() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    let (first, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    for text in ["a", "b", "c"] {
        request(&mut device, text).await;
    }
    let (a, b, c) = (
        next(&mut inbound).await,
        next(&mut inbound).await,
        next(&mut inbound).await,
    );
    c.ack.acknowledge();
    a.ack.acknowledge();
    first.stop().await;
    let (_link, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    assert_eq!(rest(&mut inbound).await, texts(["b", "c"]));
    drop(b);
    broker.stop().await;
}

#[tokio::test]
async fn a_message_given_up_comes_again_and_holds_up_nobody() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    let (link, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    request(&mut device, "given up").await;
    request(&mut device, "processed").await;
    drop(next(&mut inbound).await);
    next(&mut inbound).await.ack.acknowledge();
    let again = next(&mut inbound).await;
    assert_eq!(again.payload, "given up");
    assert!(again.dup);
    again.ack.acknowledge();
    assert_eq!(rest(&mut inbound).await, texts([]));
    assert_eq!(link.status().borrow().connections, 2);
    broker.stop().await;
}

#[tokio::test]
async fn a_token_of_a_lost_connection_acknowledges_nothing() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    let (first, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    request(&mut device, "old").await;
    request(&mut device, "given up").await;
    let old = next(&mut inbound).await;
    drop(next(&mut inbound).await);
    let mut again = [next(&mut inbound).await, next(&mut inbound).await];
    again.sort_by_key(|message| message.payload.len());
    assert_eq!(again[0].payload, "old");
    old.ack.acknowledge();
    let [_kept, given_up] = again;
    given_up.ack.acknowledge();
    first.stop().await;
    let (_link, mut inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    assert!(rest(&mut inbound).await.contains(&b"old"[..]));
    broker.stop().await;
}

#[tokio::test]
async fn messages_that_nobody_takes_stop_neither_the_connection_nor_the_publishes() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    let mut config = link_config(broker.local_addr());
    config.receive_maximum = 4;
    config.in_flight = 2;
    let (link, mut inbound, outbound) = link(&pki, config).await;
    let count = 50;
    for n in 0..count {
        request(&mut device, &n.to_string()).await;
    }
    for _ in 0..count {
        let id = DeviceId::new("dev-1").unwrap();
        let publish = outbound.publish(&id, MessageType::Notice, Bytes::from_static(b"n"));
        let outcome = within("a publish past unread messages", publish).await;
        assert_eq!(outcome, Ok(PublishOutcome::Accepted));
    }
    assert_eq!(rest(&mut inbound).await.len(), count);
    assert_eq!(link.status().borrow().connections, 1);
    broker.stop().await;
}
