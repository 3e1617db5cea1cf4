//! What a link needs to be told.

use std::time::Duration;

use fleetgrant_schemas::limits;

use super::{Backoff, TopicSpace};

/// How to reach a broker, and how much to have under way.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// The broker's host name or address, which its certificate must bear.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// The client id: one for each replica, kept over restarts, since the session hangs on it.
    /// The embedded broker wants `gateway:` and a name.
    pub client_id: String,
    /// The topics to serve.
    pub topics: TopicSpace,
    /// Silence after which the connection is probed; twice that and it is given up. At least 5 s,
    /// less is taken for that.
    pub keep_alive: Duration,
    /// How long the broker keeps subscriptions and messages for a gateway that is away.
    pub session_expiry: Duration,
    /// How long TCP, TLS and the CONNACK may take together.
    pub connect_timeout: Duration,
    /// Receive Maximum: messages the broker may deliver ahead of our acknowledgements.
    pub receive_maximum: u16,
    /// Our own publishes ahead of the broker's acknowledgements; at least 2.
    pub in_flight: u16,
    /// After a message was given up unacknowledged, how long until the connection is recycled so
    /// that the broker delivers it again.
    pub redeliver_after: Duration,
    /// Pauses between attempts to connect.
    pub backoff: Backoff,
}

impl LinkConfig {
    /// The defaults for everything but the broker and who connects.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            client_id: client_id.into(),
            topics: TopicSpace::default(),
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::from_secs(86_400),
            connect_timeout: Duration::from_secs(5),
            receive_maximum: 512,
            in_flight: 256,
            redeliver_after: Duration::from_secs(10),
            backoff: Backoff::default(),
        }
    }

    /// Messages that may be unacknowledged at a time before the link gives the connection up.
    /// Mosquitto 2.0.11 exceeds a Receive Maximum under load, so there is room for that.
    pub(super) fn max_unacknowledged(&self) -> usize {
        usize::from(self.receive_maximum) * 4
    }
}

/// What an MQTT packet adds to the largest message of the protocol: header, topic and the
/// properties a broker may attach (the embedded one names the sender).
pub const PACKET_OVERHEAD: usize = 1_024;

/// The largest packet the gateway takes.
pub(super) const MAX_INCOMING: usize = limits::MAX_UP + PACKET_OVERHEAD;
