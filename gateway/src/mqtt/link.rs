//! The link: connects, polls, and connects again, until it is stopped.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, Publish, SubAck, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming, MqttOptions};
use rumqttc::{NetworkOptions, Outgoing, TlsConfiguration, Transport};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::config::MAX_INCOMING;
use super::connection::Connection;
use super::inbound::EpochCell;
use super::{
    AckToken, Inbound, InboundMessage, LinkConfig, LinkFault, LinkState, LinkStatus, Outbound,
};

/// How long a DISCONNECT may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that lasted this long was a good one: the next pause is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// A link to a broker, which reconnects by itself. Dropping it cuts the connection; the broker
/// then delivers again what was not acknowledged.
#[derive(Debug)]
pub struct MqttLink {
    stop: watch::Sender<bool>,
    status: watch::Receiver<LinkStatus>,
    task: JoinHandle<()>,
}

impl MqttLink {
    /// Starts to connect. `tls` must present the gateway's role certificate.
    #[must_use]
    pub fn spawn(config: LinkConfig, tls: Arc<rustls::ClientConfig>) -> (Self, Inbound, Outbound) {
        let (stop, stopped) = watch::channel(false);
        let (status, status_rx) = watch::channel(LinkStatus::new(LinkState::Connecting, 0));
        let (current, current_rx) = watch::channel(None);
        let (messages, messages_rx) = mpsc::channel(config.max_unacknowledged());
        let epoch = Arc::new(EpochCell::default());
        let outbound = Outbound::new(config.topics.prefix().into(), current_rx);
        let inbound = Inbound::new(messages_rx, Arc::clone(&epoch));
        let driver = Arc::new(Driver {
            config,
            tls,
            epoch,
            messages,
            current,
            status,
            stopped,
        });
        let link = Self {
            stop,
            status: status_rx,
            task: tokio::spawn(supervise(driver)),
        };
        (link, inbound, outbound)
    }

    /// The state of the link, and its changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<LinkStatus> {
        self.status.clone()
    }

    /// Sends the acknowledgements that were given, says good-bye and closes the connection. The
    /// session stays at the broker, and with it everything not acknowledged.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // A panic of the supervisor has nothing left to stop.
        let _ = (&mut self.task).await;
    }
}

impl Drop for MqttLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a connection ended.
enum Ending {
    Stopped,
    Fault(LinkFault),
}

impl From<LinkFault> for Ending {
    fn from(fault: LinkFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<rumqttc::v5::ConnectionError> for Ending {
    fn from(error: rumqttc::v5::ConnectionError) -> Self {
        Self::Fault(error.into())
    }
}

async fn supervise(driver: Arc<Driver>) {
    let mut failures = 0;
    let mut stopped = driver.stopped.clone();
    loop {
        let started = Instant::now();
        // A task of its own, since the broker is not trusted and the client that parses what it
        // sends might panic; in a set, so that it is aborted with this one.
        let mut connection = JoinSet::new();
        connection.spawn(Arc::clone(&driver).connection());
        let fault = match connection.join_next().await {
            Some(Ok(Ending::Fault(fault))) => fault,
            Some(Ok(Ending::Stopped)) | None => break,
            Some(Err(_)) => LinkFault::Panicked,
        };
        metrics::counter!("fleetgrant_mqtt_disconnections_total", "reason" => fault.reason())
            .increment(1);
        let recycled = matches!(fault, LinkFault::Recycled);
        failures = match started.elapsed() >= GOOD_CONNECTION {
            true => 1,
            false => failures + 1,
        };
        let pause = driver.config.backoff.pause(failures);
        if recycled {
            tracing::info!(reason = %fault, ?pause, "disconnected");
        } else {
            tracing::warn!(reason = %fault, ?pause, "no connection to the broker");
        }
        driver.set_status(LinkState::Disconnected {
            fault: Arc::new(fault),
        });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop_asked(&mut stopped) => break,
        }
    }
    driver.set_status(LinkState::Stopped);
}

/// What outlives a connection.
struct Driver {
    config: LinkConfig,
    tls: Arc<rustls::ClientConfig>,
    epoch: Arc<EpochCell>,
    messages: mpsc::Sender<InboundMessage>,
    current: watch::Sender<Option<Arc<Connection>>>,
    status: watch::Sender<LinkStatus>,
    stopped: watch::Receiver<bool>,
}

impl Driver {
    async fn connection(self: Arc<Self>) -> Ending {
        let mut stopped = self.stopped.clone();
        let (client, mut events) = AsyncClient::new(self.options(), self.request_capacity());
        let polled = tokio::select! {
            polled = events.poll() => polled,
            () = stop_asked(&mut stopped) => return Ending::Stopped,
        };
        let connack = match polled {
            Ok(Event::Incoming(Incoming::ConnAck(connack))) => connack,
            Ok(other) => return LinkFault::Protocol(format!("{other:?} before CONNACK")).into(),
            Err(error) => return error.into(),
        };
        let live = match Live::open(self, client, &connack) {
            Ok(live) => live,
            Err(fault) => return fault.into(),
        };
        let ending = match live.run(&mut events, &mut stopped).await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        if matches!(ending, Ending::Stopped | Ending::Fault(LinkFault::Recycled)) {
            live.say_goodbye(&mut events).await;
        }
        ending
    }

    fn options(&self) -> MqttOptions {
        let config = &self.config;
        let mut options = MqttOptions::new(&config.client_id, &config.host, config.port);
        let mut network = NetworkOptions::new();
        // With Nagle's algorithm on, a round trip takes 44 ms.
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(seconds(config.connect_timeout));
        options
            .set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::clone(
                &self.tls,
            ))))
            .set_network_options(network)
            .set_connection_timeout(seconds(config.connect_timeout))
            // rumqttc panics on less.
            .set_keep_alive(config.keep_alive.max(Duration::from_secs(5)))
            .set_clean_start(false)
            .set_session_expiry_interval(Some(
                u32::try_from(config.session_expiry.as_secs()).unwrap_or(u32::MAX),
            ))
            .set_receive_maximum(Some(config.receive_maximum))
            // rumqttc's own limit is 10 KiB for what comes in.
            .set_max_packet_size(Some(u32::try_from(MAX_INCOMING).unwrap_or(u32::MAX)))
            .set_manual_acks(true)
            // Its default of 65,535 costs 13.5 MiB for each client.
            .set_outgoing_inflight_upper_limit(config.in_flight.max(2));
        options
    }

    /// Room for everything that can be under way at once: all acknowledgements, all publishes,
    /// a SUBSCRIBE and a DISCONNECT.
    fn request_capacity(&self) -> usize {
        self.config.max_unacknowledged() + usize::from(self.config.in_flight) + 2
    }

    fn set_status(&self, state: LinkState) {
        let connected = matches!(state, LinkState::Connected { .. });
        metrics::gauge!("fleetgrant_mqtt_connected").set(if connected { 1.0 } else { 0.0 });
        self.status.send_modify(|status| {
            *status = LinkStatus::new(state, status.connections + u64::from(connected));
        });
    }
}

/// At least one: rumqttc takes whole seconds, and 0 would mean to give up at once.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}

/// A connection that the broker has accepted. However it ends, a panic included, nobody goes on
/// waiting for it.
struct Live {
    driver: Arc<Driver>,
    connection: Arc<Connection>,
    session_present: bool,
}

impl Live {
    fn open(
        driver: Arc<Driver>,
        client: AsyncClient,
        connack: &ConnAck,
    ) -> Result<Self, LinkFault> {
        if let Some(properties) = &connack.properties {
            if properties.shared_subscription_available == Some(0) {
                return Err(LinkFault::Unsuitable("it has no shared subscriptions"));
            }
            if properties.max_qos == Some(0) {
                return Err(LinkFault::Unsuitable("it has no QoS 1"));
            }
        }
        let session_present = connack.session_present;
        metrics::counter!("fleetgrant_mqtt_connections_total",
            "session" => if session_present { "resumed" } else { "new" })
        .increment(1);
        let epoch = driver.epoch.load().next(session_present);
        driver.epoch.store(epoch);
        let connection = Arc::new(Connection::new(epoch, client, connack, &driver.config));
        Ok(Self {
            driver,
            connection,
            session_present,
        })
    }

    async fn run(
        &self,
        events: &mut EventLoop,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<Infallible, Ending> {
        self.subscribe()?;
        let mut recycle_at = None;
        loop {
            // The other branches end the polling for good, or begin it again at once, and what
            // poll has half written or read is kept in the event loop.
            tokio::select! {
                event = events.poll() => self.handle(event?)?,
                () = self.connection.abandonment(), if recycle_at.is_none() => {
                    let after = self.driver.config.redeliver_after;
                    tracing::warn!(?after, "messages were given up; the connection is recycled");
                    recycle_at = Some(Instant::now() + after);
                }
                () = reached(recycle_at) => return Err(LinkFault::Recycled.into()),
                () = stop_asked(stopped) => return Err(Ending::Stopped),
            }
        }
    }

    /// Subscribes on every connection: it costs one packet, heals a session that lost its
    /// subscriptions and shows at once whether the access list still allows them. It is the first
    /// packet, with nothing published until the SUBACK, because rumqttc may give a SUBSCRIBE the
    /// identifier of a publish in flight (rumqtt issue 1057).
    fn subscribe(&self) -> Result<(), LinkFault> {
        let filters = self.driver.config.topics.gateway_filters();
        let filters = filters.map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        self.connection
            .client()
            .try_subscribe_many(filters)
            .map_err(|error| LinkFault::Protocol(error.to_string()))
    }

    fn handle(&self, event: Event) -> Result<(), LinkFault> {
        match event {
            Event::Incoming(Incoming::Publish(publish)) => self.deliver(publish),
            Event::Incoming(Incoming::PubAck(puback)) => {
                self.connection.answered(&puback);
                Ok(())
            }
            Event::Incoming(Incoming::SubAck(suback)) => self.subscribed(&suback),
            Event::Outgoing(Outgoing::Publish(packet)) => {
                self.connection.sent(packet);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn subscribed(&self, suback: &SubAck) -> Result<(), LinkFault> {
        let filters = self.driver.config.topics.gateway_filters();
        for (filter, &reason) in filters.into_iter().zip(&suback.return_codes) {
            if reason != SubscribeReasonCode::Success(QoS::AtLeastOnce) {
                return Err(LinkFault::SubscriptionRefused { filter, reason });
            }
        }
        let session_present = self.session_present;
        tracing::info!(session_present, "connected to the broker");
        self.driver
            .current
            .send_replace(Some(Arc::clone(&self.connection)));
        self.driver
            .set_status(LinkState::Connected { session_present });
        Ok(())
    }

    fn deliver(&self, publish: Publish) -> Result<(), LinkFault> {
        let Driver {
            config, messages, ..
        } = &*self.driver;
        let ticket = match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(self.connection.received(publish.pkid)),
            QoS::ExactlyOnce => {
                return Err(LinkFault::Protocol(
                    "QoS 2 on a subscription of QoS 1".into(),
                ));
            }
        };
        let ack = AckToken::new(Arc::clone(&self.connection), ticket);
        if self.connection.unacknowledged() > config.max_unacknowledged() {
            return Err(LinkFault::Protocol(format!(
                "more than {} unacknowledged messages, of {} allowed",
                config.max_unacknowledged(),
                config.receive_maximum,
            )));
        }
        match InboundMessage::new(config.topics.prefix(), publish, ack) {
            Ok(message) => {
                metrics::counter!("fleetgrant_mqtt_received_total",
                    "kind" => message.kind.as_str())
                .increment(1);
                // Never waiting for room here: who takes the messages may wait for a publish,
                // which this very task has to send. A message without room is given up, and
                // comes again.
                if let Err(refused) = messages.try_send(message) {
                    drop(refused.into_inner());
                }
            }
            Err((ignored, ack)) => {
                metrics::counter!("fleetgrant_mqtt_ignored_total", "reason" => ignored.reason())
                    .increment(1);
                tracing::debug!(reason = ignored.reason(), "message ignored");
                ack.acknowledge();
            }
        }
        Ok(())
    }

    /// Sends what is queued, acknowledgements above all, and a DISCONNECT behind it.
    async fn say_goodbye(&self, events: &mut EventLoop) {
        self.connection.close();
        if self.connection.client().try_disconnect().is_err() {
            return;
        }
        let farewell = async {
            loop {
                match events.poll().await {
                    Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        };
        // Late or not, the connection is closed next.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.driver.current.send_replace(None);
        self.connection.close();
    }
}

/// Also when the link is gone, which asks just as well.
async fn stop_asked(stopped: &mut watch::Receiver<bool>) {
    // The guard of the value must not be held over the next await.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
