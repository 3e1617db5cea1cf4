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
        which: usize,
        now: bool,
    },
    Cancel(usize, Index),
    Revoke(usize, Index),
    /// An operator acts on an entitlement.
    Act(usize, EntitlementAct),
    /// As [`Op::Act`], a revocation in so many days.
    RevokeIn(usize, u64),
    /// The order is amended: so much is sold now.
    Resize(usize, u32),
    /// The party is put on hold, or released.
    HoldParty(bool),
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
    /// The device takes over what some activation of another gave up.
    TakeOver {
        device: usize,
        from: usize,
        index: Index,
    },
    SetPolicy(usize),
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
