//! A set becomes the table, in place: an activation that stays keeps its slots and its usage,
//! whatever features it now gives.
//!
//! A right that is on and stays has been in force since it was first put there. One that was off,
//! as after its end, is put in force now: it is not on again because a set names it again.

use fleetgrant_schemas::Usage;
use fleetgrant_schemas::grant::Grant;

use super::{Kind, Right, Time, of_activation};
use crate::profile::Profile;
use crate::time::Instant;

/// Puts a set in force. The table must have a slot for each entitlement.
pub(crate) fn apply(
    rights: &mut [Right],
    profile: &Profile<'_>,
    grant: &Grant<'_>,
    removed: &[Usage],
    time: Time,
    now: Instant,
) {
    // What was removed may come back before its use was reported.
    for right in rights.iter_mut().filter(|right| right.kind != Kind::Free) {
        if !right.status(time).is_on() {
            right.since = Instant::NEVER;
        }
        right.kind = Kind::Old;
    }
    // First into its own old slot, then into those of the same activation, so that its total is
    // never without one; then, what has no slot yet, into those that are free by then.
    for slots in [Slots::Own, Slots::OfActivation, Slots::Free] {
        for entitlement in grant.entitlements.iter() {
            let mut new = Right::of(&entitlement, profile, now);
            let mut is_there = false;
            for right in of_activation(rights, new.activation) {
                new.used = new.used.max(right.used);
                if right.feature == new.feature {
                    new.since = new.since.min(right.since);
                    is_there |= right.kind != Kind::Old;
                }
            }
            if !is_there {
                put(rights, slots, &new);
            }
        }
        if slots == Slots::OfActivation {
            for right in rights.iter_mut().filter(|right| right.kind == Kind::Old) {
                *right = Right::FREE;
            }
        }
    }
    for usage in removed {
        let removed = Right {
            activation: usage.activation,
            used: usage.total,
            kind: Kind::Removed,
            ..Right::FREE
        };
        put(rights, Slots::Free, &removed);
    }
}

/// Where a right may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slots {
    Own,
    OfActivation,
    Free,
}

#[inline(never)]
fn put(rights: &mut [Right], slots: Slots, new: &Right) {
    for right in rights.iter_mut() {
        let is_slot = match slots {
            Slots::Free => right.kind == Kind::Free,
            _ => right.kind == Kind::Old && right.activation == new.activation,
        };
        if is_slot && (slots != Slots::Own || right.feature == new.feature) {
            *right = *new;
            return;
        }
    }
}
