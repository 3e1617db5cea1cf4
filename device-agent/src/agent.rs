//! The agent as the firmware drives it.

use fleetgrant_schemas::Held;
use fleetgrant_schemas::envelope::Envelope;
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::Challenge;
use fleetgrant_schemas::keys::KeySet;
use fleetgrant_schemas::notice::Notice;
use fleetgrant_schemas::request::Reason;
use fleetgrant_schemas::topic::MessageType;

use crate::asking::{Ask, AskError, Contact, Wish};
use crate::bucket::Bucket;
use crate::clock_floor::ClockFloor;
use crate::crypto::KeyOperations;
use crate::enforcing::Enforcing;
use crate::event::{Event, Events};
use crate::key_ring::KeyRing;
use crate::profile::{InvalidProfile, Profile};
use crate::receiving::Gates;
use crate::refusal::Refusal;
use crate::rights::{self, Status, Time, UseError};
use crate::state::State;
use crate::storage::{Record, Storage};
use crate::time::Instant;

/// When making a request failed for want of storage or key: one minute.
const TRY_AGAIN_SECS: u64 = 60;
/// A clock that is that far ahead of what was known is not believed without asking: one day.
const CLOCK_JUMP_SECS: u64 = 86_400;

/// A device's side of the protocol. `RIGHTS` is the number of rights it has room for, 1 to 64,
/// at 80 bytes each; `buffer` holds the request that is outstanding: 512 bytes for one by
/// thumbprint with few wants, 2 kB with a chain of P-256 certificates, 6 kB with RSA issuers.
///
/// After each call that changes something (`start`, `ask`, `handle_*`, `resend`, `use_one`):
/// 1. [`Agent::poll_transmit`] until it gives nothing, if there is a connection;
/// 2. [`Agent::poll_event`] until it gives nothing;
/// 3. [`Agent::poll_timeout`], and call [`Agent::handle_timeout`] at the time it gives.
pub struct Agent<'c, K, S, B, const RIGHTS: usize> {
    pub(crate) profile: &'c Profile<'c>,
    pub(crate) keys: K,
    pub(crate) storage: S,
    pub(crate) request: B,
    pub(crate) state: State,
    pub(crate) clock: ClockFloor,
    pub(crate) ring: KeyRing,
    pub(crate) enforcing: Enforcing<RIGHTS>,
    pub(crate) contact: Contact,
    /// What the next request echoes.
    pub(crate) challenge: Option<Challenge>,
    /// When to ask again after a refusal.
    pub(crate) ask_again_at: Instant,
    pub(crate) acks: AckTurn,
    /// Checks of signatures: one a second, ten at once.
    pub(crate) checks: Bucket,
    /// Requests of its own accord: one per 10 s, five at once.
    pub(crate) requests: Bucket,
    /// What it answers without having asked: 20 a day.
    pub(crate) unsolicited: Bucket,
    pub(crate) gates: Gates,
    pub(crate) events: Events,
    /// When it was called last.
    pub(crate) now: Instant,
}

/// What is to be acknowledged beyond what was not yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AckTurn {
    /// The set in force came again.
    pub(crate) again: bool,
    /// The gateway wants to see the signed grant.
    pub(crate) show: bool,
}

/// A message to publish, in the buffer that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Its type, the last level of its topic.
    pub message: MessageType,
    /// Its length.
    pub len: usize,
}

/// A message that was taken, with all it says, borrowed from the bytes that were handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken<'b> {
    /// A new set, in force now. Its denials answer this device's wants.
    Installed(Grant<'b>),
    /// The set in force once more.
    Again(Grant<'b>),
    /// A notice.
    Notice(Notice<'b>),
    /// A key set, in force now.
    Keys(KeySet<'b>),
}

/// Why the agent cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The profile is wrong.
    Profile(InvalidProfile),
    /// Storage cannot be read. (A record that is damaged does not stop a start: see
    /// [`Event::Storage`].)
    Storage(crate::StorageError),
    /// `scratch` is shorter than the stored set.
    ScratchTooSmall,
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Profile(reason) => reason.fmt(f),
            Self::Storage(reason) => reason.fmt(f),
            Self::ScratchTooSmall => f.write_str("the scratch buffer is shorter than the set"),
        }
    }
}

impl core::error::Error for StartError {}

impl<'c, K, S, B, const RIGHTS: usize> Agent<'c, K, S, B, RIGHTS>
where
    K: KeyOperations,
    S: Storage,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    /// Asks the authority. Call it when someone wants something; the answer comes as an event.
    ///
    /// One request is outstanding at a time: a routine one gives way, another ask does not (see
    /// [`Agent::withdraw`]). A gateway takes one request per 10 s of a device, five at once, and
    /// tells the next to wait.
    pub fn ask(&mut self, ask: &Ask<'_>, now: Instant) -> Result<(), AskError> {
        self.now = now;
        if self.contact.is_explicit() {
            return Err(AskError::Outstanding);
        }
        let wish = Wish::new(ask, self.profile, &self.enforcing.rights)?;
        self.make_request(&wish)
    }

    /// Takes a message from the authority. Call it for every message that comes in on one of the
    /// device's own topics, with the type that the topic names, or with a file and
    /// [`Agent::file_type`]. Errors change nothing that is in force, and are events too.
    pub fn handle_message<'b>(
        &mut self,
        bytes: &'b [u8],
        message: MessageType,
        now: Instant,
    ) -> Result<Taken<'b>, Refusal> {
        self.now = now;
        let taken = if self.checks.take(now) {
            self.receive(bytes, message)
        } else {
            Err(Refusal::RateLimited)
        };
        if let Err(reason) = taken {
            self.events.push(Event::Refused { message, reason });
        }
        self.tell_changes();
        taken
    }

    /// Does what is due. Call it at the time [`Agent::poll_timeout`] gave; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.clock.persist_at() <= now {
            self.store_state();
        }
        if self.contact_due() <= now {
            self.contact_is_due();
        }
        self.tell_changes();
    }

    /// When to call [`Agent::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let change = rights::next_change(&self.enforcing.rights, self.floor());
        let change = change.map_or(Instant::NEVER, |secs| self.clock.reaches(secs));
        let contact = self.contact_due();
        Some(self.clock.persist_at().min(contact).min(change))
    }

    /// Sends what is outstanding at once, unless the gateway said when. Call it when a connection
    /// is there (again).
    pub fn resend(&mut self, now: Instant) {
        self.now = now;
        self.contact.hurry();
    }

    /// Gives up what was asked, if that is not answered yet; another ask may follow. The gateway
    /// may have done it all the same, and then its grant is taken.
    pub fn withdraw(&mut self, now: Instant) {
        self.now = now;
        if self.contact.is_explicit() {
            self.want(Reason::Renew);
        }
    }

    /// The next thing that happened. Call it until it gives nothing.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Whether a feature is on. Cheap: no parsing, no storage.
    pub fn is_on(&self, feature: &str, now: Instant) -> Status {
        self.enforcing
            .status(self.profile, feature, self.time_at(now))
    }

    /// Counts one use of a feature, if it is on. The new total is stored before this returns, so
    /// each use of what is counted costs one write.
    pub fn use_one(&mut self, feature: &str, now: Instant) -> Result<Status, UseError> {
        self.now = now;
        let time = self.time();
        let place = self.profile.feature(feature).unwrap_or(u8::MAX);
        let rights = &mut self.enforcing.rights;
        let counted = rights::use_one(rights, place, time).map_err(UseError::Off)?;
        if let Some(activation) = counted
            && let Err(reason) = self.store_usage()
        {
            rights::undo_use(&mut self.enforcing.rights, activation);
            return Err(UseError::Storage(reason));
        }
        self.tell_changes();
        Ok(rights::status(&self.enforcing.rights, place, time))
    }

    /// Tells the agent of a wall clock, in seconds since 1970. It can only add: a clock that is
    /// set back changes nothing. Call it when a clock was set, and now and then.
    ///
    /// One that jumps ahead by more than a day may be wrong, and what has an end is off then. So
    /// the agent asks, once an hour at most: the answer to its nonce tells the time.
    pub fn set_clock(&mut self, unix_secs: u64, now: Instant) {
        self.now = now;
        let before = self.floor();
        self.clock.claim(unix_secs, now);
        let ahead = self.floor().saturating_sub(before);
        if ahead > CLOCK_JUMP_SECS {
            self.ask_for_time();
        }
        self.tell_changes();
    }

    /// The time that the true time is not below, in seconds since 1970.
    pub fn clock_floor(&self, now: Instant) -> u64 {
        self.clock.secs(now)
    }

    /// The set in force.
    pub const fn held(&self) -> Option<Held> {
        self.enforcing.held
    }

    /// The type of a message that came in a file.
    #[must_use]
    pub fn file_type(bytes: &[u8]) -> Option<MessageType> {
        Envelope::parse(bytes).ok().map(|file| file.message())
    }

    /// Gives back what the agent was made from.
    pub fn into_parts(self) -> (K, S, B) {
        (self.keys, self.storage, self.request)
    }

    #[inline(never)]
    fn contact_due(&self) -> Instant {
        if !self.contact.is_idle() {
            return self.contact.due();
        }
        // A refusal that says when outlasts a renewal that is due.
        match self.ask_again_at {
            Instant::NEVER => self.enforcing.renew_at,
            at => at,
        }
    }

    /// The time that the true time is not below now, in seconds since 1970.
    #[inline(never)]
    pub(crate) fn floor(&self) -> u64 {
        self.clock.secs(self.now)
    }

    #[inline(never)]
    pub(crate) fn time(&self) -> Time {
        self.time_at(self.now)
    }

    fn time_at(&self, now: Instant) -> Time {
        Time {
            floor: self.clock.secs(now),
            at_zero: self.clock.at_zero(),
        }
    }

    fn contact_is_due(&mut self) {
        if self.contact.is_asking() {
            self.contact.resend();
            return;
        }
        if self.contact.is_idle() {
            self.want(Reason::Renew);
        }
        self.ask_again_at = Instant::NEVER;
        let wish = *self.contact.wish();
        if let Err(reason) = self.make_request(&wish) {
            self.contact.want(&wish, self.now.plus_secs(TRY_AGAIN_SECS));
            self.events.push(Event::CannotAsk(reason));
        }
    }

    #[inline(never)]
    fn make_request(&mut self, wish: &Wish) -> Result<(), AskError> {
        // A device that holds nothing is not known by its thumbprint yet.
        let with_chain = wish.with_chain || self.enforcing.held.is_none();
        let nonce = self.nonce()?;
        let seq = self.take_seq()?;
        let parts = crate::asking::RequestParts {
            profile: self.profile,
            wish,
            rights: &self.enforcing.rights,
            held: &self.enforcing.held,
            challenge: &self.challenge,
            issued_at: self.floor(),
            boots: self.state.boots,
            seq,
            key_set: self.ring.generation,
            nonce: &nonce,
            with_chain,
        };
        let len = parts.write::<K, RIGHTS>(&mut self.keys, self.request.as_mut())?;
        self.contact.asked(wish, nonce, len);
        Ok(())
    }

    /// Stores the counters; a failure is an event, and is tried again with the next change.
    pub(crate) fn store_state(&mut self) {
        let stored = self
            .state
            .store(&mut self.storage, &mut self.clock, self.now);
        if let Err(reason) = stored {
            self.clock.postpone_persist(self.now);
            self.storage_failed(Record::State, reason);
        }
    }

    pub(crate) fn storage_failed(&mut self, record: Record, reason: crate::StorageError) {
        self.events.push(Event::Storage { record, reason });
    }

    #[inline(never)]
    pub(crate) fn tell_changes(&mut self) {
        let time = self.time();
        let rights = &mut self.enforcing.rights;
        rights::end_past(rights, self.clock.proven_at_zero());
        // What ends at the next start must not begin anew because that came before the floor was
        // stored.
        if rights::is_crossed(rights, self.clock.stored_secs(), time.floor) {
            self.store_state();
        }
        while let Some((feature, on)) = self.enforcing.change(time) {
            self.events.push(Event::FeatureChanged { feature, on });
        }
    }
}
