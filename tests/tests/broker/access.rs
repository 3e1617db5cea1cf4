//! Who gets in, and where they may publish and subscribe.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fleetgrant::broker::{BrokerStorage, EmbeddedBroker};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{ConnectionError, Incoming};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::harness::{Client, PATIENCE, broker_config, link, link_config, options, start, within};
use crate::pki::Pki;

const GRANTED: SubscribeReasonCode = SubscribeReasonCode::Success(QoS::AtLeastOnce);

#[tokio::test]
async fn nobody_gets_in_without_a_certificate_that_verifies() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let address = broker.local_addr();
    for (what, tls) in [
        ("no certificate", pki.without_certificate()),
        ("a rogue CA", pki.rogue("dev-1")),
        ("a role that there is not", pki.role("metrics")),
    ] {
        let refused = Client::connect(options(address, "dev-1", tls)).await;
        assert!(
            matches!(
                refused,
                Err(ConnectionError::MqttState(_)
                    | ConnectionError::Tls(_)
                    | ConnectionError::Io(_))
            ),
            "{what}"
        );
    }
    Client::device(&pki, address, "dev-1").await;
    broker.stop().await;
}

#[tokio::test]
async fn a_client_id_other_than_the_identity_is_refused() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let address = broker.local_addr();
    for (id, tls) in [
        ("dev-2", pki.device("dev-1")),
        ("gateway:1", pki.device("dev-1")),
        ("", pki.device("dev-1")),
        ("dev-1", pki.role("gateway")),
        ("gateway", pki.role("gateway")),
        // The factory cannot make gateways: to it this is a device like any other.
        ("gateway:1", pki.forged_role("gateway")),
    ] {
        let mut options = options(address, "x", tls);
        options.set_client_id(id.to_owned());
        let refused = Client::connect(options).await;
        assert!(
            matches!(
                refused,
                Err(ConnectionError::ConnectionRefused(
                    ConnectReturnCode::ClientIdentifierNotValid
                ))
            ),
            "{id:?}"
        );
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_device_has_its_own_topics_and_no_others() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    for kind in ["grant", "notice", "keys"] {
        let own = format!("fg/v1/dev-1/{kind}");
        assert_eq!(device.subscribe(&own).await, GRANTED, "{own}");
        assert_eq!(device.publish(&own, b"").await, PubAckReason::NotAuthorized);
    }
    for kind in ["request", "ack"] {
        let own = format!("fg/v1/dev-1/{kind}");
        assert_eq!(
            device.publish(&own, b"").await,
            PubAckReason::Success,
            "{own}"
        );
        let refused = device.subscribe(&own).await;
        assert_eq!(refused, SubscribeReasonCode::NotAuthorized, "{own}");
    }
    for filter in [
        "fg/v1/dev-2/grant",
        "fg/v1/dev-2/request",
        "fg/v1/+/grant",
        "fg/v1/+/request",
        "fg/v1/dev-1/+",
        "fg/#",
        "#",
        "+/v1/dev-1/grant",
        "$SYS/#",
        "$SYS/broker/clients/connected",
        "$share/gateway/fg/v1/+/request",
        "$share/mine/fg/v1/dev-1/grant",
    ] {
        let refused = device.subscribe(filter).await;
        assert_eq!(refused, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    for topic in [
        "fg/v1/dev-2/request",
        "fg/v1/dev-2/grant",
        "fg/v1/dev-1/other",
        "elsewhere",
    ] {
        let refused = device.publish(topic, b"").await;
        assert_eq!(refused, PubAckReason::NotAuthorized, "{topic}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn the_gateway_may_not_listen_outside_its_share_group() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let tls = pki.role("gateway");
    let mut client = Client::connect(options(broker.local_addr(), "gateway:1", tls))
        .await
        .unwrap();
    assert_eq!(
        client.subscribe("$share/gateway/fg/v1/+/ack").await,
        GRANTED
    );
    for filter in [
        "fg/v1/+/request",
        "$share/other/fg/v1/+/request",
        "#",
        "$SYS/#",
    ] {
        let refused = client.subscribe(filter).await;
        assert_eq!(refused, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    let refused = client.publish("fg/v1/dev-1/request", b"").await;
    assert_eq!(refused, PubAckReason::NotAuthorized);
    broker.stop().await;
}

#[tokio::test]
async fn nothing_is_retained_for_those_who_come_later() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let tls = pki.role("gateway");
    let mut gateway = Client::connect(options(broker.local_addr(), "gateway:1", tls))
        .await
        .unwrap();
    let topic = "fg/v1/dev-1/grant";
    let retain = true;
    gateway
        .client
        .try_publish(topic, QoS::AtLeastOnce, retain, "a grant")
        .unwrap();
    loop {
        if let Incoming::PubAck(puback) = gateway.next().await {
            assert_eq!(puback.reason, PubAckReason::QuotaExceeded);
            break;
        }
    }
    broker.stop().await;
}

#[tokio::test]
async fn idle_peers_block_nobody_and_are_cut() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let address = broker.local_addr();
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    Client::device(&pki, address, "dev-1").await;
    for mut peer in idle {
        let end = within("an idle peer is cut", peer.read(&mut [0; 1])).await;
        assert!(matches!(end, Ok(0) | Err(_)));
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_full_broker_turns_the_next_one_away() {
    let pki = Pki::new();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = broker_config(&pki, listen, BrokerStorage::Memory);
    config.limits.max_connections = 2;
    let broker = EmbeddedBroker::start(config).await.unwrap();
    let address = broker.local_addr();
    let _one = Client::device(&pki, address, "dev-1").await;
    let two = Client::device(&pki, address, "dev-2").await;
    let three = || Client::connect(options(address, "dev-3", pki.device("dev-3")));
    assert!(three().await.is_err());
    drop(two);
    let deadline = Instant::now() + PATIENCE;
    while three().await.is_err() {
        assert!(Instant::now() < deadline, "the place never came free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_a_remedy() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let config = broker_config(&pki, broker.local_addr(), BrokerStorage::Memory);
    let error = EmbeddedBroker::start(config).await.unwrap_err().to_string();
    assert!(error.contains(&broker.local_addr().to_string()), "{error}");
    assert!(error.contains("another process has this port"), "{error}");
    broker.stop().await;
}

#[tokio::test]
async fn stopping_takes_no_time_and_ends_every_connection() {
    let pki = Pki::new();
    let broker = start(&pki).await;
    let (_link, _inbound, _outbound) = link(&pki, link_config(broker.local_addr())).await;
    let mut device = Client::device(&pki, broker.local_addr(), "dev-1").await;
    let before = Instant::now();
    broker.stop().await;
    assert!(before.elapsed() < Duration::from_secs(2));
    // rumqttc does not read the DISCONNECT, which leaves out the length of no properties as it may
    // (MQTT 5, 3.14.2.2.1); it sees the connection end.
    while within("the end of the connection", device.events.poll())
        .await
        .is_ok()
    {}
}
