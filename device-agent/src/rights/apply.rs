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
    // What stays keeps its slot and its usage.
    for entitlement in grant.entitlements.iter() {
        let new = Right::of(&entitlement, profile);
        let old = |right: &&mut Right| {
            right.kind == Kind::Old
                && (right.activation, right.feature) == (new.activation, new.feature)
        };
        if let Some(right) = rights.iter_mut().find(old) {
            let used = right.used.max(new.used);
            *right = Right { used, ..new };
        }
    }
    for right in rights.iter_mut().filter(|right| right.kind == Kind::Old) {
        *right = Right::FREE;
    }
    for entitlement in grant.entitlements.iter() {
        let mut new = Right::of(&entitlement, profile);
        let mut is_there = false;
        for right in of_activation(rights, new.activation) {
            is_there |= right.feature == new.feature;
            new.used = new.used.max(right.used);
        }
        if !is_there {
            put(rights, new);
        }
    }
    for usage in removed {
        put(
            rights,
            Right {
                activation: usage.activation,
                used: usage.total,
                kind: Kind::Removed,
                ..Right::FREE
            },
        );
    }
}

fn put(rights: &mut [Right], new: Right) {
    let free = rights.iter_mut().find(|right| right.kind == Kind::Free);
    if let Some(slot) = free {
        *slot = new;
    }
}
