//! The link: connects, polls, and connects again, until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::{AsyncClient, Event, Incoming, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::config::MAX_INCOMING;
use super::connection::Connection;
use super::inbound::EpochCell;
use super::live::Live;
use super::{Inbound, InboundMessage, LinkConfig, LinkFault, LinkState, LinkStatus, Outbound};

/// A connection that lasted this long was a good one: the next pause is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// A link to a broker, which reconnects by itself. Dropping it cuts the connection; the broker
/// then delivers again what was not acknowledged.
#[derive(Debug)]
pub struct MqttLink {
    intake_closed: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    status: watch::Receiver<LinkStatus>,
    task: JoinHandle<()>,
}

impl MqttLink {
    /// Starts to connect. `tls` must present the gateway's role certificate.
    #[must_use]
    pub fn spawn(config: LinkConfig, tls: Arc<rustls::ClientConfig>) -> (Self, Inbound, Outbound) {
        let (intake_closed, closed) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let (status, status_rx) = watch::channel(LinkStatus::new(LinkState::Connecting, 0));
        let (current, current_rx) = watch::channel(None);
        let (messages, messages_rx) = mpsc::channel(config.max_unacknowledged());
        let epoch = Arc::new(EpochCell::default());
        let outbound = Outbound::new(config.topics.prefix().into(), current_rx);
        let inbound = Inbound::new(messages_rx, Arc::clone(&epoch), closed.clone());
        let driver = Arc::new(Driver {
            config,
            tls,
            epoch,
            messages,
            intake_closed: closed,
            current,
            status,
            stopped,
        });
        let link = Self {
            intake_closed,
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

    /// Takes no further messages: [`Inbound`] ends with those that have come, and the broker keeps
    /// the others for the next connection. Acknowledging and publishing go on, so that what is
    /// under way can be finished before [`MqttLink::stop`].
    pub fn close_intake(&self) {
        self.intake_closed.send_replace(true);
    }

    /// Sends the acknowledgements that were given, says good-bye and closes the connection. The
    /// session stays at the broker, and with it everything not acknowledged.
    pub async fn stop(mut self) {
        self.close_intake();
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
pub(super) enum Ending {
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
            () = asked(&mut stopped) => break,
        }
    }
    driver.set_status(LinkState::Stopped);
}

/// What outlives a connection.
pub(super) struct Driver {
    pub(super) config: LinkConfig,
    tls: Arc<rustls::ClientConfig>,
    pub(super) epoch: Arc<EpochCell>,
    pub(super) messages: mpsc::Sender<InboundMessage>,
    pub(super) intake_closed: watch::Receiver<bool>,
    pub(super) current: watch::Sender<Option<Arc<Connection>>>,
    status: watch::Sender<LinkStatus>,
    stopped: watch::Receiver<bool>,
}

impl Driver {
    async fn connection(self: Arc<Self>) -> Ending {
        let mut stopped = self.stopped.clone();
        let (client, mut events) = AsyncClient::new(self.options(), self.request_capacity());
        let polled = tokio::select! {
            polled = events.poll() => polled,
            () = asked(&mut stopped) => return Ending::Stopped,
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

    pub(super) fn set_status(&self, state: LinkState) {
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

/// Waits until a signal is given; that the link is gone is one too.
pub(super) async fn asked(signal: &mut watch::Receiver<bool>) {
    // The guard of the value must not be held over the next await.
    let _ = signal.wait_for(|asked| *asked).await;
}
