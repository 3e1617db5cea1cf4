//! Matches the broker's PUBACKs to our publishes.
//!
//! rumqttc's `publish` tells no packet identifier, and of a refusing PUBACK it only logs a
//! warning. But it sends in the order it was asked to and reports each as `Outgoing::Publish`, so
//! the order says which identifier a publish was given.

use std::collections::{HashMap, VecDeque};

use super::ack_queue::PacketId;

/// Publishes of one connection, `T` being who waits for each.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    queued: VecDeque<T>,
    sent: HashMap<PacketId, T>,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self {
            queued: VecDeque::new(),
            sent: HashMap::new(),
        }
    }
}

impl<T> InFlight<T> {
    /// A publish was handed to the client.
    pub(super) fn queue(&mut self, waiting: T) {
        self.queued.push_back(waiting);
    }

    /// The client sent the next publish under this identifier.
    pub(super) fn sent(&mut self, packet: PacketId) {
        if let Some(waiting) = self.queued.pop_front() {
            self.sent.insert(packet, waiting);
        }
    }

    /// The broker acknowledged the publish with this identifier.
    pub(super) fn acknowledged(&mut self, packet: PacketId) -> Option<T> {
        self.sent.remove(&packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_finds_its_publish_by_the_order_of_sending() {
        let mut in_flight = InFlight::default();
        for waiting in ["a", "b", "c"] {
            in_flight.queue(waiting);
        }
        in_flight.sent(5);
        in_flight.sent(9);
        assert_eq!(in_flight.acknowledged(9), Some("b"));
        assert_eq!(in_flight.acknowledged(9), None);
        in_flight.sent(9);
        assert_eq!(in_flight.acknowledged(9), Some("c"));
        assert_eq!(in_flight.acknowledged(5), Some("a"));
    }

    #[test]
    fn an_acknowledgement_of_nothing_finds_nothing() {
        let mut in_flight = InFlight::<()>::default();
        in_flight.sent(1);
        assert_eq!(in_flight.acknowledged(1), None);
    }
}
