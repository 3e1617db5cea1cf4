//! What a transaction must record, and what is sent once it has committed.

use std::collections::BTreeMap;

use crate::activation::Activation;
use crate::ask::{Reason, Want};
use crate::device::{Device, StoredAnswer};
use crate::domain::{ActivationId, CodeId, EntitlementId, Timestamp};
use crate::event::Event;
use crate::notice::IssuedNotice;
use crate::quota::NewUse;
use crate::rule::Rule;
use crate::set::IssuedSet;
use crate::tier::PolicyTag;

/// What a transaction must record, all of it or nothing, and what is sent after the commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The device as it is from now on.
    pub device: Device,
    /// Activations made, and those changed as they are from now on; ascending by id.
    pub activations: Vec<Change>,
    /// Changes of entitlements, in the order in which their rows are to be locked.
    pub entitlements: BTreeMap<EntitlementId, EntitlementChange>,
    /// Changes of activation codes.
    pub codes: BTreeMap<CodeId, CodeChange>,
    /// Units of ended activations that are taken up, by activation. To be applied only if as many
    /// are left of it, or else the snapshot is stale.
    pub taken_up: BTreeMap<ActivationId, u32>,
    /// Uses of quotas.
    pub uses: Vec<NewUse>,
    /// A set written now, to be delivered.
    pub issued: Option<IssuedSet>,
    /// What becomes of deliveries that are there.
    pub deliveries: Deliveries,
    /// The policy it was decided under.
    pub policy: PolicyTag,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What became of each want.
    pub decided: Vec<Decided>,
    /// What is sent to the device after the commit.
    pub answer: Answer,
}

/// An activation to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// To be inserted.
    New(Activation),
    /// To be updated.
    Updated(Activation),
}

impl Change {
    /// The activation as it is from now on.
    #[must_use]
    pub const fn activation(&self) -> &Activation {
        match self {
            Self::New(activation) | Self::Updated(activation) => activation,
        }
    }
}

/// A change of an entitlement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntitlementChange {
    /// Units taken, or, if negative, freed. To be applied only if `live + units` stays within
    /// the quantity and the overdraft; if it does not, the snapshot is stale and the
    /// transaction is run anew.
    pub units: i64,
    /// Units more, or, if negative, fewer, that were given back and are not taken up. To be applied
    /// only if that leaves none below none, or else the snapshot is stale.
    pub returned: i64,
    /// The term starts here; to be written only where no start is written yet, or else the
    /// snapshot is stale.
    pub started_at: Option<Timestamp>,
    /// Uses that devices reported, beyond those reported before.
    pub used: u64,
}

/// A change of an activation code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeChange {
    /// Uses taken; to be applied only if as many are left.
    pub uses: u32,
    /// Wrong proofs more.
    pub failures: u16,
}

/// What becomes of the deliveries that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliveries {
    /// Nothing.
    Unchanged,
    /// Those of earlier sets are superseded by the set issued now.
    Superseded,
    /// The device holds the latest set: its delivery is acknowledged.
    Acknowledged,
    /// The device was heard and lacks the latest set: its delivery is due now, from the first step.
    Revived,
}

/// What became of a want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Why the device asked.
    pub reason: Reason,
    /// What was wanted; none: what is bound to the device.
    pub want: Option<Want>,
    /// What became of it.
    pub verdict: WantVerdict,
}

/// What became of a want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantVerdict {
    /// New activations serve it.
    Granted(Vec<ActivationId>),
    /// Activations that are there served it already.
    Served,
    /// Less was wanted: these are being removed.
    Returning(Vec<ActivationId>),
    /// It was denied.
    Denied {
        /// By which rule.
        rule: Rule,
        /// Seconds after which asking again may be answered differently; none: not by waiting.
        retry_after: Option<u32>,
        /// When the rule denies no more without anybody's doing; none: somebody must act.
        lifts_at: Option<Timestamp>,
    },
}

/// What is sent to the device after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    None,
    /// The set issued now.
    Grant,
    /// Nothing: the set issued now is carried to the device in a file.
    Carried,
    /// A notice.
    Notice(IssuedNotice),
    /// What the same request was answered before.
    Repeat(StoredAnswer),
}
