//! What can happen to a small fleet.

use proptest::sample::Index;

use crate::lifecycle::EntitlementAct;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Ask {
        device: usize,
        reason: u8,
        total: u8,
    },
    /// A request, its answer and the acknowledgement get through at once.
    Visit {
        device: usize,
        reason: u8,
        total: u8,
    },
    AskBound(usize),
    Redeem(usize),
    /// Any message a device ever sent reaches the gateway, again or at last.
    ToGateway(Pick),
    /// Two such messages reach two replicas at the same moment.
    AtOnce(Pick, Pick),
    /// Anything the gateway ever sent reaches its device, again or at last.
    ToDevice(Pick),
    /// The outbox publishes the latest set.
    Push(usize),
    WaitDays(u64),
    WaitSeconds(u64),
    Tick(usize),
    Wipe(usize),
    LoseSeq(usize),
    Assign {
        device: usize,
        which: Index,
        now: bool,
    },
    Cancel(usize, Index),
    Revoke(usize, Index),
    /// An operator acts on an entitlement.
    Act(Index, EntitlementAct),
    /// As [`Op::Act`], a revocation in so many days.
    RevokeIn(Index, u64),
    /// The order is amended: so much is sold now.
    Resize(usize, u32),
    /// A party is put on hold, or released.
    HoldParty(usize, bool),
    /// The gateway gives a device another set, if something of it has changed.
    Refresh(usize),
    Refuse(usize, bool),
    /// The device is declared dead, whether it is or not.
    Bury {
        device: usize,
        approved: bool,
    },
    Readmit(usize),
    /// The board is replaced, and the office told of it; `early`: the new one asks before that.
    Repair {
        device: usize,
        early: bool,
    },
    /// The key of the board leaked.
    RevokeKey(usize),
    /// A board that was replaced is still connected.
    AskOldBoard {
        which: Index,
        reason: u8,
        total: u8,
    },
    GiveTemporary {
        device: usize,
        which: usize,
        now: bool,
        approved: bool,
    },
    /// The device takes over what some activation gave up.
    TakeOver(usize, Index),
    SetPolicy(usize),
    Split(SplitOp),
    /// A request and a split of all that is free of what it draws on reach two replicas at the same
    /// moment.
    SplitMeanwhile {
        split: SplitOp,
        device: usize,
        /// The split is written first.
        is_first: bool,
    },
    /// An entitlement that nobody uses goes to another party.
    Transfer {
        which: Index,
        to: usize,
    },
    /// A device is sold on with its rights.
    SellOn {
        device: usize,
        to: usize,
    },
    /// A party becomes another.
    Merge {
        gone: usize,
        heir: usize,
    },
    /// Another entitlement takes the place of one, up or down.
    Upgrade {
        /// Of something that this one has.
        device: usize,
        which: Index,
    },
    /// A device gets the new rights that it waits for.
    Follow(usize),
    /// What one device has becomes another entitlement's.
    UpgradeDevice {
        device: usize,
        which: Index,
    },
    /// What no device uses does, too.
    UpgradeRest(Index),
    /// What was freed of what is upgraded comes to what takes its place.
    Settle,
}

/// Free units that become an entitlement of their own.
#[derive(Clone, Debug)]
pub(super) struct SplitOp {
    pub(super) which: Index,
    pub(super) units: u32,
    /// For which party; that of the whole, if none is said.
    pub(super) to: Option<usize>,
}

impl Op {
    /// What each kind is called.
    pub(super) const NAMES: [&'static str; 40] = [
        "ask",
        "visit",
        "ask-bound",
        "redeem",
        "to-gateway",
        "at-once",
        "to-device",
        "push",
        "wait-days",
        "wait-seconds",
        "tick",
        "wipe",
        "lose-seq",
        "assign",
        "cancel",
        "revoke",
        "act",
        "revoke-in",
        "resize",
        "hold-party",
        "refresh",
        "refuse",
        "bury",
        "readmit",
        "repair",
        "revoke-key",
        "ask-old-board",
        "give-temporary",
        "take-over",
        "set-policy",
        "split",
        "split-meanwhile",
        "transfer",
        "sell-on",
        "merge",
        "upgrade",
        "follow",
        "upgrade-device",
        "upgrade-rest",
        "settle",
    ];

    /// What its kind is called.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Ask { .. } => "ask",
            Self::Visit { .. } => "visit",
            Self::AskBound(..) => "ask-bound",
            Self::Redeem(..) => "redeem",
            Self::ToGateway(..) => "to-gateway",
            Self::AtOnce(..) => "at-once",
            Self::ToDevice(..) => "to-device",
            Self::Push(..) => "push",
            Self::WaitDays(..) => "wait-days",
            Self::WaitSeconds(..) => "wait-seconds",
            Self::Tick(..) => "tick",
            Self::Wipe(..) => "wipe",
            Self::LoseSeq(..) => "lose-seq",
            Self::Assign { .. } => "assign",
            Self::Cancel(..) => "cancel",
            Self::Revoke(..) => "revoke",
            Self::Act(..) => "act",
            Self::RevokeIn(..) => "revoke-in",
            Self::Resize(..) => "resize",
            Self::HoldParty(..) => "hold-party",
            Self::Refresh(..) => "refresh",
            Self::Refuse(..) => "refuse",
            Self::Bury { .. } => "bury",
            Self::Readmit(..) => "readmit",
            Self::Repair { .. } => "repair",
            Self::RevokeKey(..) => "revoke-key",
            Self::AskOldBoard { .. } => "ask-old-board",
            Self::GiveTemporary { .. } => "give-temporary",
            Self::TakeOver(..) => "take-over",
            Self::SetPolicy(..) => "set-policy",
            Self::Split(..) => "split",
            Self::SplitMeanwhile { .. } => "split-meanwhile",
            Self::Transfer { .. } => "transfer",
            Self::SellOn { .. } => "sell-on",
            Self::Merge { .. } => "merge",
            Self::Upgrade { .. } => "upgrade",
            Self::Follow(..) => "follow",
            Self::UpgradeDevice { .. } => "upgrade-device",
            Self::UpgradeRest(..) => "upgrade-rest",
            Self::Settle => "settle",
        }
    }
}

/// Which of all messages so far.
#[derive(Clone, Debug)]
pub(super) struct Pick {
    pub(super) index: Index,
    /// Only of the last few.
    pub(super) recent: bool,
}

impl Pick {
    pub(super) fn of<T: Clone>(&self, all: &[T]) -> Option<T> {
        let from = if self.recent {
            all.len().saturating_sub(4)
        } else {
            0
        };
        let some = &all[from..];
        (!some.is_empty()).then(|| self.index.get(some).clone())
    }
}
