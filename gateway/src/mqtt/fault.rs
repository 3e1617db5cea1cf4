//! Why a connection ended, in words that a person can act on.

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, SubscribeReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

/// Why a connection to the broker failed or ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// TCP or TLS failed, or the peer closed the connection.
    #[error(
        "the broker cannot be reached: {0}; check its address, that it runs, and both sides' certificates"
    )]
    Network(String),
    /// Nothing came in time.
    #[error("the broker did not answer in time; check its address and the network between")]
    Timeout,
    /// The broker refused the connection.
    #[error(
        "the broker refused the connection: {0:?}; check the client id and the role certificate against the broker's access list"
    )]
    Refused(ConnectReturnCode),
    /// The broker refused the shared subscription.
    #[error(
        "the broker refused the subscription {filter}: {reason:?}; its access list must give the gateway's role this shared subscription"
    )]
    SubscriptionRefused {
        /// The filter that was refused.
        filter: String,
        /// What the broker said.
        reason: SubscribeReasonCode,
    },
    /// The broker lacks what the gateway stands on.
    #[error("the broker cannot serve a gateway: {0}")]
    Unsuitable(&'static str),
    /// The broker closed the connection and said why.
    #[error("the broker closed the connection: {0}")]
    Closed(String),
    /// The broker broke the protocol.
    #[error("the broker broke the protocol: {0}")]
    Protocol(String),
    /// A packet identifier was still in use after a whole round of them. rumqttc cannot recover
    /// from it (rumqtt issues 1014 and 1056), so the client is built anew.
    #[error("the broker left a publish unacknowledged for a whole round of packet identifiers")]
    Collision,
    /// Closed by us, so that the broker delivers again what was given up.
    #[error("closed so that the broker delivers unacknowledged messages again")]
    Recycled,
    /// The client library panicked on what the broker sent.
    #[error("the client failed on what the broker sent; see the log before this line")]
    Panicked,
}

impl LinkFault {
    /// A word for the counter.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::Timeout => "timeout",
            Self::Refused(_) => "refused",
            Self::SubscriptionRefused { .. } => "subscription-refused",
            Self::Unsuitable(_) => "unsuitable",
            Self::Closed(_) => "closed",
            Self::Protocol(_) => "protocol",
            Self::Collision => "collision",
            Self::Recycled => "recycled",
            Self::Panicked => "panicked",
        }
    }
}

impl From<ConnectionError> for LinkFault {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Timeout(_) => Self::Timeout,
            ConnectionError::ConnectionRefused(code) => Self::Refused(code),
            ConnectionError::MqttState(state) => Self::from(state),
            ConnectionError::Tls(error) => Self::Network(error.to_string()),
            ConnectionError::Io(error) => Self::Network(error.to_string()),
            other => Self::Protocol(other.to_string()),
        }
    }
}

impl From<StateError> for LinkFault {
    fn from(error: StateError) -> Self {
        match error {
            StateError::CollisionTimeout => Self::Collision,
            StateError::AwaitPingResp => Self::Timeout,
            StateError::ConnectionAborted => Self::Network("connection closed by the peer".into()),
            StateError::Io(error) => Self::Network(error.to_string()),
            StateError::ServerDisconnect {
                reason_code,
                reason_string,
            } => Self::Closed(match reason_string {
                Some(text) => format!("{reason_code:?}, {text}"),
                None => format!("{reason_code:?}"),
            }),
            other => Self::Protocol(other.to_string()),
        }
    }
}
