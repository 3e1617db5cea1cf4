//! One connection to the broker, from CONNECT to its end.
//!
//! Each has an rumqttc event loop of its own, never one that was connected before. An event loop
//! that reconnects keeps state that is wrong or dangerous then: a publish parked on a packet
//! identifier in use livelocks it once the session is lost (rumqtt issues 1056 and 1014),
//! acknowledgements of the old connection go out on the new one, and what it resends from memory
//! the outbox would send too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, PubAck, PubAckReason, Publish};
use tokio::sync::{Notify, Semaphore, oneshot};

use super::LinkConfig;
use super::ack_queue::{AckQueue, PacketId, Ticket};
use super::config::PACKET_OVERHEAD;
use super::in_flight::InFlight;
use super::inbound::Epoch;
use super::outbound::{PublishError, Waiting};

/// What the polling task of one connection shares with those who acknowledge and publish. None of
/// them waits for it: what they hand over goes into a channel that has room for all that can be
/// under way, since a full one would block the very task that empties it.
#[derive(Debug)]
pub(super) struct Connection {
    epoch: Epoch,
    client: AsyncClient,
    acks: Mutex<AckQueue>,
    /// `None` when the connection has ended.
    in_flight: Mutex<Option<InFlight<Waiting>>>,
    places: Arc<Semaphore>,
    max_payload: usize,
    abandoned: Notify,
}

impl Connection {
    /// The connection that the broker has just accepted.
    pub(super) fn new(
        epoch: Epoch,
        client: AsyncClient,
        connack: &ConnAck,
        config: &LinkConfig,
    ) -> Self {
        let limits = connack.properties.as_ref();
        let receive_maximum = limits.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        // One less than rumqttc's window: when that is full it sends nothing at all, not even our
        // acknowledgements.
        let places = receive_maximum.min(config.in_flight).saturating_sub(1);
        let max_payload = limits
            .and_then(|p| p.max_packet_size)
            .map_or(usize::MAX, |max| max as usize)
            .saturating_sub(PACKET_OVERHEAD);
        Self {
            epoch,
            client,
            acks: Mutex::default(),
            in_flight: Mutex::new(Some(InFlight::default())),
            places: Arc::new(Semaphore::new(usize::from(places.max(1)))),
            max_payload,
            abandoned: Notify::new(),
        }
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) const fn client(&self) -> &AsyncClient {
        &self.client
    }

    /// Takes a message into the order of receipt.
    pub(super) fn received(&self, packet: PacketId) -> Ticket {
        lock(&self.acks).push(packet)
    }

    /// Messages received and not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        lock(&self.acks).len()
    }

    pub(super) fn acknowledge(&self, ticket: Ticket) {
        let mut acks = lock(&self.acks);
        acks.finish(ticket);
        self.release(&mut acks);
    }

    pub(super) fn abandon(&self, ticket: Ticket) {
        let mut acks = lock(&self.acks);
        acks.abandon(ticket);
        self.release(&mut acks);
        drop(acks);
        metrics::counter!("fleetgrant_mqtt_abandoned_total").increment(1);
        self.abandoned.notify_one();
    }

    /// Resolves when a message was given up, also if that was before the call.
    pub(super) async fn abandonment(&self) {
        self.abandoned.notified().await;
    }

    /// Under the lock, so that two threads cannot send their PUBACKs in the wrong order.
    fn release(&self, acks: &mut AckQueue) {
        while let Some(packet) = acks.release() {
            let publish = Publish {
                qos: QoS::AtLeastOnce,
                pkid: packet,
                ..Publish::default()
            };
            // Always with success: a broker discards a message for good on any other code. It
            // fails only when the connection has ended, and then the broker delivers again.
            if self.client.try_ack(&publish).is_ok() {
                metrics::counter!("fleetgrant_mqtt_acknowledged_total").increment(1);
            }
        }
    }

    /// Hands a publish to the client as soon as there is a place for it.
    pub(super) async fn publish(
        &self,
        topic: String,
        payload: Bytes,
    ) -> Result<oneshot::Receiver<PubAckReason>, PublishError> {
        let (len, max) = (payload.len(), self.max_payload);
        if len > max {
            return Err(PublishError::TooLarge { len, max });
        }
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| PublishError::NotConnected)?;
        let (answer, receipt) = oneshot::channel();
        let mut in_flight = lock(&self.in_flight);
        let Some(queue) = in_flight.as_mut() else {
            return Err(PublishError::NotConnected);
        };
        // Both under the lock: the order of the queue must be the order of sending. Never
        // retained: a grant for the next one who subscribes would be somebody else's past.
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, payload)
            .map_err(|_| PublishError::NotConnected)?;
        queue.queue(Waiting {
            answer,
            _place: place,
        });
        Ok(receipt)
    }

    pub(super) fn sent(&self, packet: PacketId) {
        if let Some(in_flight) = lock(&self.in_flight).as_mut() {
            in_flight.sent(packet);
        }
    }

    pub(super) fn answered(&self, puback: &PubAck) {
        let waiting = lock(&self.in_flight)
            .as_mut()
            .and_then(|in_flight| in_flight.acknowledged(puback.pkid));
        if let Some(waiting) = waiting {
            // Nobody may wait any more; the place is free all the same.
            let _ = waiting.answer.send(puback.reason);
        }
    }

    /// Ends every publish in flight as lost and lets nobody wait for a place.
    pub(super) fn close(&self) {
        self.places.close();
        lock(&self.in_flight).take();
    }
}

/// A panic elsewhere leaves these queues as good as they were: nothing in them is ever half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
