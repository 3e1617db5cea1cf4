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
pub(crate) struct Contact {
    stage: Stage,
    /// When something is to be done at this stage.
    at: Instant,
    /// What is wanted or asked.
    wish: Wish,
    /// Of the request that is out; its bytes are kept until it is answered.
    nonce: DeviceNonce,
    len: usize,
    /// It reported the usage of the set that is in force.
    is_of_current_set: bool,
    backoff: Backoff,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is asked.
    Idle,
    /// A request is to be made then.
    Want,
    /// The request that is out is to be sent.
    Send,
    /// If nothing comes until then, it is sent again; a new connection is reason enough too.
    Wait,
    /// It is not sent before, whatever happens.
    Hold,
}

impl Contact {
    /// Something is wanted then.
    pub(crate) const fn new(wish: Wish, at: Instant) -> Self {
        Self {
            stage: Stage::Want,
            at,
            wish,
            nonce: DeviceNonce([0; 16]),
            len: 0,
            is_of_current_set: false,
            backoff: Backoff::NEW,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// A request is out.
    pub(crate) const fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Send | Stage::Wait | Stage::Hold)
    }

    /// It was asked on purpose and is not answered yet.
    pub(crate) fn is_explicit(&self) -> bool {
        self.wish.is_explicit && !self.is_idle()
    }

    /// A request is out, and reported the usage of the set that is in force.
    pub(crate) const fn has_reported(&self) -> bool {
        self.is_asking() && self.is_of_current_set
    }

    pub(crate) fn nonce(&self) -> Option<&DeviceNonce> {
        self.is_asking().then_some(&self.nonce)
    }

    pub(crate) const fn wish(&self) -> &Wish {
        &self.wish
    }

    #[inline(never)]
    fn go_to(&mut self, stage: Stage, at: Instant) {
        self.stage = stage;
        self.at = at;
    }

    /// What was wanted or asked is no longer.
    pub(crate) fn settle(&mut self) {
        self.stage = Stage::Idle;
    }

    /// This is wanted then.
    #[inline(never)]
    pub(crate) fn want(&mut self, wish: &Wish, at: Instant) {
        self.go_to(Stage::Want, at);
        self.wish = *wish;
    }

    /// A request was made for it.
    pub(crate) fn asked(&mut self, wish: &Wish, nonce: DeviceNonce, len: usize) {
        *self = Self {
            nonce,
            len,
            stage: Stage::Send,
            is_of_current_set: true,
            ..Self::new(*wish, Instant(0))
        };
    }

    /// The request's length, if it is to be sent.
    pub(crate) fn to_send(&self) -> Option<usize> {
        (self.stage == Stage::Send).then_some(self.len)
    }

    /// It was sent.
    pub(crate) fn sent(&mut self, now: Instant, random: u32) {
        let at = self.backoff.next(now, random);
        self.go_to(Stage::Wait, at);
    }

    /// There may be a better chance now than when it was sent: a lost connection explains the
    /// silence so far, so that the windows start anew.
    pub(crate) fn hurry(&mut self) {
        if self.stage == Stage::Wait {
            self.stage = Stage::Send;
            self.backoff = Backoff::NEW;
        }
    }

    /// Its time has come.
    pub(crate) fn resend(&mut self) {
        self.stage = Stage::Send;
    }

    /// Sends it again then, not earlier.
    pub(crate) fn hold_until(&mut self, at: Instant) {
        if self.is_asking() {
            self.go_to(Stage::Hold, at);
        }
    }

    /// When something is to be done.
    pub(crate) const fn due(&self) -> Instant {
        match self.stage {
            Stage::Idle | Stage::Send => Instant::NEVER,
            Stage::Want | Stage::Wait | Stage::Hold => self.at,
        }
    }

    /// What is wanted is wanted now.
    pub(crate) fn bring_forward(&mut self, now: Instant) {
        self.go_to(Stage::Want, now);
    }

    /// Asked anew, it bears the chain.
    pub(crate) fn add_chain(&mut self) {
        self.wish.with_chain = true;
    }

    pub(crate) fn set_changed(&mut self) {
        if self.is_asking() {
            self.is_of_current_set = false;
            self.wish.forget_concerned();
        }
    }

    /// It was answered in a way that leaves the wish open: it is asked again then, unless something
    /// else is wanted before.
    pub(crate) fn keep_until(&mut self, at: Instant) {
        if self.is_asking() {
            self.wish.give_way();
            self.go_to(Stage::Want, at);
        }
    }

    /// It was answered by a reason to ask anew: another seq, another nonce, the same wish.
    pub(crate) fn ask_anew(&mut self, now: Instant, random: u32) {
        if self.is_asking() {
            let at = self.wish.asked_anew.next_but_first_at_once(now, random);
            self.go_to(Stage::Want, at);
        }
    }
}
