//! Activations and the units they take, in step with each other.
//!
//! Every change of an activation's standing is one method here, and each keeps the unit count of
//! its entitlement right: units are taken when an activation is made, and given back when it
//! stops holding them, nowhere else.
//!
//! ```text
//! reserved ──▶ published ──▶ activated        removed (proven)
//!    │           │  ▲  │        │              ▲
//!    │           ▼  │  └────────┴──▶ removing ─┼──▶ orphaned
//!    │         suspended ─────────────▶        │       │
//!    ▼                                         └───────┘
//! cancelled            anything published ──▶ lapsed (its time is over)
//!                      anything published ──▶ written-off (its device is declared dead)
//! ```

mod standing;

pub(crate) use standing::Word;

use std::collections::BTreeMap;

use crate::activation::{Activation, Standing};
use crate::domain::{
    ActivationId, ActivationKind, EntitlementId, EntitlementState, RemovalReason, Timestamp,
};
use crate::entitlement::{Entitlement, Quantity};
use crate::event::Event;
use crate::outcome::{Change, EntitlementChange};

/// The activations of one device and the entitlements behind them, with what changed.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    activations: BTreeMap<ActivationId, Entry>,
    entitlements: BTreeMap<EntitlementId, Entitlement>,
    changes: BTreeMap<EntitlementId, EntitlementChange>,
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, Debug)]
struct Entry {
    activation: Activation,
    status: Status,
    /// Whether it held units when it was read or made.
    held_units: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Stored,
    Changed,
    New,
}

/// The entitlement has fewer units left than are to be taken, or is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoUnitsLeft;

impl Ledger {
    pub(crate) fn new(activations: Vec<Activation>, entitlements: Vec<Entitlement>) -> Self {
        let stored = |activation: Activation| {
            (
                activation.id,
                Entry {
                    held_units: activation.holds_units(),
                    activation,
                    status: Status::Stored,
                },
            )
        };
        Self {
            activations: activations.into_iter().map(stored).collect(),
            entitlements: entitlements.into_iter().map(|e| (e.id, e)).collect(),
            changes: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn activations(&self) -> impl Iterator<Item = &Activation> {
        self.activations.values().map(|entry| &entry.activation)
    }

    pub(crate) fn activation(&self, id: ActivationId) -> Option<&Activation> {
        self.activations.get(&id).map(|entry| &entry.activation)
    }

    pub(crate) fn entitlement(&self, id: EntitlementId) -> Option<&Entitlement> {
        self.entitlements.get(&id)
    }

    pub(crate) fn entitlements(&self) -> impl Iterator<Item = &Entitlement> {
        self.entitlements.values()
    }

    /// Features of what the device is meant to have: no set has more rights.
    pub(crate) fn rights(&self) -> usize {
        self.activations()
            .filter(|activation| activation.is_wanted())
            .filter_map(|activation| self.entitlement(activation.entitlement))
            .map(|entitlement| entitlement.features.len())
            .sum()
    }

    /// What the device is meant to have and has not, but for what was made in this turn; the
    /// newest last.
    pub(crate) fn waiting(&self) -> impl DoubleEndedIterator<Item = ActivationId> {
        let waits = |entry: &&Entry| {
            entry.status != Status::New
                && matches!(
                    entry.activation.standing,
                    Standing::Reserved | Standing::Suspended
                )
        };
        self.activations
            .values()
            .filter(waits)
            .map(|entry| entry.activation.id)
    }

    /// Activations of an entitlement whose units were proven to be given back in this turn. What was
    /// written off had freed its units before, and another may have them.
    pub(crate) fn given_back(&self, id: EntitlementId) -> impl Iterator<Item = &Activation> {
        let entries = self.activations.values().filter(move |entry| {
            entry.held_units
                && entry.activation.entitlement == id
                && entry.activation.kind == ActivationKind::Normal
                && matches!(
                    entry.activation.standing,
                    Standing::Removed(RemovalReason::Return | RemovalReason::Rehost)
                )
        });
        entries.map(|entry| &entry.activation)
    }

    /// Units of an entitlement that can still be taken.
    pub(crate) fn units_left(&self, id: EntitlementId) -> u32 {
        self.entitlements
            .get(&id)
            .map_or(0, Entitlement::units_left)
    }

    /// Adds a reserved activation and takes its units; a temporary licence takes none.
    pub(crate) fn reserve(&mut self, activation: Activation) -> Result<(), NoUnitsLeft> {
        debug_assert_eq!(activation.standing, Standing::Reserved);
        if activation.kind == ActivationKind::Temporary {
            self.insert(activation);
            return Ok(());
        }
        let entitlement = self
            .entitlements
            .get_mut(&activation.entitlement)
            .filter(|entitlement| entitlement.units_left() >= activation.units)
            .ok_or(NoUnitsLeft)?;
        entitlement.live = entitlement.live.saturating_add(activation.units);
        self.count(activation.entitlement, i64::from(activation.units));
        self.insert(activation);
        Ok(())
    }

    pub(crate) fn into_changes(
        self,
    ) -> (
        Vec<Change>,
        BTreeMap<EntitlementId, EntitlementChange>,
        Vec<Event>,
    ) {
        let activations = self
            .activations
            .into_values()
            .filter_map(|entry| match entry.status {
                Status::Stored => None,
                Status::Changed => Some(Change::Updated(entry.activation)),
                Status::New => Some(Change::New(entry.activation)),
            })
            .collect();
        let mut entitlements = self.changes;
        entitlements.retain(|_, change| *change != EntitlementChange::default());
        (activations, entitlements, self.events)
    }

    fn insert(&mut self, activation: Activation) {
        let entry = Entry {
            held_units: true,
            status: Status::New,
            activation,
        };
        self.activations.insert(entry.activation.id, entry);
    }

    fn free(&mut self, entitlement: EntitlementId, units: u32) {
        if let Some(entitlement) = self.entitlements.get_mut(&entitlement) {
            entitlement.live = entitlement.live.saturating_sub(units);
        }
        self.count(entitlement, -i64::from(units));
    }

    /// Units that were given back are taken up, or, if negative, more of them are there.
    pub(crate) fn take_up(&mut self, entitlement: EntitlementId, units: i64) {
        if let Some(entitlement) = self.entitlements.get_mut(&entitlement) {
            let returned = i64::from(entitlement.returned) - units;
            entitlement.returned = u32::try_from(returned.max(0)).unwrap_or(u32::MAX);
        }
        let change = self.changes.entry(entitlement).or_default();
        change.returned = change.returned.saturating_sub(units);
    }

    fn note_uses(&mut self, entitlement: EntitlementId, uses: u64) {
        if let Some(entitlement) = self.entitlements.get_mut(&entitlement) {
            entitlement.used = entitlement.used.saturating_add(uses);
        }
        let change = self.changes.entry(entitlement).or_default();
        change.used = change.used.saturating_add(uses);
    }

    fn count(&mut self, entitlement: EntitlementId, units: i64) {
        let change = self.changes.entry(entitlement).or_default();
        change.units = change.units.saturating_add(units);
    }
}

impl Entry {
    fn touch(&mut self) {
        if self.status == Status::Stored {
            self.status = Status::Changed;
        }
    }
}

impl Entitlement {
    /// Units that can still be taken.
    #[must_use]
    pub fn units_left(&self) -> u32 {
        match self.quantity {
            Quantity::Unlimited => u32::MAX - self.live,
            Quantity::Units(units) => units
                .saturating_add(self.overdraft)
                .saturating_sub(self.live),
        }
    }

    /// Whether its features are on, so far as the entitlement decides.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self.state, EntitlementState::Suspended)
    }

    /// Whether nothing of it may run any more.
    #[must_use]
    pub fn is_revoked(&self, now: Timestamp) -> bool {
        self.revoked_from.is_some_and(|from| from <= now)
    }
}
