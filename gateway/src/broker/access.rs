//! Who may publish and subscribe where. Whatever is not allowed here is refused.

use fleetgrant_schemas::topic::Topic;

use crate::identity::{PeerIdentity, Role};
use crate::mqtt::TopicSpace;

/// The access list of one installation.
#[derive(Debug)]
pub(super) struct AccessList {
    prefix: String,
    gateway_filters: [String; 2],
}

impl AccessList {
    pub(super) fn new(topics: &TopicSpace) -> Self {
        Self {
            prefix: topics.prefix().to_owned(),
            gateway_filters: topics.gateway_filters(),
        }
    }

    /// Whether a client id may be used: a device's is its identity, a role's begins with its
    /// name and a colon, which no device id contains, so neither can take over the other's session.
    pub(super) fn may_connect(peer: &PeerIdentity, client_id: &str) -> bool {
        match peer {
            PeerIdentity::Device(id) => client_id == id.as_str(),
            PeerIdentity::Role(own) => client_id
                .strip_prefix(own.role.as_str())
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|instance| !instance.is_empty()),
        }
    }

    pub(super) fn may_publish(&self, peer: &PeerIdentity, topic: &str) -> bool {
        let Ok(topic) = Topic::parse(&self.prefix, topic) else {
            return false;
        };
        match peer {
            PeerIdentity::Device(id) => {
                topic.message.is_up() && topic.device.as_str() == id.as_str()
            }
            PeerIdentity::Role(own) => match own.role {
                Role::Gateway => !topic.message.is_up(),
            },
        }
    }

    /// A device's filter must parse as a topic, and a device id has no wildcard and no `$`.
    pub(super) fn may_subscribe(&self, peer: &PeerIdentity, filter: &str) -> bool {
        match peer {
            PeerIdentity::Device(id) => Topic::parse(&self.prefix, filter)
                .is_ok_and(|topic| !topic.message.is_up() && topic.device.as_str() == id.as_str()),
            PeerIdentity::Role(own) => match own.role {
                Role::Gateway => self.gateway_filters.iter().any(|own| own == filter),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::domain::DeviceId;
    use fleetgrant_schemas::topic::MessageType;

    use super::*;
    use crate::identity::RoleIdentity;

    fn list() -> AccessList {
        AccessList::new(&TopicSpace::default())
    }

    fn device(id: &str) -> PeerIdentity {
        PeerIdentity::Device(DeviceId::new(id).unwrap())
    }

    fn gateway() -> PeerIdentity {
        PeerIdentity::Role(RoleIdentity {
            role: Role::Gateway,
            instance: "one".to_owned(),
        })
    }

    #[test]
    fn a_device_has_its_own_five_topics() {
        let (list, peer) = (list(), device("a-1"));
        for message in MessageType::ALL {
            let topic = format!("fg/v1/a-1/{message}");
            assert_eq!(list.may_publish(&peer, &topic), message.is_up(), "{topic}");
            assert_eq!(
                list.may_subscribe(&peer, &topic),
                !message.is_up(),
                "{topic}"
            );
        }
    }

    #[test]
    fn a_device_has_nothing_else() {
        let (list, peer) = (list(), device("a-1"));
        for topic in [
            "fg/v1/a-2/request",
            "fg/v1/a-2/ack",
            "fg/v1/a-2/grant",
            "fg/v2/a-1/request",
            "xx/v1/a-1/request",
            "fg/v1/a-1/request/more",
            "fg/v1/a-1",
            "fg/v1//request",
            "/fg/v1/a-1/request",
            "",
            "$SYS/broker/uptime",
        ] {
            assert!(!list.may_publish(&peer, topic), "{topic}");
        }
        for filter in [
            "fg/v1/a-2/grant",
            "fg/v1/a-2/notice",
            "fg/v1/a-2/keys",
            "fg/v1/+/grant",
            "fg/v1/a-1/+",
            "fg/v1/a-1/#",
            "fg/#",
            "#",
            "+/+/+/+",
            "$SYS/#",
            "$share/gateway/fg/v1/+/request",
            "$share/gateway/fg/v1/a-1/grant",
            "$share/x/fg/v1/a-1/grant",
            "$queue/fg/v1/a-1/grant",
        ] {
            assert!(!list.may_subscribe(&peer, filter), "{filter}");
        }
    }

    #[test]
    fn the_gateway_hears_what_devices_send_and_sends_what_they_hear() {
        let (list, peer) = (list(), gateway());
        for message in MessageType::ALL {
            let topic = format!("fg/v1/a-1/{message}");
            assert_eq!(list.may_publish(&peer, &topic), !message.is_up(), "{topic}");
            assert!(!list.may_subscribe(&peer, &topic), "{topic}");
            let shared = format!("$share/gateway/fg/v1/+/{message}");
            assert_eq!(
                list.may_subscribe(&peer, &shared),
                message.is_up(),
                "{shared}"
            );
        }
        for filter in [
            "fg/v1/+/request",
            "$share/other/fg/v1/+/request",
            "$share/gateway/#",
            "#",
            "$SYS/#",
        ] {
            assert!(!list.may_subscribe(&peer, filter), "{filter}");
        }
    }

    #[test]
    fn a_client_id_is_the_identity() {
        assert!(AccessList::may_connect(&device("a-1"), "a-1"));
        for id in ["a-2", "", "A-1", "a-1 ", "gateway:1"] {
            assert!(!AccessList::may_connect(&device("a-1"), id), "{id}");
        }
        assert!(AccessList::may_connect(&gateway(), "gateway:1"));
        for id in ["gateway", "gateway:", "gateway-1", "metrics:1", "a-1"] {
            assert!(!AccessList::may_connect(&gateway(), id), "{id}");
        }
    }
}
