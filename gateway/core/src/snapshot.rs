//! Everything a decision about one device looks at, read in one transaction.

use std::collections::BTreeMap;

use crate::activation::Activation;
use crate::device::Device;
use crate::domain::{ActivationId, ActivationKind, EntitlementId, ProductId, RemovalReason};
use crate::entitlement::{Binding, Code, Entitlement};
use crate::party::OnHold;
use crate::quota::QuotaUse;
use crate::set::CommittedSet;
use crate::tier::Policies;

/// Everything a decision about one device looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The device, locked for the rest of the transaction.
    pub device: Device,
    /// The policy in force for the tier of its owner; of whoever has no tier, if nobody owns it. And
    /// those of the entitlements below for which something lies over that.
    pub policies: Policies,
    /// Of the owners of the device and of these entitlements, those on hold.
    pub on_hold: OnHold,
    /// All its activations that hold units, and those written off whose absence is not proven.
    pub activations: Vec<Activation>,
    /// The entitlements of those activations; those bound to the device by order line, shipment
    /// or manifest; those of its owner that have a wanted feature; those its codes lead to.
    /// Each once, in any order.
    pub entitlements: Vec<Entitlement>,
    /// The codes that the request names and the back office knows. Empty for an acknowledgement.
    pub codes: Vec<Code>,
    /// The committed sets from the last acknowledged one on, ascending; all, if none was. Where
    /// there are very many, the latest of them.
    pub sets: Vec<CommittedSet>,
    /// Products of which the device ever had an evaluation.
    pub evaluated: Vec<ProductId>,
    /// What was given back or written off of those entitlements and is not taken up yet, the oldest
    /// first. Where there is very much, the oldest of it.
    pub moved: Vec<Moved>,
    /// Uses of quotas that may count: of those entitlements, the device or its owner.
    pub uses: Vec<QuotaUse>,
    /// Activations of the device that were removed or cancelled, one of each entitlement and
    /// reason.
    pub declined: Vec<Declined>,
}

/// What a device has, and nothing of what else it could have: all that an acknowledgement is
/// decided on.
#[derive(Clone, Debug, PartialEq)]
pub struct Holdings {
    /// As in a [`Snapshot`].
    pub device: Device,
    /// As in a [`Snapshot`].
    pub policies: Policies,
    /// As in a [`Snapshot`].
    pub on_hold: OnHold,
    /// As in a [`Snapshot`].
    pub activations: Vec<Activation>,
    /// The entitlements of those activations, as if nothing bound them to the device: what it has
    /// is not drawn anew.
    pub entitlements: Vec<Entitlement>,
    /// As in a [`Snapshot`].
    pub sets: Vec<CommittedSet>,
}

/// Units that an activation held, free for another to take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The activation that held them.
    pub activation: ActivationId,
    /// Of this entitlement.
    pub entitlement: EntitlementId,
    /// Those not taken up yet.
    pub units: u32,
    /// Where they were.
    pub from: MovedFrom,
}

/// Where units were that are free to be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovedFrom {
    /// On the device of the snapshot, which gave them back.
    ThisDevice,
    /// On another device, which gave them back.
    Elsewhere,
    /// On a device that was declared dead.
    WrittenOff,
}

/// An activation that was on the device and did not stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Of this entitlement.
    pub entitlement: EntitlementId,
    /// Why it was removed; none if it was cancelled.
    pub reason: Option<RemovalReason>,
}

impl From<Snapshot> for Holdings {
    /// Leaves out what else the device could have.
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot {
            device,
            policies,
            on_hold,
            activations,
            mut entitlements,
            sets,
            ..
        } = snapshot;
        entitlements.retain_mut(|entitlement| {
            entitlement.binding = Binding::None;
            activations.iter().any(|a| a.entitlement == entitlement.id)
        });
        Self {
            device,
            policies,
            on_hold,
            activations,
            entitlements,
            sets,
        }
    }
}

impl From<Holdings> for Snapshot {
    /// There is nothing else to have.
    fn from(holdings: Holdings) -> Self {
        let Holdings {
            device,
            policies,
            on_hold,
            activations,
            entitlements,
            sets,
        } = holdings;
        Self {
            device,
            policies,
            on_hold,
            activations,
            entitlements,
            codes: Vec::new(),
            sets,
            evaluated: Vec::new(),
            moved: Vec::new(),
            uses: Vec::new(),
            declined: Vec::new(),
        }
    }
}

impl Snapshot {
    /// A snapshot of a device that has nothing, of an owner without a tier.
    #[must_use]
    pub fn of(device: Device) -> Self {
        Self {
            device,
            policies: Policies::unassigned(),
            on_hold: OnHold::default(),
            activations: Vec::new(),
            entitlements: Vec::new(),
            codes: Vec::new(),
            sets: Vec::new(),
            evaluated: Vec::new(),
            moved: Vec::new(),
            uses: Vec::new(),
            declined: Vec::new(),
        }
    }

    /// What the device has for good, or is meant to have: units by entitlement.
    #[must_use]
    pub fn rights(&self) -> BTreeMap<EntitlementId, u32> {
        let mut rights = BTreeMap::new();
        let stays = |activation: &&Activation| {
            activation.is_wanted() && activation.kind == ActivationKind::Normal
        };
        for activation in self.activations.iter().filter(stays) {
            let units: &mut u32 = rights.entry(activation.entitlement).or_default();
            *units = units.saturating_add(activation.units);
        }
        rights
    }

    /// The set the device should have.
    #[must_use]
    pub fn latest_set(&self) -> Option<&CommittedSet> {
        self.sets.last()
    }
}
