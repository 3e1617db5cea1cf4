//! Where an installation's topics lie, and who shares them.

use fleetgrant_schemas::limits;
use fleetgrant_schemas::topic::MessageType;

/// The topic prefix and the share group of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpace {
    prefix: String,
    share_group: String,
}

/// The text cannot be a topic prefix or a share group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopicSpace {
    /// Not a prefix.
    #[error(
        "the topic prefix {0:?} is empty, longer than {max} bytes, begins with '$' or '/', ends in '/', or contains '+', '#' or a control character",
        max = limits::MAX_TOPIC_PREFIX
    )]
    Prefix(String),
    /// Not a share name (MQTT 5, 4.8.2).
    #[error(
        "the share group {0:?} is empty, longer than 64 bytes, or contains '/', '+', '#' or a control character"
    )]
    ShareGroup(String),
}

const MAX_SHARE_GROUP: usize = 64;

impl TopicSpace {
    /// Parses a prefix and a share group.
    ///
    /// # Errors
    /// When either has characters that mean something else in a topic filter.
    pub fn new(
        prefix: impl Into<String>,
        share_group: impl Into<String>,
    ) -> Result<Self, InvalidTopicSpace> {
        let (prefix, share_group) = (prefix.into(), share_group.into());
        let special = |c: char| c.is_control() || matches!(c, '+' | '#');
        if !(1..=limits::MAX_TOPIC_PREFIX).contains(&prefix.len())
            || prefix.starts_with(['$', '/'])
            || prefix.ends_with('/')
            || prefix.contains(special)
        {
            return Err(InvalidTopicSpace::Prefix(prefix));
        }
        if !(1..=MAX_SHARE_GROUP).contains(&share_group.len())
            || share_group.contains('/')
            || share_group.contains(special)
        {
            return Err(InvalidTopicSpace::ShareGroup(share_group));
        }
        Ok(Self {
            prefix,
            share_group,
        })
    }

    /// What every topic begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the gateways of the installation share their subscriptions under.
    #[must_use]
    pub fn share_group(&self) -> &str {
        &self.share_group
    }

    /// What a gateway subscribes to: every device's requests and acknowledgements, each to one
    /// gateway of the group.
    #[must_use]
    pub fn gateway_filters(&self) -> [String; 2] {
        let Self {
            prefix,
            share_group,
        } = self;
        [MessageType::Request, MessageType::Ack]
            .map(|message| format!("$share/{share_group}/{prefix}/v1/+/{message}"))
    }
}

impl Default for TopicSpace {
    fn default() -> Self {
        Self {
            prefix: "fg".to_owned(),
            share_group: "gateway".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_would_mean_something_else_is_refused() {
        for prefix in [
            "",
            "/fg",
            "fg/",
            "$SYS",
            "f+g",
            "fg/#",
            "f\0g",
            &"f".repeat(33),
        ] {
            assert!(TopicSpace::new(prefix, "gateway").is_err(), "{prefix:?}");
        }
        for group in ["", "a/b", "a+", "#", "a\n", &"g".repeat(65)] {
            assert!(TopicSpace::new("fg", group).is_err(), "{group:?}");
        }
        TopicSpace::new("plant-7/licences", "eu west").unwrap();
    }

    #[test]
    fn a_gateway_subscribes_to_what_devices_send() {
        let space = TopicSpace::new("plant/fg", "g").unwrap();
        assert_eq!(
            space.gateway_filters(),
            [
                "$share/g/plant/fg/v1/+/request",
                "$share/g/plant/fg/v1/+/ack"
            ]
        );
    }
}
