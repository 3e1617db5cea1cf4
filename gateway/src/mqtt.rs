//! The gateway's side of MQTT 5: one link to a broker that messages come and go through.
//!
//! ```text
//! broker ──PUBLISH──▶ connection ──InboundMessage──▶ Inbound ──▶ …decide, commit… ──▶ AckToken
//!        ◀──PUBACK──────────────────────────────────────────────────────────────────────┘
//!        ◀──PUBLISH── connection ◀── Outbound::publish ──▶ PublishOutcome
//! ```
//!
//! A message is acknowledged only when its [`AckToken`] is, which is after the database commit.
//! Whatever a connection had in flight when it is lost is lost with it: the broker delivers again
//! what was not acknowledged, the database's outbox publishes again what was not accepted.

mod ack_queue;
mod backoff;
mod config;
mod connection;
mod fault;
mod in_flight;
mod inbound;
mod link;
mod live;
mod outbound;
mod status;
mod topics;

pub use backoff::Backoff;
pub use config::{LinkConfig, PACKET_OVERHEAD};
pub use fault::LinkFault;
pub use inbound::{AckToken, Inbound, InboundMessage};
pub use link::MqttLink;
pub use outbound::{Outbound, PublishError, PublishOutcome, Receipt};
pub use status::{LinkState, LinkStatus};
pub use topics::{InvalidTopicSpace, TopicSpace};
