//! Where an activation goes from where it stands. What is not allowed from there is left undone.

use super::Ledger;
use crate::activation::{Activation, Removal, Run, Standing};
use crate::domain::{ActivationId, ActivationKind, Origin, RemovalReason, SetKey, Timestamp};
use crate::entitlement::Start;
use crate::event::{Event, EventKind};

/// When a device gave its word that it holds a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// When it was recorded.
    Recorded(Timestamp),
    /// Before that, by the device's own clock: somebody carried it here.
    Carried(Timestamp),
}

impl Word {
    const fn at(self) -> Timestamp {
        match self {
            Self::Recorded(at) | Self::Carried(at) => at,
        }
    }

    const fn signed_at(self) -> Option<Timestamp> {
        match self {
            Self::Recorded(_) => None,
            Self::Carried(at) => Some(at),
        }
    }
}

impl Ledger {
    /// It is in the set that is being written, and may run like this.
    pub(crate) fn publish(&mut self, id: ActivationId, run: Run, key: SetKey) {
        let Some(entry) = self.activations.get_mut(&id) else {
            return;
        };
        let activation = &mut entry.activation;
        let kind = match activation.standing {
            Standing::Reserved => Some(EventKind::Published),
            Standing::Suspended => Some(EventKind::Resumed),
            Standing::Published | Standing::Activated => None,
            _ => return,
        };
        if kind.is_none() && activation.run == Some(run) && !activation.stranded {
            return;
        }
        activation.run = Some(run);
        activation.stranded = false;
        if let Some(kind) = kind {
            activation.standing = Standing::Published;
            self.events.push(
                about(kind, activation)
                    .with("set", key)
                    .with("units", activation.units)
                    .with("kind", activation.kind.as_str())
                    .with("origin", activation.origin.as_str())
                    .with_some("predecessor", activation.predecessor)
                    .with_some("end", run.end.map(Timestamp::seconds)),
            );
        }
        entry.touch();
        self.start_term(id, run);
    }

    /// What is not published yet goes out with a factory grant.
    pub(crate) fn build_in(&mut self, id: ActivationId) {
        self.change(id, |activation, _| {
            let is_reserved = activation.standing == Standing::Reserved;
            if is_reserved {
                activation.origin = Origin::Factory;
            }
            is_reserved
        });
    }

    /// The device signed that it has the set with this activation.
    pub(crate) fn activate(&mut self, id: ActivationId, key: SetKey, word: Word) {
        let Some(entry) = self.activations.get_mut(&id) else {
            return;
        };
        let activation = &mut entry.activation;
        let first = activation.activated_at.is_none();
        match activation.standing {
            Standing::Published => activation.standing = Standing::Activated,
            // It was in, and is on its way out: that it was in stays a fact.
            Standing::Removing(_) | Standing::Orphaned(_) | Standing::Suspended if first => {}
            _ => return,
        }
        if first {
            activation.activated_at = Some(word.at());
            self.events.push(
                about(EventKind::Activated, activation)
                    .with("set", key)
                    .with("units", activation.units)
                    .with("kind", activation.kind.as_str())
                    .with("origin", activation.origin.as_str())
                    .with_some("predecessor", activation.predecessor)
                    .with_some("signed_at", word.signed_at().map(Timestamp::seconds)),
            );
        }
        entry.touch();
    }

    /// The set that is being written leaves it out, and keeps its units.
    pub(crate) fn suspend(&mut self, id: ActivationId, key: SetKey) {
        self.change(id, |activation, events| {
            if matches!(
                activation.standing,
                Standing::Published | Standing::Activated
            ) {
                activation.standing = Standing::Suspended;
                events.push(about(EventKind::Suspended, activation).with("set", key));
                return true;
            }
            false
        });
    }

    /// It goes: at once if it was never out there, else when that is proven.
    pub(crate) fn remove(
        &mut self,
        id: ActivationId,
        reason: RemovalReason,
        removed_in: SetKey,
        now: Timestamp,
    ) {
        let Some(activation) = self.activation(id) else {
            return;
        };
        match activation.standing {
            Standing::Reserved => self.cancel(id),
            Standing::Published | Standing::Activated | Standing::Suspended => {
                self.change(id, |activation, events| {
                    activation.standing = Standing::Removing(Removal {
                        reason,
                        removed_in,
                        since: now,
                    });
                    events.push(
                        about(EventKind::Removing, activation)
                            .with("reason", reason)
                            .with("set", removed_in)
                            .with("units", activation.units),
                    );
                    true
                });
                self.orphan_stranded(id);
            }
            _ => {}
        }
    }

    /// The board that may have it was replaced.
    pub(crate) fn strand(&mut self, id: ActivationId) {
        self.change(id, |activation, _| {
            let is_out = activation.standing != Standing::Reserved
                && (activation.holds_units() || activation.standing.removal().is_some());
            let strands = is_out && !activation.stranded;
            activation.stranded |= is_out;
            strands
        });
        self.orphan_stranded(id);
    }

    /// Nobody is left who could prove that it is gone.
    fn orphan_stranded(&mut self, id: ActivationId) {
        if self
            .activation(id)
            .is_some_and(|activation| activation.stranded)
        {
            self.orphan(id);
        }
    }

    /// Makes `units` of an activation one of their own that goes; the rest stays as it was.
    pub(crate) fn split_off(
        &mut self,
        id: ActivationId,
        units: u32,
        part: ActivationId,
        removal: Removal,
    ) {
        let Some(entry) = self.activations.get_mut(&id) else {
            return;
        };
        let rest = match entry.activation.units.checked_sub(units) {
            Some(rest) if rest > 0 && units > 0 && entry.activation.is_wanted() => rest,
            _ => return,
        };
        if entry.activation.standing == Standing::Reserved {
            let entitlement = entry.activation.entitlement;
            entry.activation.units = rest;
            self.events
                .push(about(EventKind::Split, &entry.activation).with("units", units));
            let counts = entry.activation.kind == ActivationKind::Normal;
            entry.touch();
            if counts {
                self.free(entitlement, units);
            }
            return;
        }
        let removed = Activation {
            id: part,
            units,
            predecessor: Some(id),
            // The device reports all of it under the id that it knows.
            usage: 0,
            standing: Standing::Removing(removal),
            ..entry.activation.clone()
        };
        entry.activation.units = rest;
        self.events.push(
            about(EventKind::Split, &entry.activation)
                .with("part", part)
                .with("units", units),
        );
        self.events.push(
            about(EventKind::Removing, &removed)
                .with("reason", removal.reason)
                .with("set", removal.removed_in)
                .with("units", units),
        );
        entry.touch();
        self.insert(removed);
        self.orphan_stranded(part);
    }

    /// The device signed that it holds the set that left it out, or a later one. What was written
    /// off freed its units then, and is only known to be gone now.
    pub(crate) fn prove_removed(&mut self, id: ActivationId, held: SetKey) {
        let at_hand = self
            .activation(id)
            .filter(|activation| !activation.stranded);
        let Some(standing) = at_hand.map(|activation| activation.standing) else {
            return;
        };
        let Some(removal) = standing
            .removal()
            .filter(|removal| held >= removal.removed_in)
        else {
            return;
        };
        let removed = Standing::Removed(removal.reason);
        if matches!(standing, Standing::WrittenOff(_)) {
            self.change(id, |activation, events| {
                activation.standing = removed;
                events.push(
                    about(EventKind::Removed, activation)
                        .with("reason", removal.reason)
                        .with("written-off-units", activation.units),
                );
                true
            });
        } else {
            self.end(id, removed, EventKind::Removed);
        }
    }

    /// Its device is declared dead: its units are free for another, though it may still have it.
    pub(crate) fn write_off(&mut self, id: ActivationId, removed_in: SetKey, now: Timestamp) {
        let Some(standing) = self.standing(id).filter(|s| s.state().holds_units()) else {
            return;
        };
        let removal = standing.removal().unwrap_or(Removal {
            reason: RemovalReason::Rehost,
            removed_in,
            since: now,
        });
        let removal = Removal {
            reason: RemovalReason::Rehost,
            ..removal
        };
        self.end(id, Standing::WrittenOff(removal), EventKind::WrittenOff);
    }

    /// Undone before any device could have it.
    pub(crate) fn cancel(&mut self, id: ActivationId) {
        if self.standing(id) == Some(Standing::Reserved) {
            self.end(id, Standing::Cancelled, EventKind::Cancelled);
        }
    }

    /// The last moment at which any set lets it run has passed.
    pub(crate) fn lapse(&mut self, id: ActivationId, now: Timestamp) {
        let is_over = self.activation(id).is_some_and(|activation| {
            activation.holds_units() && activation.run_out().is_some_and(|run_out| run_out <= now)
        });
        if is_over {
            self.end(id, Standing::Lapsed, EventKind::Lapsed);
        }
    }

    /// Nobody expects the proof any more; the units stay taken.
    pub(crate) fn orphan(&mut self, id: ActivationId) {
        self.change(id, |activation, events| {
            if let Standing::Removing(removal) = activation.standing {
                activation.standing = Standing::Orphaned(removal);
                events.push(
                    about(EventKind::Orphaned, activation)
                        .with("reason", removal.reason)
                        .with("units", activation.units),
                );
                return true;
            }
            false
        });
    }

    /// A usage total only grows; a lower one is an older message.
    pub(crate) fn use_up_to(&mut self, id: ActivationId, total: u64) {
        let mut used = None;
        self.change(id, |activation, events| {
            let more = total.saturating_sub(activation.usage);
            if more > 0 {
                activation.usage = total;
                used = Some((activation.entitlement, more));
                events.push(
                    about(EventKind::UsageReported, activation)
                        .with("uses", more)
                        .with("total", total),
                );
            }
            more > 0
        });
        if let Some((entitlement, more)) = used {
            self.note_uses(entitlement, more);
        }
    }

    fn standing(&self, id: ActivationId) -> Option<Standing> {
        self.activation(id).map(|activation| activation.standing)
    }

    fn change(
        &mut self,
        id: ActivationId,
        change: impl FnOnce(&mut Activation, &mut Vec<Event>) -> bool,
    ) {
        if let Some(entry) = self.activations.get_mut(&id)
            && change(&mut entry.activation, &mut self.events)
        {
            entry.touch();
        }
    }

    /// It stops holding its units.
    fn end(&mut self, id: ActivationId, standing: Standing, kind: EventKind) {
        debug_assert!(!standing.state().holds_units());
        let Some(entry) = self.activations.get_mut(&id) else {
            return;
        };
        entry.activation.standing = standing;
        entry.touch();
        let (entitlement, units) = (entry.activation.entitlement, entry.activation.units);
        let entry_counts = entry.activation.kind == ActivationKind::Normal;
        self.events.push(
            about(kind, &entry.activation)
                .with_some("reason", standing.removal_reason())
                .with("units", units),
        );
        if entry_counts {
            self.free(entitlement, units);
            if is_given_back(standing) {
                self.take_up(entitlement, -i64::from(units));
            }
        }
    }

    /// The first activation of an entitlement may be what starts its term.
    fn start_term(&mut self, id: ActivationId, run: Run) {
        let Some(id) = self
            .activation(id)
            .filter(|activation| activation.kind == ActivationKind::Normal)
            .map(|activation| activation.entitlement)
        else {
            return;
        };
        if let Some(entitlement) = self.entitlements.get_mut(&id)
            && let (Start::FirstActivation { .. }, Some(start)) = (entitlement.start, run.start)
        {
            entitlement.start = Start::At(start);
            self.changes.entry(id).or_default().started_at = Some(start);
        }
    }
}

/// Whether whoever takes the units next takes them over from this device.
const fn is_given_back(standing: Standing) -> bool {
    matches!(
        standing,
        Standing::Removed(RemovalReason::Return | RemovalReason::Rehost) | Standing::WrittenOff(_)
    )
}

fn about(kind: EventKind, activation: &Activation) -> Event {
    Event::new(kind).about(activation.id, activation.entitlement)
}
