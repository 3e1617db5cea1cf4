//! What the link is doing, for `doctor`, logs and metrics.

use std::sync::Arc;
use std::time::Instant;

use super::LinkFault;

/// The state of a link and since when.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// What it is doing.
    pub state: LinkState,
    /// Since when.
    pub since: Instant,
    /// Connections made since the start, this one included.
    pub connections: u64,
}

/// What a link is doing.
#[derive(Clone, Debug)]
pub enum LinkState {
    /// It tries for the first time.
    Connecting,
    /// It is subscribed, messages come and go.
    Connected {
        /// Whether the broker still had the session of the last connection.
        session_present: bool,
    },
    /// It waits to try again.
    Disconnected {
        /// Why the last attempt or connection ended.
        fault: Arc<LinkFault>,
    },
    /// It was stopped.
    Stopped,
}

impl LinkStatus {
    pub(super) fn new(state: LinkState, connections: u64) -> Self {
        Self {
            state,
            since: Instant::now(),
            connections,
        }
    }

    /// Whether messages come and go.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, LinkState::Connected { .. })
    }
}
