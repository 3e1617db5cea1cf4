//! A connection that the broker has accepted: subscribes, polls and hands on what happens.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, Publish, SubAck, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use super::link::{Driver, Ending, asked};
use super::{AckToken, InboundMessage, LinkFault, LinkState};

/// How long a DISCONNECT may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that the broker has accepted. However it ends, a panic included, nobody goes on
/// waiting for it.
pub(super) struct Live {
    driver: Arc<Driver>,
    connection: Arc<Connection>,
    session_present: bool,
}

impl Live {
    pub(super) fn open(
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

    pub(super) async fn run(
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
                () = asked(stopped) => return Err(Ending::Stopped),
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
        // Without a place among the acknowledgements it stays with the broker.
        if *self.driver.intake_closed.borrow() {
            return Ok(());
        }
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
    pub(super) async fn say_goodbye(&self, events: &mut EventLoop) {
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

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
