//! Messages to devices.

use bytes::Bytes;
use fleetgrant_core::domain::DeviceId;
use fleetgrant_schemas::topic::{MessageType, Topic};
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::connection::Connection;

/// Publishes messages to devices. Clones share one link.
///
/// Nothing is kept for later: what a lost connection had in flight ends as
/// [`PublishOutcome::Lost`], and the outbox in the database publishes it again.
#[derive(Clone, Debug)]
pub struct Outbound {
    prefix: Arc<str>,
    connection: watch::Receiver<Option<Arc<Connection>>>,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The broker took it. Whether the device did, only its signed acknowledgement tells.
    Accepted,
    /// The broker took it and nobody is subscribed.
    NoSubscriber,
    /// The broker refused it, for good.
    Refused(PubAckReason),
    /// The connection was lost before the broker answered; it may or may not have taken it.
    Lost,
}

/// A publish that was certainly not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection to a broker.
    #[error("there is no connection to the broker")]
    NotConnected,
    /// The message is larger than the protocol or the broker allows.
    #[error("a message of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// The message's length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Messages of this type go up, not down.
    #[error("a gateway does not publish a {0}")]
    Upward(MessageType),
}

impl Outbound {
    pub(super) fn new(
        prefix: Arc<str>,
        connection: watch::Receiver<Option<Arc<Connection>>>,
    ) -> Self {
        Self { prefix, connection }
    }

    /// Publishes with QoS 1 and waits for the broker's answer.
    ///
    /// # Errors
    /// When the message was certainly not sent.
    pub async fn publish(
        &self,
        device: &DeviceId,
        kind: MessageType,
        payload: Bytes,
    ) -> Result<PublishOutcome, PublishError> {
        Ok(self.begin(device, kind, payload).await?.outcome().await)
    }

    /// Sends a publish, waiting only while too many are in flight, and returns what to await the
    /// broker's answer on: so one task has many in flight.
    ///
    /// # Errors
    /// When the message was certainly not sent.
    pub async fn begin(
        &self,
        device: &DeviceId,
        kind: MessageType,
        payload: Bytes,
    ) -> Result<Receipt, PublishError> {
        if kind.is_up() {
            return Err(PublishError::Upward(kind));
        }
        let (len, max) = (payload.len(), kind.max_len());
        if len > max {
            return Err(PublishError::TooLarge { len, max });
        }
        let topic = Topic {
            device: device.as_wire(),
            message: kind,
        };
        let topic = topic.within(&self.prefix).to_string();
        let connection = self
            .connection
            .borrow()
            .clone()
            .ok_or(PublishError::NotConnected)?;
        let answer = connection.publish(topic, payload).await?;
        Ok(Receipt { kind, answer })
    }
}

/// The answer that a publish waits for.
#[derive(Debug)]
#[must_use = "whether the broker took the message is known only from the receipt"]
pub struct Receipt {
    kind: MessageType,
    answer: oneshot::Receiver<PubAckReason>,
}

impl Receipt {
    /// Waits for the broker's answer or the connection's end.
    pub async fn outcome(self) -> PublishOutcome {
        let outcome = match self.answer.await {
            Ok(PubAckReason::Success) => PublishOutcome::Accepted,
            Ok(PubAckReason::NoMatchingSubscribers) => PublishOutcome::NoSubscriber,
            Ok(reason) => PublishOutcome::Refused(reason),
            Err(_) => PublishOutcome::Lost,
        };
        metrics::counter!("fleetgrant_mqtt_published_total",
            "kind" => self.kind.as_str(), "outcome" => outcome.label())
        .increment(1);
        outcome
    }
}

impl PublishOutcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NoSubscriber => "no-subscriber",
            Self::Refused(_) => "refused",
            Self::Lost => "lost",
        }
    }
}

/// A publish that waits for the broker's answer, and its place among those in flight.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) answer: oneshot::Sender<PubAckReason>,
    pub(super) _place: OwnedSemaphorePermit,
}
