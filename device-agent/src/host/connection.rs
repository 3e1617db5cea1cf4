//! A device's connection to the broker, polled by a task of its own.
//!
//! The task that polls must never wait for the channel to itself, so publishing is `try_publish`
//! and everything that comes in goes to the device's task.

use std::time::Duration;

use bytes::Bytes;
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::{MessageType, Topic};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, SubscribeReasonCode};
use rumqttc::v5::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, StateError,
};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::config::Broker;

/// Requests and acknowledgements on their way at a time. rumqttc keeps a table of that length: at
/// its default an idle client takes 13 MiB.
const IN_FLIGHT: u16 = 16;
/// What MQTT adds to the largest message.
const OVERHEAD: u32 = 1_024;
/// The longest pause before connecting again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// What a connection tells whoever opened it.
#[derive(Debug)]
pub enum Happened {
    /// The device is subscribed to its topics.
    Ready,
    /// A message came down.
    Message(MessageType, Bytes),
    /// The connection is gone; it is made again.
    Lost(String),
}

/// A device's connection to the broker: the sending half, and the task that polls.
#[derive(Debug)]
pub struct Connection {
    client: AsyncClient,
    prefix: String,
    device: String,
    poller: JoinHandle<()>,
}

impl Connection {
    /// Connects, subscribes to the device's topics, and connects again whenever that is lost.
    /// Must be called within a tokio runtime; what happens comes over the channel.
    #[must_use]
    pub fn open(broker: &Broker, device: DeviceId<'_>) -> (Self, mpsc::Receiver<Happened>) {
        let (client, mut events) =
            AsyncClient::new(options(broker, device), usize::from(IN_FLIGHT));
        // It is made for a hundred.
        events.state.events.shrink_to(IN_FLIGHT.into());
        let (happened, receiver) = mpsc::channel(16);
        let poller = Poller {
            client: client.clone(),
            prefix: broker.topic_prefix.clone(),
            device: device.as_str().to_owned(),
            happened,
        };
        let connection = Self {
            client,
            prefix: broker.topic_prefix.clone(),
            device: device.as_str().to_owned(),
            poller: tokio::spawn(poller.run(events)),
        };
        (connection, receiver)
    }

    /// Publishes; what does not fit is left to the agent's retry.
    pub fn publish(&self, message: MessageType, payload: Vec<u8>) {
        let Ok(device) = DeviceId::new(&self.device) else {
            return;
        };
        let topic = Topic { device, message }.within(&self.prefix).to_string();
        let queued = self
            .client
            .try_publish(topic, QoS::AtLeastOnce, false, payload);
        if let Err(error) = queued {
            tracing::debug!(%error, device = self.device, "not sent; the agent repeats it");
        }
    }

    /// Says good-bye and ends.
    pub async fn close(mut self) {
        if self.client.try_disconnect().is_ok() {
            let farewell = Duration::from_secs(1);
            let _ = tokio::time::timeout(farewell, &mut self.poller).await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

struct Poller {
    client: AsyncClient,
    prefix: String,
    device: String,
    happened: mpsc::Sender<Happened>,
}

impl Poller {
    async fn run(self, mut events: EventLoop) {
        let mut failures = 0;
        loop {
            let happened = match events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    self.subscribe();
                    continue;
                }
                Ok(Event::Incoming(Incoming::SubAck(granted))) => {
                    failures = 0;
                    match granted.return_codes.iter().find(|code| !is_granted(code)) {
                        None => Happened::Ready,
                        Some(code) => Happened::Lost(format!(
                            "the broker refuses the device its own topics ({code:?}): check its \
                             access rules"
                        )),
                    }
                }
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    match self.message_type(&publish.topic) {
                        Some(message) => Happened::Message(message, publish.payload),
                        None => continue,
                    }
                }
                Ok(_) => continue,
                Err(ConnectionError::RequestsDone) => return,
                Err(error) => {
                    failures += 1;
                    // rumqttc cannot recover from it (rumqtt issues 1014 and 1056), but with
                    // nothing pending the next connection starts afresh.
                    if matches!(
                        error,
                        ConnectionError::MqttState(StateError::CollisionTimeout)
                    ) {
                        events.clean();
                        events.pending.clear();
                    }
                    if self
                        .happened
                        .send(Happened::Lost(error.to_string()))
                        .await
                        .is_err()
                    {
                        return;
                    }
                    tokio::time::sleep(pause(failures)).await;
                    continue;
                }
            };
            if self.happened.send(happened).await.is_err() {
                return;
            }
        }
    }

    /// Whether or not the broker still had the session: it costs one packet.
    fn subscribe(&self) {
        let Ok(device) = DeviceId::new(&self.device) else {
            return;
        };
        let filters = [MessageType::Grant, MessageType::Notice, MessageType::Keys].map(|message| {
            let topic = Topic { device, message }.within(&self.prefix).to_string();
            Filter::new(topic, QoS::AtLeastOnce)
        });
        if let Err(error) = self.client.try_subscribe_many(filters) {
            tracing::warn!(%error, device = self.device, "could not subscribe");
        }
    }

    fn message_type(&self, topic: &[u8]) -> Option<MessageType> {
        let topic = Topic::parse(&self.prefix, std::str::from_utf8(topic).ok()?).ok()?;
        (topic.device.as_str() == self.device && !topic.message.is_up()).then_some(topic.message)
    }
}

fn is_granted(code: &SubscribeReasonCode) -> bool {
    matches!(code, SubscribeReasonCode::Success(_))
}

/// Full jitter, so that a fleet that lost its broker does not come back at once.
fn pause(failures: u32) -> Duration {
    let ceiling = SHORTEST_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST_PAUSE);
    ceiling.mul_f64(rand::random_range(0.0..=1.0))
}

fn options(broker: &Broker, device: DeviceId<'_>) -> MqttOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(device.as_str(), &broker.host, broker.port);
    let tls = TlsConfiguration::Rustls(broker.tls.clone());
    let expiry = u32::try_from(broker.session_expiry.as_secs()).unwrap_or(u32::MAX);
    options
        .set_transport(Transport::Tls(tls))
        .set_network_options(network)
        .set_keep_alive(Duration::from_secs(60))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_max_packet_size(Some(limits::MAX_DOWN as u32 + OVERHEAD))
        .set_clean_start(expiry == 0)
        .set_session_expiry_interval(Some(expiry));
    options
}
