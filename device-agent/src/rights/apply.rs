//! A set becomes the table, in place: an activation that stays keeps its slots and its usage,
//! whatever features it now gives.

use fleetgrant_schemas::Usage;
use fleetgrant_schemas::grant::Grant;

use super::{Kind, Right, of_activation};
use crate::profile::Profile;

/// Puts a set in force. The table must have a slot for each entitlement.
pub(crate) fn apply(
    rights: &mut [Right],
    profile: &Profile<'_>,
    grant: &Grant<'_>,
    removed: &[Usage],
) {
    // What was removed may come back before its use was reported.
    for right in rights.iter_mut().filter(|right| right.kind != Kind::Free) {
        right.kind = Kind::Old;
    }
    // First into the old slots of the same activation, so that its total is never without one;
    // then, what has no slot yet, into those that are free by then.
    for slots in [Kind::Old, Kind::Free] {
        for entitlement in grant.entitlements.iter() {
            let mut new = Right::of(&entitlement, profile);
            let mut is_there = false;
            for right in of_activation(rights, new.activation) {
                new.used = new.used.max(right.used);
                is_there |= right.feature == new.feature && right.kind != Kind::Old;
            }
            if !is_there {
                put(rights, slots, &new);
            }
        }
        for right in rights.iter_mut().filter(|right| right.kind == Kind::Old) {
            *right = Right::FREE;
        }
    }
    for usage in removed {
        let removed = Right {
            activation: usage.activation,
            used: usage.total,
            kind: Kind::Removed,
            ..Right::FREE
        };
        put(rights, Kind::Free, &removed);
    }
}

/// Puts a right into a slot of this kind: an old one must be of its activation.
#[inline(never)]
fn put(rights: &mut [Right], slots: Kind, new: &Right) {
    for right in rights.iter_mut().filter(|right| right.kind == slots) {
        if slots == Kind::Free || right.activation == new.activation {
            *right = *new;
            return;
        }
    }
}
