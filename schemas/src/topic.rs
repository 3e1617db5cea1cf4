//! The five messages and their topics, `{prefix}/v1/{device}/{message}`.
//!
//! ```
//! use fleetgrant_schemas::topic::{MessageType, Topic};
//! let topic = Topic::parse("fg", "fg/v1/scope-4711/request").unwrap();
//! assert_eq!(topic.device.as_str(), "scope-4711");
//! assert_eq!(topic.message, MessageType::Request);
//! assert_eq!(topic.within("fg").to_string(), "fg/v1/scope-4711/request");
//! ```

use core::fmt;

use crate::id::{DeviceId, InvalidDeviceId};
use crate::limits;

/// One of the five messages: the last level of its topic and the `typ` of its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Device to gateway: what it has and what it wants.
    Request,
    /// Gateway to device: the whole set of rights.
    Grant,
    /// Device to gateway: what it installed.
    Ack,
    /// Gateway to device: why there is no grant.
    Notice,
    /// Gateway to device: the authority's keys.
    Keys,
}

impl MessageType {
    /// All five.
    pub const ALL: &'static [Self] = &[
        Self::Request,
        Self::Grant,
        Self::Ack,
        Self::Notice,
        Self::Keys,
    ];

    /// The last level of the topic.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Grant => "grant",
            Self::Ack => "ack",
            Self::Notice => "notice",
            Self::Keys => "keys",
        }
    }

    /// The media type in the `typ` header (RFC 9596).
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Request => "application/vnd.fleetgrant.request+cwt",
            Self::Grant => "application/vnd.fleetgrant.grant+cwt",
            Self::Ack => "application/vnd.fleetgrant.ack+cwt",
            Self::Notice => "application/vnd.fleetgrant.notice+cwt",
            Self::Keys => "application/vnd.fleetgrant.keys+cwt",
        }
    }

    /// Whether devices send it.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Request | Self::Ack)
    }

    /// The most bytes a message of this type may have.
    #[must_use]
    pub const fn max_len(self) -> usize {
        if self.is_up() {
            limits::MAX_UP
        } else {
            limits::MAX_DOWN
        }
    }

    pub(crate) fn of_media_type(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.media_type() == text)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A topic, without its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic<'b> {
    /// Whose.
    pub device: DeviceId<'b>,
    /// Which of the five.
    pub message: MessageType,
}

/// The text is no topic of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidTopic {
    /// It lies outside the prefix.
    Prefix,
    /// Its version level is not `v1`.
    Version,
    /// Its device level is no device id.
    Device(InvalidDeviceId),
    /// Its last level is none of the five messages, or there are more levels.
    Message,
}

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("the topic does not begin with the prefix"),
            Self::Version => f.write_str("the topic's version is not v1"),
            Self::Device(reason) => reason.fmt(f),
            Self::Message => f.write_str("the topic does not end in one of the five messages"),
        }
    }
}

impl core::error::Error for InvalidTopic {}

impl<'b> Topic<'b> {
    /// Parses `{prefix}/v1/{device}/{message}`.
    pub fn parse(prefix: &str, topic: &'b str) -> Result<Self, InvalidTopic> {
        let rest = topic
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or(InvalidTopic::Prefix)?;
        let rest = rest.strip_prefix("v1/").ok_or(InvalidTopic::Version)?;
        let (device, message) = rest.split_once('/').ok_or(InvalidTopic::Message)?;
        Ok(Self {
            device: DeviceId::new(device).map_err(InvalidTopic::Device)?,
            message: MessageType::ALL
                .iter()
                .copied()
                .find(|m| m.as_str() == message)
                .ok_or(InvalidTopic::Message)?,
        })
    }

    /// Prints the topic below a prefix.
    pub fn within<'a>(&'a self, prefix: &'a str) -> impl fmt::Display + use<'a, 'b> {
        PrefixedTopic {
            prefix,
            topic: self,
        }
    }
}

struct PrefixedTopic<'a, 'b> {
    prefix: &'a str,
    topic: &'a Topic<'b>,
}

impl fmt::Display for PrefixedTopic<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Topic { device, message } = self.topic;
        write!(f, "{}/v1/{device}/{message}", self.prefix)
    }
}
