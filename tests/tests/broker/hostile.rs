//! The link against a broker that refuses, withholds, floods or talks nonsense.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fleetgrant::mqtt::{
    Inbound, LinkConfig, LinkFault, LinkState, MqttLink, Outbound, PublishOutcome, Receipt,
};
use fleetgrant_core::domain::DeviceId;
use fleetgrant_schemas::topic::MessageType;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, PubAckReason, SubscribeReasonCode};

use crate::harness::{link_config, within};
use crate::pki::Pki;
use crate::scripted::{Peer, ScriptedBroker};

struct Gateway {
    link: MqttLink,
    inbound: Inbound,
    outbound: Outbound,
}

impl Gateway {
    fn start(pki: &Pki, config: LinkConfig) -> Self {
        let (link, inbound, outbound) = MqttLink::spawn(config, pki.role("gateway"));
        Self {
            link,
            inbound,
            outbound,
        }
    }

    async fn connected(&self) {
        let mut status = self.link.status();
        let connected = status.wait_for(|status| status.is_connected());
        within("the gateway is connected", connected).await.unwrap();
    }

    /// Waits until a connection ended and says why.
    async fn fault(&self) -> String {
        let mut status = self.link.status();
        let faulted = status.wait_for(|s| matches!(s.state, LinkState::Disconnected { .. }));
        let status = within("the connection ends", faulted)
            .await
            .unwrap()
            .clone();
        match status.state {
            LinkState::Disconnected { fault } => format!("{fault:?}: {fault}"),
            other => panic!("{other:?}"),
        }
    }

    async fn begin(&self, text: &'static str) -> Receipt {
        let id = DeviceId::new("dev-1").unwrap();
        let begun =
            self.outbound
                .begin(&id, MessageType::Grant, Bytes::from_static(text.as_bytes()));
        within("a place in flight", begun).await.unwrap()
    }
}

fn config(address: SocketAddr) -> LinkConfig {
    let mut config = link_config(address);
    config.keep_alive = Duration::from_secs(5);
    config.in_flight = 4;
    config
}

async fn outcome(receipt: Receipt) -> PublishOutcome {
    within("an outcome", receipt.outcome()).await
}

/// Brings about what rumqttc calls a collision: the first publish stays unacknowledged while
/// others come and go, until its packet identifier is drawn again. Returns the receipts of the two.
async fn collide(gateway: &Gateway, broker: &mut Peer) -> [Receipt; 2] {
    let first = gateway.begin("first").await;
    let withheld = broker.publish_received().await;
    let others = config(([127, 0, 0, 1], 1).into()).in_flight - 1;
    for _ in 0..others {
        let receipt = gateway.begin("other").await;
        let publish = broker.publish_received().await;
        assert_ne!(publish.pkid, withheld.pkid);
        broker.acknowledge(&publish, PubAckReason::Success).await;
        assert_eq!(outcome(receipt).await, PublishOutcome::Accepted);
    }
    [first, gateway.begin("parked").await]
}

/// rumqtt issues 1056 and 1014: with the parked publish, its event loop would neither send nor
/// fail for ever after the session is lost.
#[tokio::test]
async fn a_collision_and_a_lost_session_do_not_wedge_the_link() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let gateway = Gateway::start(&pki, config(broker.address()));
    let mut peer = broker.serve(false).await;
    gateway.connected().await;
    let receipts = collide(&gateway, &mut peer).await;
    drop(peer);
    for receipt in receipts {
        assert_eq!(outcome(receipt).await, PublishOutcome::Lost);
    }
    let mut peer = broker.serve(false).await;
    gateway.connected().await;
    for _ in 0..20 {
        let receipt = gateway.begin("after").await;
        let publish = peer.publish_received().await;
        assert_eq!(publish.payload, "after", "nothing is replayed from memory");
        peer.acknowledge(&publish, PubAckReason::Success).await;
        assert_eq!(outcome(receipt).await, PublishOutcome::Accepted);
    }
    gateway.link.stop().await;
}

/// The same without the loss: the broker never acknowledges, and the link gives the connection up
/// by itself after two pings.
#[tokio::test]
async fn a_publish_that_is_never_acknowledged_ends_the_connection() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let gateway = Gateway::start(&pki, config(broker.address()));
    let mut peer = broker.serve(false).await;
    gateway.connected().await;
    let receipts = collide(&gateway, &mut peer).await;
    let pings = tokio::spawn(async move {
        while let Some(packet) = peer.read().await {
            if matches!(packet, Packet::PingReq(_)) {
                // PINGRESP
                peer.send_bytes(&[0xd0, 0]).await;
            }
        }
    });
    assert!(gateway.fault().await.starts_with("Collision"));
    for receipt in receipts {
        assert_eq!(outcome(receipt).await, PublishOutcome::Lost);
    }
    pings.await.unwrap();
    let _peer = broker.serve(true).await;
    gateway.connected().await;
}

#[tokio::test]
async fn the_brokers_reason_reaches_whoever_published() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let gateway = Gateway::start(&pki, config(broker.address()));
    let mut peer = broker.serve(false).await;
    gateway.connected().await;
    let mut sent = Vec::new();
    for text in ["a", "b", "c"] {
        let receipt = gateway.begin(text).await;
        sent.push((peer.publish_received().await, receipt));
    }
    // Answered in another order than sent.
    let answers = [
        (
            PubAckReason::NotAuthorized,
            PublishOutcome::Refused(PubAckReason::NotAuthorized),
        ),
        (PubAckReason::Success, PublishOutcome::Accepted),
        (
            PubAckReason::NoMatchingSubscribers,
            PublishOutcome::NoSubscriber,
        ),
    ];
    for ((publish, receipt), (reason, expected)) in sent.into_iter().rev().zip(answers) {
        peer.acknowledge(&publish, reason).await;
        assert_eq!(outcome(receipt).await, expected);
    }
}

#[tokio::test]
async fn a_refusal_is_told_apart_and_tried_again() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let gateway = Gateway::start(&pki, config(broker.address()));
    let mut peer = broker.accept().await;
    peer.refuse(ConnectReturnCode::NotAuthorized).await;
    let fault = gateway.fault().await;
    assert!(fault.contains("Refused(NotAuthorized)"), "{fault}");

    let mut peer = broker.accept().await;
    peer.accept(false, None).await;
    peer.grant(SubscribeReasonCode::NotAuthorized).await;
    assert_eq!(peer.read().await, None);
    let fault = gateway.fault().await;
    assert!(fault.contains("$share/gateway/fg/v1/+/request"), "{fault}");

    let _peer = broker.serve(false).await;
    gateway.connected().await;
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_nothing_else() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let gateway = Gateway::start(&pki, config(broker.address()));
    let nonsense: [&[u8]; 7] = [
        &[0xff; 64],
        // A PUBLISH that promises 256 MB.
        &[0x32, 0xff, 0xff, 0xff, 0x7f],
        // A PUBLISH whose topic is longer than the packet.
        &[0x32, 0x05, 0xff, 0xff, b'a', 0, 1],
        // A PUBLISH of QoS 3.
        &[0x36, 0x05, 0, 1, b'a', 0, 1],
        // A PUBACK and a PUBREL of nothing.
        &[0x40, 0x02, 0, 9],
        &[0x62, 0x02, 0, 9],
        // A CONNECT.
        &[
            0x10, 0x0d, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 0,
        ],
    ];
    for bytes in nonsense {
        let mut peer = broker.serve(true).await;
        gateway.connected().await;
        peer.send_bytes(bytes).await;
        while peer.read().await.is_some() {}
    }
    let _peer = broker.serve(true).await;
    gateway.connected().await;
}

#[tokio::test]
async fn a_message_nobody_could_have_sent_is_acknowledged_and_dropped() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let mut gateway = Gateway::start(&pki, config(broker.address()));
    let mut peer = broker.serve(false).await;
    gateway.connected().await;
    peer.deliver(1, "elsewhere/v1/dev-1/request", vec![1]).await;
    peer.deliver(2, "fg/v1/dev-1/grant", vec![2]).await;
    peer.deliver(3, "fg/v1/dev-1/request", vec![0; 8_193]).await;
    peer.deliver(4, "fg/v1/dev-1/request", vec![4]).await;
    for id in 1..=3 {
        let Some(Packet::PubAck(puback)) = peer.read().await else {
            panic!("no PUBACK {id}");
        };
        assert_eq!((puback.pkid, puback.reason), (id, PubAckReason::Success));
    }
    let message = within("the message", gateway.inbound.recv()).await.unwrap();
    assert_eq!(message.payload, [4][..]);
    message.ack.acknowledge();
    assert!(matches!(peer.read().await, Some(Packet::PubAck(p)) if p.pkid == 4));
}

#[tokio::test]
async fn a_flood_past_the_receive_maximum_ends_the_connection() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let mut config = config(broker.address());
    config.receive_maximum = 10;
    let mut gateway = Gateway::start(&pki, config);
    let mut peer = broker.serve(false).await;
    gateway.connected().await;
    // Mosquitto is known to exceed it somewhat, which must do no harm.
    for id in 1..=40 {
        peer.deliver(id, "fg/v1/dev-1/request", vec![]).await;
    }
    let mut messages = Vec::new();
    while messages.len() < 40 {
        within("messages", gateway.inbound.recv_many(&mut messages, 40)).await;
    }
    assert!(gateway.link.status().borrow().is_connected());
    peer.deliver(41, "fg/v1/dev-1/request", vec![]).await;
    assert_eq!(peer.read().await, None);
    let fault = gateway.fault().await;
    assert!(
        fault.contains("more than 40 unacknowledged messages"),
        "{fault}"
    );
}

/// What a person reads in the log and in `doctor` must say what to do.
#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let pki = Pki::new();
    let broker = ScriptedBroker::new(&pki).await;
    let address = broker.address();
    drop(broker);
    let gateway = Gateway::start(&pki, config(address));
    let fault = gateway.fault().await;
    assert!(fault.contains("cannot be reached"), "{fault}");
    assert!(matches!(
        gateway.link.status().borrow().state,
        LinkState::Disconnected { ref fault } if matches!(**fault, LinkFault::Network(_))
    ));
}
