//! What the table says for requests, acknowledgements and records.

use fleetgrant_schemas::Usage;
use fleetgrant_schemas::ack::{Exception, Outcome};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::ActivationId;

use super::{Kind, Right};

/// Bytes of one usage total in a record: activation id, total (little-endian).
pub(crate) const USAGE_LEN: usize = 24;

/// The usage totals to report, each activation once; how many.
pub(crate) fn usage(rights: &[Right], totals: &mut [Usage]) -> usize {
    collect(totals, |list| {
        for right in rights {
            if right.has_usage() && is_first(right, rights, Right::has_usage) {
                list.push(Usage {
                    activation: right.activation,
                    total: right.used,
                });
            }
        }
    })
}

/// The exceptions to acknowledge: activations none of whose features is in force.
pub(crate) fn exceptions(rights: &[Right], exceptions: &mut [Exception]) -> usize {
    collect(exceptions, |list| {
        for right in rights {
            let Kind::Refused(reason) = right.kind else {
                continue;
            };
            let is_used = first(rights, right.activation, Right::is_in_force).is_some();
            if !is_used && is_first(right, rights, Right::is_refused) {
                list.push(Exception {
                    activation: right.activation,
                    outcome: Outcome::Refused,
                    reason,
                });
            }
        }
    })
}

/// The final usage totals of what is not in `grant`; how many. Those of the set before stay
/// until they were reported.
pub(crate) fn leaving(
    rights: &[Right],
    grant: &Grant<'_>,
    were_reported: bool,
    totals: &mut [Usage],
) -> usize {
    let stays = |activation| {
        let mut entitlements = grant.entitlements.iter();
        entitlements.any(|entitlement| entitlement.activation == activation)
    };
    collect(totals, |list| {
        for right in rights {
            let leaves = match right.kind {
                Kind::InForce | Kind::Refused(_) => right.counted && right.used > 0,
                Kind::Removed => !were_reported,
                _ => false,
            };
            if leaves && is_first(right, rights, Right::has_usage) && !stays(right.activation) {
                list.push(Usage {
                    activation: right.activation,
                    total: right.used,
                });
            }
        }
    })
}

/// The first right of an activation of which `is` holds.
#[inline(never)]
fn first(rights: &[Right], activation: ActivationId, is: fn(&Right) -> bool) -> Option<&Right> {
    let mut of_activation = rights.iter().filter(|right| right.activation == activation);
    of_activation.find(|right| is(right))
}

fn is_first(right: &Right, rights: &[Right], is: fn(&Right) -> bool) -> bool {
    let first = first(rights, right.activation, is);
    first.is_some_and(|first| core::ptr::eq(first, right))
}

/// Bits of the slots that hold one of these activations; `None` if one is not held.
pub(crate) fn slots_of(rights: &[Right], activations: &[ActivationId]) -> Option<u64> {
    activations.iter().try_fold(0, |slots, activation| {
        let slot = rights.iter().position(|right| {
            right.activation == *activation
                && matches!(right.kind, Kind::InForce | Kind::Refused(_))
        })?;
        Some(slots | 1 << slot)
    })
}

/// The activations in these slots; how many.
pub(crate) fn in_slots(rights: &[Right], slots: u64, activations: &mut [ActivationId]) -> usize {
    collect(activations, |list| {
        for (place, right) in rights.iter().enumerate().take(64) {
            let is_held = matches!(right.kind, Kind::InForce | Kind::Refused(_));
            if slots >> place & 1 == 1 && is_held {
                list.push(right.activation);
            }
        }
    })
}

/// Usage totals as they stand in records; the bytes written.
pub(crate) fn encode_usage(totals: &[Usage], out: &mut [[u8; USAGE_LEN]]) -> usize {
    for (usage, slot) in totals.iter().zip(out) {
        let (activation, total) = slot.split_at_mut(16);
        activation.copy_from_slice(&usage.activation.0);
        total.copy_from_slice(&usage.total.to_le_bytes());
    }
    totals.len() * USAGE_LEN
}

/// The inverse of [`encode_usage`] for one total.
pub(crate) fn decode_usage(bytes: &[u8; USAGE_LEN]) -> Usage {
    let (mut activation, mut total) = ([0; 16], [0; 8]);
    activation.copy_from_slice(&bytes[..16]);
    total.copy_from_slice(&bytes[16..]);
    Usage {
        activation: ActivationId(activation),
        total: u64::from_le_bytes(total),
    }
}

struct List<'a, T> {
    items: &'a mut [T],
    len: usize,
}

impl<T> List<'_, T> {
    fn push(&mut self, item: T) {
        if let Some(slot) = self.items.get_mut(self.len) {
            *slot = item;
            self.len += 1;
        }
    }
}

fn collect<T>(items: &mut [T], fill: impl FnOnce(&mut List<'_, T>)) -> usize {
    let mut list = List { items, len: 0 };
    fill(&mut list);
    list.len
}
