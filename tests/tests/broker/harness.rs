//! A broker, a gateway's link and plain MQTT clients, all over mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetgrant::broker::{
    BrokerConfig, BrokerLimits, BrokerStorage, EmbeddedBroker, RunningBroker,
};
use fleetgrant::mqtt::{Backoff, Inbound, LinkConfig, MqttLink, Outbound, TopicSpace};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::ClientConfig;

use crate::pki::Pki;

/// Longer than anything here takes on a busy machine; reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

pub(crate) fn broker_config(pki: &Pki, listen: SocketAddr, storage: BrokerStorage) -> BrokerConfig {
    let (certificate, key) = pki.broker();
    BrokerConfig {
        listen,
        certificate,
        key,
        peers: pki.peers(),
        clock: pki.clock.clone(),
        topics: TopicSpace::default(),
        limits: BrokerLimits::default(),
        storage,
    }
}

pub(crate) async fn start(pki: &Pki) -> RunningBroker {
    let config = broker_config(pki, ([127, 0, 0, 1], 0).into(), BrokerStorage::Memory);
    EmbeddedBroker::start(config).await.unwrap()
}

pub(crate) fn link_config(address: SocketAddr) -> LinkConfig {
    let mut config = LinkConfig::new("localhost", address.port(), "gateway:test");
    config.backoff = Backoff {
        base: Duration::from_millis(20),
        cap: Duration::from_millis(200),
    };
    config.redeliver_after = Duration::from_millis(200);
    config
}

/// A gateway's link, once it is subscribed.
pub(crate) async fn link(pki: &Pki, config: LinkConfig) -> (MqttLink, Inbound, Outbound) {
    let (link, inbound, outbound) = MqttLink::spawn(config, pki.role("gateway"));
    let mut status = link.status();
    within(
        "the gateway connects",
        status.wait_for(|s| s.is_connected()),
    )
    .await
    .unwrap();
    (link, inbound, outbound)
}

pub(crate) fn options(address: SocketAddr, id: &str, tls: Arc<ClientConfig>) -> MqttOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(id, "localhost", address.port());
    options
        .set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)))
        .set_network_options(network)
        .set_outgoing_inflight_upper_limit(64)
        .set_clean_start(true);
    options
}

/// A plain MQTT client that says what the broker answered.
pub(crate) struct Client {
    pub(crate) client: AsyncClient,
    pub(crate) events: EventLoop,
}

impl Client {
    pub(crate) fn new(options: MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options, 16);
        Self { client, events }
    }

    /// Connects once, or says why not.
    pub(crate) async fn connect(options: MqttOptions) -> Result<Self, ConnectionError> {
        let mut client = Self::new(options);
        let answer = within("the broker answers a CONNECT", client.events.poll()).await?;
        assert!(matches!(answer, Event::Incoming(Incoming::ConnAck(_))));
        Ok(client)
    }

    pub(crate) async fn device(pki: &Pki, address: SocketAddr, id: &str) -> Self {
        let options = options(address, id, pki.device(id));
        Self::connect(options).await.unwrap()
    }

    pub(crate) async fn next(&mut self) -> Incoming {
        loop {
            if let Event::Incoming(packet) = within("a packet", self.events.poll()).await.unwrap() {
                return packet;
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        let qos = QoS::AtLeastOnce;
        self.client.try_subscribe(filter, qos).unwrap();
        loop {
            if let Incoming::SubAck(suback) = self.next().await {
                return suback.return_codes[0];
            }
        }
    }

    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8]) -> PubAckReason {
        let qos = QoS::AtLeastOnce;
        self.client
            .try_publish(topic, qos, false, payload.to_vec())
            .unwrap();
        loop {
            if let Incoming::PubAck(puback) = self.next().await {
                return puback.reason;
            }
        }
    }

    /// The payload of the next message on a topic.
    pub(crate) async fn message(&mut self) -> (String, Vec<u8>) {
        loop {
            if let Incoming::Publish(publish) = self.next().await {
                let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                return (topic, publish.payload.to_vec());
            }
        }
    }
}
