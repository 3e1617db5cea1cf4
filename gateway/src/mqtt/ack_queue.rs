//! Step 4: keeps PUBACKs in the order in which the PUBLISHes came (MQTT 5, 4.6).
//!
//! Messages finish in whatever order the database commits them. One that finishes early waits
//! here until those before it have.

use std::collections::VecDeque;

/// An MQTT packet identifier.
pub(super) type PacketId = u16;

/// The place of one message in the order of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Waiting(PacketId),
    Finished(PacketId),
    /// Never to be acknowledged on this connection, so nothing has to wait for it.
    Abandoned,
}

/// The messages of one connection that are not acknowledged yet, in the order of receipt.
#[derive(Debug, Default)]
pub(super) struct AckQueue {
    /// The ticket of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
}

impl AckQueue {
    /// Queues a message that has come in.
    pub(super) fn push(&mut self, packet: PacketId) -> Ticket {
        self.slots.push_back(Slot::Waiting(packet));
        Ticket(self.first + self.slots.len() as u64 - 1)
    }

    /// Messages that have not left the queue.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Marks a message as processed. What may be acknowledged now comes from
    /// [`AckQueue::release`].
    pub(super) fn finish(&mut self, ticket: Ticket) {
        if let Some(slot) = self.slot(ticket)
            && let Slot::Waiting(packet) = *slot
        {
            *slot = Slot::Finished(packet);
        }
    }

    /// Gives a message up: it stays unacknowledged, and those behind it no longer wait for it.
    pub(super) fn abandon(&mut self, ticket: Ticket) {
        if let Some(slot) = self.slot(ticket) {
            *slot = Slot::Abandoned;
        }
    }

    /// Takes the next message that may be acknowledged.
    pub(super) fn release(&mut self) -> Option<PacketId> {
        loop {
            let packet = match self.slots.front()? {
                Slot::Waiting(_) => return None,
                Slot::Finished(packet) => Some(*packet),
                Slot::Abandoned => None,
            };
            self.slots.pop_front();
            self.first += 1;
            if packet.is_some() {
                return packet;
            }
        }
    }

    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        let index = ticket.0.checked_sub(self.first)?;
        self.slots.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn released(queue: &mut AckQueue) -> Vec<PacketId> {
        std::iter::from_fn(|| queue.release()).collect()
    }

    #[test]
    fn what_finishes_early_waits_for_what_came_before() {
        let mut queue = AckQueue::default();
        let [a, b, c] = [7, 8, 9].map(|packet| queue.push(packet));
        queue.finish(c);
        assert!(released(&mut queue).is_empty());
        queue.finish(a);
        assert_eq!(released(&mut queue), [7]);
        queue.finish(b);
        assert_eq!(released(&mut queue), [8, 9]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_is_abandoned_is_skipped_and_never_acknowledged() {
        let mut queue = AckQueue::default();
        let [a, b] = [1, 2].map(|packet| queue.push(packet));
        queue.finish(b);
        queue.abandon(a);
        assert_eq!(released(&mut queue), [2]);
        queue.finish(a);
        assert!(released(&mut queue).is_empty());
    }

    #[test]
    fn a_ticket_is_good_once() {
        let mut queue = AckQueue::default();
        let a = queue.push(1);
        queue.finish(a);
        assert_eq!(released(&mut queue), [1]);
        let b = queue.push(1);
        queue.finish(a);
        assert!(released(&mut queue).is_empty());
        queue.finish(b);
        assert_eq!(released(&mut queue), [1]);
    }

    proptest! {
        /// Whatever the order of finishing, the order of release is the order of receipt, with
        /// every finished message in it once and no abandoned one.
        #[test]
        fn release_keeps_the_order_of_receipt(
            order in Just((0_u16..40).collect::<Vec<_>>()).prop_shuffle(),
            abandoned in prop::collection::hash_set(0_u16..40, 0..10),
        ) {
            let mut queue = AckQueue::default();
            let tickets: Vec<_> = (0_u16..40).map(|packet| queue.push(packet)).collect();
            let mut out = Vec::new();
            for packet in order {
                let ticket = tickets[usize::from(packet)];
                if abandoned.contains(&packet) {
                    queue.abandon(ticket);
                } else {
                    queue.finish(ticket);
                }
                out.extend(released(&mut queue));
            }
            let expected: Vec<_> = (0_u16..40).filter(|p| !abandoned.contains(p)).collect();
            prop_assert_eq!(out, expected);
            prop_assert_eq!(queue.len(), 0);
        }
    }
}
