//! A device and how the conversation with it stands.

use crate::ask::{Facts, Held};
use crate::domain::{
    Challenge, DeviceId, DeviceState, Generation, KeyLoss, KeyThumbprint, MessageDigest,
    OrderLineId, PartyId, ProductLineId, Seq, SetKey, StorageClass, Timestamp,
};

/// A device and how the conversation with it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Where it stands.
    pub state: DeviceState,
    /// Which key speaks for it.
    pub pin: Pin,
    /// Who owns it.
    pub owner: Option<PartyId>,
    /// Which line of the maker's it is of; none: not known.
    pub product_line: Option<ProductLineId>,
    /// The order line it was made for.
    pub order_line: Option<OrderLineId>,
    /// How well its storage resists being set back.
    pub storage: StorageClass,
    /// What it last said of itself.
    pub facts: Facts,
    /// The highest generation ever used for it, or held by it.
    pub generation: Generation,
    /// Sets up to this one were for a board that it has no more, so that nobody's word of them
    /// counts; 0: it has its first board.
    pub replaced: Generation,
    /// The last acknowledgement that counted.
    pub acked: Option<Acked>,
    /// The last request that counted.
    pub last: Option<LastRequest>,
    /// The challenges it may echo.
    pub challenges: Challenges,
    /// What makes its word suspicious.
    pub watch: Watch,
    /// The largest message it takes, bytes; what it said in its last request.
    pub max_down: u16,
    /// Generation of the key set it holds.
    pub key_set: u32,
    /// When it was first heard with a valid signature.
    pub first_contact_at: Option<Timestamp>,
    /// When it was last heard with a valid signature.
    pub last_contact_at: Option<Timestamp>,
}

/// Which key speaks for a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    /// The first that is admitted.
    #[default]
    Open,
    /// This one and no other.
    To(KeyThumbprint),
    /// None any more.
    Lost(KeyLoss),
}

/// An acknowledgement: of which set, and which of those for that set. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The set held.
    pub held: Held,
    /// The number of the acknowledgement within the generation; 0 if a request's `held` stood in
    /// for one that was lost, and the largest number if it was for a set that is not recorded.
    pub n: u32,
    /// When it was recorded.
    pub at: Timestamp,
}

/// The last request that counted, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRequest {
    /// Its number.
    pub seq: Seq,
    /// SHA-256 of what was signed.
    pub digest: MessageDigest,
    /// What it was answered.
    pub answer: StoredAnswer,
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredAnswer {
    /// A grant set, kept with its content.
    Grant(SetKey),
    /// A notice: the payload that is signed.
    Notice(Vec<u8>),
}

/// The challenges a device may echo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges {
    /// In the newest grant or notice.
    pub newest: Option<IssuedChallenge>,
    /// In the one before it, which may be all the device has if the newest was lost.
    pub previous: Option<IssuedChallenge>,
    /// In a `stale-seq` notice only: a device that echoes it did act on that notice.
    pub resync: Option<IssuedChallenge>,
}

/// A challenge that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedChallenge {
    /// The challenge.
    pub value: Challenge,
    /// From here on it is worthless.
    pub expires_at: Timestamp,
    /// The last acknowledged set when it was sent. A device that echoes it and holds less was set
    /// back; an older request that was overtaken by an acknowledgement was not.
    pub acked: Option<SetKey>,
}

/// What makes a device's word suspicious.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// A factory grant was written for it, which it takes without having asked: where its storage
    /// can be set back, it can take it again after it gave back what is in it.
    pub factory_grant: bool,
    /// How often its number was set anew within a week.
    pub resyncs: Tally,
    /// A clone is suspected: new rights are frozen until an operator clears it.
    pub frozen: bool,
    /// It held less than it had acknowledged: returns are stopped until an operator clears it.
    pub returns_stopped: bool,
    /// Wrong activation codes within a day.
    pub code_failures: Tally,
    /// Requests that counted within a day; counted where the tier's policy limits them.
    pub requests: Tally,
    /// Digest of the last message that was refused without counting, so that its replays leave
    /// no trace in the history.
    pub refused: Option<MessageDigest>,
    /// Messages refused without counting within a day, replays of the last one aside.
    pub refusals: Tally,
    /// Messages within a day that could not be decided on, replays of the last one aside. Apart
    /// from the refusals, so that a device cannot drown what others do in its name.
    pub unfit: Tally,
}

/// How often something happened within a window that opens with the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub count: u16,
    /// When the window opened.
    pub since: Option<Timestamp>,
}

impl Device {
    /// A device that nothing is known of but its id.
    #[must_use]
    pub fn new(id: DeviceId, state: DeviceState) -> Self {
        Self {
            id,
            state,
            pin: Pin::Open,
            owner: None,
            product_line: None,
            order_line: None,
            storage: StorageClass::Unprotected,
            facts: Facts::default(),
            generation: Generation::ZERO,
            replaced: Generation::ZERO,
            acked: None,
            last: None,
            challenges: Challenges::default(),
            watch: Watch::default(),
            max_down: fleetgrant_schemas::limits::MAX_DOWN as u16,
            key_set: 0,
            first_contact_at: None,
            last_contact_at: None,
        }
    }
}

impl Device {
    /// The key it is pinned to.
    #[must_use]
    pub const fn key(&self) -> Option<KeyThumbprint> {
        match self.pin {
            Pin::To(key) => Some(key),
            Pin::Open | Pin::Lost(_) => None,
        }
    }

    /// The last set it acknowledged.
    #[must_use]
    pub fn acked_key(&self) -> Option<SetKey> {
        self.acked.map(|acked| acked.held.key)
    }
}

impl Tally {
    /// Counts once more; a window that is over starts anew. Returns the count.
    pub(crate) fn add(&mut self, now: Timestamp, window: u64) -> u16 {
        if self
            .since
            .is_none_or(|since| since.plus_seconds(window) <= now)
        {
            *self = Self {
                count: 0,
                since: Some(now),
            };
        }
        self.count = self.count.saturating_add(1);
        self.count
    }

    /// The count, if the window is not over.
    #[must_use]
    pub fn within(&self, now: Timestamp, window: u64) -> u16 {
        match self.since {
            Some(since) if now < since.plus_seconds(window) => self.count,
            _ => 0,
        }
    }
}
