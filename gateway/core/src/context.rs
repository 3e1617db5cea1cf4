//! What is the same for every device.

use crate::domain::{Epoch, Realm, Timestamp};
use crate::policy::Policy;

/// Who signs grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The installation.
    pub realm: Realm,
    /// The epoch of the key that signs now.
    pub epoch: Epoch,
}

/// What is the same for every device at an instant.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who signs.
    pub authority: &'a Authority,
    /// What is allowed.
    pub policy: &'a Policy,
    /// The gateway's time of the transaction.
    pub now: Timestamp,
}

/// Where random bytes come from.
pub trait Entropy {
    /// Fills a buffer with bytes that nobody can foresee.
    fn fill(&mut self, buffer: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, buffer: &mut [u8]) {
        self(buffer);
    }
}
