//! Everything a decision about one device looks at, read in one transaction.

use std::sync::Arc;

use crate::activation::Activation;
use crate::device::Device;
use crate::domain::{EntitlementId, ProductId, RemovalReason};
use crate::entitlement::{Code, Entitlement};
use crate::set::CommittedSet;
use crate::tier::TierPolicy;

/// Everything a decision about one device looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The device, locked for the rest of the transaction.
    pub device: Device,
    /// The policy in force for the tier of its owner; of whoever has no tier, if nobody owns it.
    pub tier: Arc<TierPolicy>,
    /// All its activations that hold units.
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
    /// Activations of the device that were removed or cancelled, one of each entitlement and
    /// reason.
    pub declined: Vec<Declined>,
}

/// An activation that was on the device and did not stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Of this entitlement.
    pub entitlement: EntitlementId,
    /// Why it was removed; none if it was cancelled.
    pub reason: Option<RemovalReason>,
}

impl Snapshot {
    /// A snapshot of a device that has nothing, of an owner without a tier.
    #[must_use]
    pub fn of(device: Device) -> Self {
        Self {
            device,
            tier: TierPolicy::unassigned(),
            activations: Vec::new(),
            entitlements: Vec::new(),
            codes: Vec::new(),
            sets: Vec::new(),
            evaluated: Vec::new(),
            declined: Vec::new(),
        }
    }

    /// The set the device should have.
    #[must_use]
    pub fn latest_set(&self) -> Option<&CommittedSet> {
        self.sets.last()
    }
}
