//! What must hold after every transaction, whatever the interleaving, crash or replay.

use std::collections::BTreeMap;

use crate::activation::{Activation, Standing};
use crate::device::Device;
use crate::domain::{ActivationId, DeviceId, EntitlementId, SetKey};
use crate::entitlement::{Entitlement, Quantity};
use crate::set::CommittedSet;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Activations hold more units than there are.
    #[error("{entitlement}: {held} units are held, {allowed} are allowed")]
    Oversold {
        /// Of which entitlement.
        entitlement: EntitlementId,
        /// Units that activations hold.
        held: u64,
        /// Its quantity and overdraft.
        allowed: u64,
    },
    /// The counter is not the sum.
    #[error("{entitlement}: {held} units are held, {counted} are counted")]
    Miscounted {
        /// Of which entitlement.
        entitlement: EntitlementId,
        /// Units that activations hold.
        held: u64,
        /// Units that the counter says.
        counted: u32,
    },
    /// The counter of what was given back is not the sum.
    #[error("{entitlement}: {returned} units wait to be taken up, {counted} are counted")]
    ReturnsMiscounted {
        /// Of which entitlement.
        entitlement: EntitlementId,
        /// Units that ended activations gave back and nobody took up.
        returned: u64,
        /// Units that the counter says.
        counted: u32,
    },
    /// The latest set has an activation whose units were freed by anything but time.
    #[error("{device}: set {set} has {activation}, whose units are free")]
    FreeInLatestSet {
        /// Of which device.
        device: DeviceId,
        /// The latest set.
        set: SetKey,
        /// The activation in it.
        activation: ActivationId,
    },
    /// An activation in use is in no set.
    #[error("{device}: {activation} is in use, and not in the latest set")]
    UseWithoutSet {
        /// Of which device.
        device: DeviceId,
        /// The activation.
        activation: ActivationId,
    },
    /// A set has a generation above the device's counter, so it would be used again.
    #[error("{device}: set {set} is above the device's generation")]
    GenerationAhead {
        /// Of which device.
        device: DeviceId,
        /// The set.
        set: SetKey,
    },
    /// Nothing could prove that an activation is gone from a board that was replaced.
    #[error("{device}: {activation} was freed by the word of another board than had it")]
    FreedByAnotherBoard {
        /// Of which device.
        device: DeviceId,
        /// The activation.
        activation: ActivationId,
    },
    /// An activation without units.
    #[error("{activation} has no units")]
    NoUnits {
        /// The activation.
        activation: ActivationId,
    },
}

/// Everything there is of one device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceView<'a> {
    /// The device.
    pub device: &'a Device,
    /// Its activations, whatever their state.
    pub activations: &'a [&'a Activation],
    /// The set it should have.
    pub latest_set: Option<&'a CommittedSet>,
}

/// What is wrong with the units of these entitlements, given every activation there is.
pub fn check_units<'a>(
    entitlements: impl IntoIterator<Item = &'a Entitlement>,
    activations: impl IntoIterator<Item = &'a Activation>,
) -> Vec<Violation> {
    let mut held: BTreeMap<EntitlementId, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for activation in activations {
        if activation.units == 0 {
            violations.push(Violation::NoUnits {
                activation: activation.id,
            });
        }
        if activation.counts() {
            *held.entry(activation.entitlement).or_default() += u64::from(activation.units);
        }
    }
    for entitlement in entitlements {
        let held = held.get(&entitlement.id).copied().unwrap_or(0);
        if held != u64::from(entitlement.live) {
            violations.push(Violation::Miscounted {
                entitlement: entitlement.id,
                held,
                counted: entitlement.live,
            });
        }
        if let Quantity::Units(units) = entitlement.quantity {
            let allowed = u64::from(units) + u64::from(entitlement.overdraft);
            if held > allowed {
                violations.push(Violation::Oversold {
                    entitlement: entitlement.id,
                    held,
                    allowed,
                });
            }
        }
    }
    violations
}

/// What is wrong with the sets and activations of a device.
#[must_use]
pub fn check_device(view: &DeviceView<'_>) -> Vec<Violation> {
    let device = &view.device.id;
    let mut violations = Vec::new();
    // What was for a board that was replaced is nobody's set any more.
    let is_for_this_board = |set: &&CommittedSet| set.key.generation > view.device.replaced;
    let latest_set = view.latest_set.filter(is_for_this_board);
    let in_latest = |id: ActivationId| latest_set.is_some_and(|set| set.activations.contains(&id));
    if let Some(set) = view.latest_set
        && set.key.generation > view.device.generation
    {
        violations.push(Violation::GenerationAhead {
            device: device.clone(),
            set: set.key,
        });
    }
    for activation in view.activations {
        let (id, standing) = (activation.id, activation.standing);
        let is_free = !activation.holds_units() && standing != Standing::Lapsed;
        if let Some(set) = latest_set
            && is_free
            && in_latest(id)
        {
            violations.push(Violation::FreeInLatestSet {
                device: device.clone(),
                set: set.key,
                activation: id,
            });
        }
        if activation.stranded && matches!(standing, Standing::Removed(_)) {
            violations.push(Violation::FreedByAnotherBoard {
                device: device.clone(),
                activation: id,
            });
        }
        if matches!(standing, Standing::Published | Standing::Activated)
            && !activation.stranded
            && !in_latest(id)
        {
            violations.push(Violation::UseWithoutSet {
                device: device.clone(),
                activation: id,
            });
        }
    }
    violations
}
