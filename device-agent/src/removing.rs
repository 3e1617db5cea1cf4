//! What leaves with an installation: activations that the new set no longer holds. They stop
//! with it, and the ack for the new set is the proof that they did; what they were used until
//! then is kept beside the set until it was reported.

use fleetgrant_schemas::Usage;
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::ActivationId;

use crate::rights::{self, Right, USAGE_LEN};

const NONE: Usage = Usage {
    activation: ActivationId([0; 16]),
    total: 0,
};

/// The final usage totals of what is removed.
pub(crate) struct Removing<const RIGHTS: usize> {
    totals: [Usage; RIGHTS],
    len: usize,
}

impl<const RIGHTS: usize> Removing<RIGHTS> {
    /// What `grant` removes. `were_reported`: the totals of what an earlier set removed have
    /// reached the gateway.
    pub(crate) fn by(rights: &[Right], grant: &Grant<'_>, were_reported: bool) -> Self {
        let mut totals = [NONE; RIGHTS];
        let len = rights::leaving(rights, grant, were_reported, &mut totals);
        Self { totals, len }
    }

    pub(crate) const fn none() -> Self {
        Self {
            totals: [NONE; RIGHTS],
            len: 0,
        }
    }

    /// From a record; more than there is room for is dropped.
    pub(crate) fn push_encoded(&mut self, bytes: &[u8; USAGE_LEN]) {
        if let Some(slot) = self.totals.get_mut(self.len) {
            *slot = rights::decode_usage(bytes);
            self.len += 1;
        }
    }

    pub(crate) fn totals(&self) -> &[Usage] {
        self.totals.get(..self.len).unwrap_or_default()
    }
}
