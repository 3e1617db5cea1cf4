//! A set becomes the table, in place: what stays keeps its slot and its usage.

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
    for right in rights.iter_mut() {
        right.kind = match right.kind {
            Kind::InForce | Kind::Refused(_) => Kind::Old,
            _ => Kind::Free,
        };
    }
    // First what stays, in its slot; then what is new, in those that are free by then.
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

/// Puts a right into a slot of this kind: an old one must have been its own.
#[inline(never)]
fn put(rights: &mut [Right], slots: Kind, new: &Right) {
    for right in rights.iter_mut().filter(|right| right.kind == slots) {
        let is_its_own = right.activation == new.activation && right.feature == new.feature;
        if slots == Kind::Free || is_its_own {
            *right = *new;
            return;
        }
    }
}
