//! Messages from devices, each with the duty to acknowledge it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use fleetgrant_core::domain::DeviceId;
use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::{MessageType, Topic};
use tokio::sync::{mpsc, watch};

use super::ack_queue::Ticket;
use super::connection::Connection;
use super::link::asked;

/// A message from a device, not verified in any way but that its topic has the right form.
#[derive(Debug)]
pub struct InboundMessage {
    /// The device in the topic.
    pub device: DeviceId,
    /// What the topic says it is: a request or an acknowledgement.
    pub kind: MessageType,
    /// At most [`limits::MAX_UP`] bytes.
    pub payload: Bytes,
    /// Whether the broker says that it delivered this before. Not to be relied on.
    pub dup: bool,
    /// When it came off the wire.
    pub received_at: Instant,
    /// To be acknowledged when the effects of the message are committed.
    pub ack: AckToken,
}

/// Why a message is dropped before anybody looks at it. It is acknowledged all the same, or the
/// broker would bring it again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    Topic,
    TooLarge,
}

impl Ignored {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::TooLarge => "too-large",
        }
    }
}

impl InboundMessage {
    /// The message, or the token to acknowledge it unread with.
    pub(super) fn new(
        prefix: &str,
        publish: rumqttc::v5::mqttbytes::v5::Publish,
        ack: AckToken,
    ) -> Result<Self, (Ignored, AckToken)> {
        if publish.payload.len() > limits::MAX_UP {
            return Err((Ignored::TooLarge, ack));
        }
        let Some((device, kind)) = parse_topic(prefix, &publish.topic) else {
            return Err((Ignored::Topic, ack));
        };
        Ok(Self {
            device,
            kind,
            payload: publish.payload,
            dup: publish.dup,
            received_at: Instant::now(),
            ack,
        })
    }

    /// The span for everything that is logged on the message's path.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("message", device = %self.device, kind = %self.kind, dup = self.dup)
    }
}

/// Whose topic it is, and for what kind of message from a device.
fn parse_topic(prefix: &str, topic: &[u8]) -> Option<(DeviceId, MessageType)> {
    let topic = Topic::parse(prefix, std::str::from_utf8(topic).ok()?).ok()?;
    topic
        .message
        .is_up()
        .then(|| (topic.device.into(), topic.message))
}

/// Where messages from devices come out.
#[derive(Debug)]
pub struct Inbound {
    messages: mpsc::Receiver<InboundMessage>,
    epoch: Arc<EpochCell>,
    closed: watch::Receiver<bool>,
}

impl Inbound {
    pub(super) fn new(
        messages: mpsc::Receiver<InboundMessage>,
        epoch: Arc<EpochCell>,
        closed: watch::Receiver<bool>,
    ) -> Self {
        Self {
            messages,
            epoch,
            closed,
        }
    }

    /// The next message, or `None` when the intake is closed and everything is taken.
    pub async fn recv(&mut self) -> Option<InboundMessage> {
        let mut one = Vec::with_capacity(1);
        self.recv_many(&mut one, 1).await;
        one.pop()
    }

    /// Waits for at least one message and takes up to `limit` of those that are there. Returns
    /// how many it added; 0 when the intake is closed and everything is taken.
    pub async fn recv_many(&mut self, into: &mut Vec<InboundMessage>, limit: usize) -> usize {
        let start = into.len();
        while self.take_many(into, limit).await > 0 {
            // Nearly always nothing is superseded, and then nothing is moved.
            if !into[start..].iter().all(|message| self.is_current(message)) {
                let fresh = into.split_off(start);
                into.extend(fresh.into_iter().filter(|message| self.is_current(message)));
            }
            if into.len() > start {
                break;
            }
        }
        into.len() - start
    }

    async fn take_many(&mut self, into: &mut Vec<InboundMessage>, limit: usize) -> usize {
        tokio::select! {
            biased;
            taken = self.messages.recv_many(into, limit) => taken,
            () = asked(&mut self.closed) => {
                self.messages.close();
                self.messages.recv_many(into, limit).await
            }
        }
    }

    /// Whether the message is the only copy. When the broker has resumed the session on a newer
    /// connection, it delivers what the old one left unacknowledged again, so the old copy would
    /// only be processed twice.
    fn is_current(&self, message: &InboundMessage) -> bool {
        !self.epoch.load().resumes(message.ack.epoch())
    }
}

/// Which connection, of which session at the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    session: u32,
    connection: u32,
}

impl Epoch {
    pub(super) const fn next(self, session_present: bool) -> Self {
        Self {
            session: if session_present {
                self.session
            } else {
                self.session.wrapping_add(1)
            },
            connection: self.connection.wrapping_add(1),
        }
    }

    /// Whether this is a later connection of the same session.
    const fn resumes(self, earlier: Self) -> bool {
        self.session == earlier.session && self.connection != earlier.connection
    }
}

/// The epoch of the latest connection.
#[derive(Debug, Default)]
pub(super) struct EpochCell(AtomicU64);

impl EpochCell {
    pub(super) fn store(&self, epoch: Epoch) {
        let packed = u64::from(epoch.session) << 32 | u64::from(epoch.connection);
        self.0.store(packed, Ordering::Release);
    }

    pub(super) fn load(&self) -> Epoch {
        let packed = self.0.load(Ordering::Acquire);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        Epoch {
            session: (packed >> 32) as u32,
            connection: packed as u32,
        }
    }
}

/// The duty to acknowledge one message to the broker.
///
/// Dropped without [`AckToken::acknowledge`], the message stays unacknowledged, and after
/// [`redeliver_after`](super::LinkConfig::redeliver_after) the connection is recycled so that the
/// broker delivers it again: within a connection it never would. Messages behind it are
/// acknowledged meanwhile.
///
/// The token belongs to the connection its message came on. After a reconnect the packet
/// identifier may mean another message, and rumqttc sends such an acknowledgement all the same; a
/// token of a lost connection therefore does nothing.
#[must_use = "a message that is not acknowledged comes again"]
pub struct AckToken {
    connection: Arc<Connection>,
    /// Nothing for a message of QoS 0, and once acknowledged.
    ticket: Option<Ticket>,
}

impl AckToken {
    pub(super) fn new(connection: Arc<Connection>, ticket: Option<Ticket>) -> Self {
        Self { connection, ticket }
    }

    /// Lets the PUBACK go, as soon as those of all earlier messages have gone.
    pub fn acknowledge(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.connection.acknowledge(ticket);
        }
    }

    fn epoch(&self) -> Epoch {
        self.connection.epoch()
    }
}

impl Drop for AckToken {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.connection.abandon(ticket);
        }
    }
}

impl fmt::Debug for AckToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AckToken").field(&self.ticket).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_topic_is_taken_apart_or_ignored() {
        assert_eq!(
            parse_topic("fg", b"fg/v1/scope-1/request"),
            Some((DeviceId::new("scope-1").unwrap(), MessageType::Request))
        );
        for topic in [
            &b"fg/v1/scope-1/grant"[..],
            b"fg/v1/scope 1/ack",
            b"fg/v1/scope-1/ack/more",
            b"other/v1/scope-1/ack",
            b"\xff",
            b"",
        ] {
            assert_eq!(parse_topic("fg", topic), None, "{topic:?}");
        }
    }

    #[test]
    fn only_a_resumed_session_makes_an_older_copy_superfluous() {
        let first = Epoch::default().next(false);
        let resumed = first.next(true);
        let fresh = resumed.next(false);
        assert!(!first.resumes(first));
        assert!(resumed.resumes(first));
        assert!(!fresh.resumes(first));
        assert!(!fresh.resumes(resumed));
        assert!(fresh.next(true).resumes(fresh));
        let cell = EpochCell::default();
        cell.store(fresh);
        assert_eq!(cell.load(), fresh);
    }
}
