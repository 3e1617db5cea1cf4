//! Asking: what is wanted, and the request that is outstanding.

mod request;
mod wish;

use fleetgrant_schemas::id::DeviceNonce;

pub(crate) use request::{NO_USAGE, RequestParts, signer};
pub(crate) use wish::Wish;
pub use wish::{Ask, AskError};

use crate::retry::Backoff;
use crate::time::Instant;

/// Where the agent stands with the gateway.
pub(crate) enum Contact {
    /// Nothing is asked.
    Idle,
    /// A request is due.
    Wanting(Wanting),
    /// A request is out.
    Asking(Asking),
}

impl Contact {
    /// What was asked on purpose and is not answered yet.
    pub(crate) const fn is_explicit(&self) -> bool {
        match self {
            Self::Idle => false,
            Self::Wanting(wanting) => wanting.wish.is_explicit,
            Self::Asking(asking) => asking.is_explicit(),
        }
    }

    pub(crate) const fn nonce(&self) -> Option<DeviceNonce> {
        match self {
            Self::Asking(asking) => Some(asking.nonce),
            _ => None,
        }
    }
}

/// A request to be made at its time.
pub(crate) struct Wanting {
    pub(crate) wish: Wish,
    pub(crate) at: Instant,
}

/// A request that is out, its bytes kept until it is answered.
pub(crate) struct Asking {
    wish: Wish,
    nonce: DeviceNonce,
    len: usize,
    /// It reported the usage of the set that is in force.
    pub(crate) is_of_current_set: bool,
    turn: Turn,
    backoff: Backoff,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It is to be sent.
    Send,
    /// If nothing comes until then, it is sent again; a new connection is reason enough too.
    Wait(Instant),
    /// It is not sent before, whatever happens.
    Hold(Instant),
}

impl Asking {
    pub(crate) fn new(wish: Wish, nonce: DeviceNonce, len: usize) -> Self {
        Self {
            wish,
            nonce,
            len,
            is_of_current_set: true,
            turn: Turn::Send,
            backoff: Backoff::default(),
        }
    }

    pub(crate) const fn is_explicit(&self) -> bool {
        self.wish.is_explicit
    }

    /// The bytes' length, if it is to be sent.
    pub(crate) fn to_send(&self) -> Option<usize> {
        (self.turn == Turn::Send).then_some(self.len)
    }

    /// It was sent.
    pub(crate) fn sent(&mut self, now: Instant, random: u32) {
        self.turn = Turn::Wait(self.backoff.next(now, random));
    }

    /// There may be a better chance now than when it was sent: a lost connection explains the
    /// silence so far, so that the windows start anew.
    pub(crate) fn hurry(&mut self) {
        if let Turn::Wait(_) = self.turn {
            self.turn = Turn::Send;
            self.backoff = Backoff::default();
        }
    }

    /// Its time has come.
    pub(crate) fn resend(&mut self) {
        self.turn = Turn::Send;
    }

    /// Sends it again then, not earlier.
    pub(crate) fn hold_until(&mut self, at: Instant) {
        self.turn = Turn::Hold(at);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match self.turn {
            Turn::Send => None,
            Turn::Wait(at) | Turn::Hold(at) => Some(at),
        }
    }

    /// Asked anew, it bears the chain.
    pub(crate) fn add_chain(&mut self) {
        self.wish.with_chain = true;
    }

    pub(crate) fn set_changed(&mut self) {
        self.is_of_current_set = false;
        self.wish.forget_concerned();
    }

    /// What it asked, when the answer leaves that open.
    pub(crate) const fn into_wish(self) -> Wish {
        self.wish
    }

    /// It was answered by a reason to ask anew: another seq, another nonce, the same wish.
    pub(crate) fn ask_anew(self, now: Instant, random: u32) -> Wanting {
        let mut wish = self.wish;
        let at = wish.asked_anew.next_but_first_at_once(now, random);
        Wanting { wish, at }
    }
}
