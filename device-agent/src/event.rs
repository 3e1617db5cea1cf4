//! What the agent has to tell the firmware.

use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::topic::MessageType;

use crate::asking::AskError;
use crate::refusal::Refusal;
use crate::storage::{Record, StorageError};

/// Something happened. The newest six are kept until they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A grant set is in force and will be acknowledged.
    Installed {
        /// Its generation.
        generation: u64,
        /// Wants that it denied; the grant that `handle_message` returned says why.
        denied: u8,
    },
    /// The authority answered the request without a grant.
    Notice(NoticeCode),
    /// A key set is in force.
    KeysInstalled {
        /// Its generation.
        generation: u32,
    },
    /// The feature at this place of the profile's list went on or off.
    FeatureChanged {
        /// Its place.
        feature: u8,
        /// Whether it is on.
        on: bool,
    },
    /// A message was refused.
    Refused {
        /// What it came as.
        message: MessageType,
        /// Why.
        reason: Refusal,
    },
    /// A record was lost or cannot be written.
    Storage {
        /// Which.
        record: Record,
        /// Why.
        reason: StorageError,
    },
    /// A request that was due could not be made; it is tried again.
    CannotAsk(AskError),
}

/// The newest few events.
pub(crate) struct Events {
    ring: [Option<Event>; Self::CAPACITY],
    first: u8,
    len: u8,
}

impl Events {
    const CAPACITY: usize = 6;

    pub(crate) const fn new() -> Self {
        Self {
            ring: [None; Self::CAPACITY],
            first: 0,
            len: 0,
        }
    }

    /// Adds one; the oldest makes room.
    pub(crate) fn push(&mut self, event: Event) {
        if usize::from(self.len) == Self::CAPACITY {
            self.pop();
        }
        let last = usize::from(self.first + self.len) % Self::CAPACITY;
        if let Some(slot) = self.ring.get_mut(last) {
            *slot = Some(event);
            self.len += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.ring.get_mut(usize::from(self.first))?.take()?;
        self.first = (self.first + 1) % Self::CAPACITY as u8;
        self.len -= 1;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_six_come_out_in_order() {
        let mut events = Events::new();
        assert_eq!(events.pop(), None);
        for generation in 0..11 {
            events.push(Event::KeysInstalled { generation });
        }
        for generation in 5..11 {
            assert_eq!(events.pop(), Some(Event::KeysInstalled { generation }));
        }
        assert_eq!(events.pop(), None);
    }
}
