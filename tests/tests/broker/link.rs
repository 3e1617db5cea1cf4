//! Messages through the gateway's link, both ways.

use bytes::Bytes;
use fleetgrant::mqtt::{PublishError, PublishOutcome};
use fleetgrant_core::domain::DeviceId;
use fleetgrant_schemas::topic::MessageType;
use rumqttc::v5::mqttbytes::v5::PubAckReason;

use crate::harness::{Client, link, link_config, start, within};
use crate::pki::Pki;

fn id(text: &str) -> DeviceId {
    DeviceId::new(text).unwrap()
}

#[tokio::test]
async fn a_request_comes_in_and_a_grant_goes_out() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let (link, mut inbound, outbound) = link(&pki, link_config(broker.local_addr())).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    device.subscribe("fg/v1/dev-1/grant").await;

    let taken = device.publish("fg/v1/dev-1/request", b"please").await;
    assert_eq!(taken, PubAckReason::Success);
    let message = within("the request", inbound.recv()).await.unwrap();
    assert_eq!(message.device, id("dev-1"));
    assert_eq!(message.kind, MessageType::Request);
    assert_eq!(&message.payload[..], b"please");
    message.ack.acknowledge();

    let grant = Bytes::from_static(b"granted");
    let dev = id("dev-1");
    let outcome = outbound.publish(&dev, MessageType::Grant, grant);
    let (outcome, received) = tokio::join!(within("a PUBACK", outcome), device.message());
    assert_eq!(outcome, Ok(PublishOutcome::Accepted));
    assert_eq!(received, ("fg/v1/dev-1/grant".into(), b"granted".into()));
    link.stop().await;
    broker.stop().await;
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_before_it_is_sent() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let (link, _inbound, outbound) = link(&pki, link_config(broker.local_addr())).await;
    let huge = Bytes::from(vec![0; 4_097]);
    assert_eq!(
        outbound
            .publish(&id("dev-1"), MessageType::Grant, huge)
            .await,
        Err(PublishError::TooLarge {
            len: 4_097,
            max: 4_096
        })
    );
    assert_eq!(
        outbound
            .publish(&id("dev-1"), MessageType::Ack, Bytes::new())
            .await,
        Err(PublishError::Upward(MessageType::Ack))
    );
    link.stop().await;
    assert_eq!(
        outbound
            .publish(&id("dev-1"), MessageType::Grant, Bytes::new())
            .await,
        Err(PublishError::NotConnected)
    );
    broker.stop().await;
}
