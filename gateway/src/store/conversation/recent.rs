//! Devices that were just heard, as the database has them, so that what one message wrote the next
//! need not read.
//!
//! A device asks, and seconds later it acknowledges: what the second decision looks at is what the
//! first one wrote. What is kept is true for an era of the connection that writes; debug builds
//! compare it with the database at each use. An outcome of another kind than the everyday ones is
//! not followed: its device is forgotten, and read again.

use std::collections::{BTreeSet, HashMap};

use fleetgrant_core::activation::Activation;
use fleetgrant_core::ask::Want;
use fleetgrant_core::device::Device;
use fleetgrant_core::domain::{
    DeviceId, DeviceState, EntitlementId, EntitlementState, FeatureName, PartyId, ProductLineId,
};
use fleetgrant_core::entitlement::{Binding, Entitlement, Quantity};
use fleetgrant_core::outcome::{Change, EntitlementChange, Outcome};
use fleetgrant_core::party::OnHold;
use fleetgrant_core::set::CommittedSet;
use fleetgrant_core::snapshot::{Declined, Holdings, Snapshot};
use fleetgrant_core::tier::Policies;

use super::Look;
use super::entitlement::{MAX_POOL, binding};
use super::set::MAX_SETS;
use crate::store::event::Head;

/// Devices that are kept at most, 2 KB or so each; beyond that all are forgotten.
const MAX_DEVICES: usize = 16_384;
/// Entitlements that are kept at most.
const MAX_ENTITLEMENTS: usize = 16_384;
/// Wants of which it is kept what serves them, at most.
const MAX_POOLS: usize = 4_096;

/// Devices that were just heard, and the entitlements that were looked at for them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    devices: HashMap<DeviceId, Known>,
    /// As if nothing bound them to a device, and without their uses.
    entitlements: HashMap<EntitlementId, Entitlement>,
    pools: HashMap<Wanted, Vec<EntitlementId>>,
}

/// What a pool serves: devices of an owner and of a product line that want a feature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wanted {
    owner: PartyId,
    line: Option<ProductLineId>,
    feature: FeatureName,
}

#[derive(Debug)]
struct Known {
    device: Device,
    /// Ascending by id, as they are read.
    activations: Vec<Activation>,
    sets: Vec<CommittedSet>,
    /// What only a request looks at; none, if no request was read.
    beside: Option<Beside>,
    head: Option<Head>,
}

#[derive(Debug)]
struct Beside {
    /// The entitlements that are bound to the device.
    bound: Vec<EntitlementId>,
    declined: Vec<Declined>,
}

impl Recent {
    pub(super) fn clear(&mut self) {
        self.devices.clear();
        self.entitlements.clear();
        self.pools.clear();
    }

    /// The end of the device's history.
    pub(super) fn head(&self, id: &DeviceId) -> Option<Head> {
        self.devices.get(id)?.head
    }

    /// What an acknowledgement is decided on, without what is kept for all devices.
    pub(super) fn holdings(&self, id: &DeviceId) -> Option<Holdings> {
        let known = self.devices.get(id)?;
        let held: BTreeSet<_> = known.activations.iter().map(|a| a.entitlement).collect();
        let entitlements = held
            .into_iter()
            .map(|id| self.entitlements.get(&id).cloned());
        Some(Holdings {
            policies: Policies::unassigned(),
            on_hold: OnHold::default(),
            entitlements: entitlements.collect::<Option<_>>()?,
            sets: known.sets.clone(),
            activations: known.activations.clone(),
            device: known.device.clone(),
        })
    }

    /// What a request is decided on, without what is kept for all devices, and what is completed after it.
    pub(super) fn snapshot(&self, id: &DeviceId, look: &Look<'_>) -> Option<Snapshot> {
        if !is_everyday(look) {
            return None;
        }
        let known = self.devices.get(id)?;
        let beside = known.beside.as_ref()?;
        let mut ids: BTreeSet<_> = known.activations.iter().map(|a| a.entitlement).collect();
        ids.extend(&beside.bound);
        for pool in pools_of(&known.device, look) {
            ids.extend(self.pools.get(&pool)?);
        }
        let mut entitlements = Vec::with_capacity(ids.len());
        for id in ids {
            let entitlement = self.entitlements.get(&id)?.clone();
            let is_bound = beside.bound.contains(&id);
            entitlements.push(Entitlement {
                binding: binding(&known.device, entitlement.owner, is_bound),
                ..entitlement
            });
        }
        Some(Snapshot {
            activations: known.activations.clone(),
            entitlements,
            sets: known.sets.clone(),
            declined: beside.declined.clone(),
            ..Snapshot::of(known.device.clone())
        })
    }

    /// Keeps what was read for an acknowledgement.
    pub(super) fn keep_holdings(&mut self, holdings: &Holdings) {
        let (device, activations) = (&holdings.device, &holdings.activations);
        self.keep(device, activations, &holdings.sets, None);
        self.keep_entitlements(&holdings.entitlements);
    }

    /// Keeps what was read for a request.
    pub(super) fn keep_snapshot(&mut self, snapshot: &Snapshot, look: &Look<'_>) {
        if !is_everyday(look) {
            return;
        }
        let is_bound = |e: &&Entitlement| e.binding == Binding::Device;
        let bound = snapshot.entitlements.iter().filter(is_bound);
        let beside = Beside {
            bound: bound.map(|entitlement| entitlement.id).collect(),
            declined: snapshot.declined.clone(),
        };
        let (device, activations) = (&snapshot.device, &snapshot.activations);
        self.keep(device, activations, &snapshot.sets, Some(beside));
        self.keep_entitlements(&snapshot.entitlements);
        for wanted in pools_of(device, look) {
            if let Some(pool) = pool(&snapshot.entitlements, &wanted) {
                self.pools.insert(wanted, pool);
            }
        }
    }

    fn make_room(&mut self) {
        let is_full = self.devices.len() >= MAX_DEVICES
            || self.entitlements.len() >= MAX_ENTITLEMENTS
            || self.pools.len() >= MAX_POOLS;
        if is_full {
            self.clear();
        }
    }

    fn keep(
        &mut self,
        device: &Device,
        activations: &[Activation],
        sets: &[CommittedSet],
        beside: Option<Beside>,
    ) {
        self.make_room();
        if device.state != DeviceState::Admitted {
            return;
        }
        let known = Known {
            device: device.clone(),
            activations: activations.to_vec(),
            sets: sets.to_vec(),
            beside,
            head: self.head(&device.id),
        };
        self.devices.insert(device.id.clone(), known);
    }

    fn keep_entitlements(&mut self, entitlements: &[Entitlement]) {
        for entitlement in entitlements {
            let unbound = Entitlement {
                binding: Binding::None,
                ..entitlement.clone()
            };
            self.entitlements.insert(entitlement.id, unbound);
        }
    }

    /// Follows an outcome that was recorded. `head`: the end of the device's history.
    pub(super) fn record(&mut self, outcome: &Outcome, head: Option<Head>) {
        if outcome.activations.iter().any(is_by_code) {
            self.clear();
            return;
        }
        for (id, change) in &outcome.entitlements {
            self.change(*id, change);
        }
        let id = &outcome.device.id;
        if !can_be_followed(outcome) {
            self.devices.remove(id);
            return;
        }
        let Some(known) = self.devices.get_mut(id) else {
            return;
        };
        known.device = outcome.device.clone();
        known.head = head;
        for own in outcome.activations.iter().map(Change::activation) {
            match known.activations.binary_search_by_key(&own.id, |a| a.id) {
                Ok(place) => known.activations[place].clone_from(own),
                Err(place) => known.activations.insert(place, own.clone()),
            }
        }
        known
            .sets
            .extend(outcome.issued.as_ref().map(|issued| issued.set.clone()));
        let from = outcome.device.acked.map(|acked| acked.held.key.generation);
        known
            .sets
            .retain(|set| from.is_none_or(|from| set.key.generation >= from));
        let beyond = known.sets.len().saturating_sub(MAX_SETS as usize);
        known.sets.drain(..beyond);
    }

    fn change(&mut self, id: EntitlementId, change: &EntitlementChange) {
        let taken = u32::try_from(change.units);
        let only_takes = change.returned == 0 && change.started_at.is_none();
        match (taken, self.entitlements.get_mut(&id)) {
            (Ok(taken), Some(entitlement)) if only_takes => {
                entitlement.live = entitlement.live.saturating_add(taken);
                if !is_free(entitlement) {
                    // Others take its place.
                    self.pools.retain(|_, pool| !pool.contains(&id));
                }
            }
            _ => match self.entitlements.remove(&id).map(|known| known.owner) {
                // It may take the place of others.
                Some(owner) => self.pools.retain(|wanted, _| Some(wanted.owner) != owner),
                None => self.pools.clear(),
            },
        }
    }
}

/// Whether what is looked at depends on nothing but the device, its owner and the features wanted.
fn is_everyday(look: &Look<'_>) -> bool {
    let is_feature = |want: &Want| matches!(want, Want::Feature { .. });
    look.named.is_none() && look.taken_over.is_none() && look.wants.iter().all(is_feature)
}

/// Whether the device goes on as before, with more or other rights.
fn can_be_followed(outcome: &Outcome) -> bool {
    outcome.device.state == DeviceState::Admitted
        && outcome.device.key().is_some()
        && outcome.codes.is_empty()
        && outcome.taken_up.is_empty()
        && outcome.uses.is_empty()
        && outcome
            .activations
            .iter()
            .all(|change| change.activation().holds_units())
}

/// A code of a partner makes an entitlement of whoever uses it.
fn is_by_code(change: &Change) -> bool {
    matches!(change, Change::New(activation) if activation.code.is_some())
}

fn pools_of<'a>(device: &Device, look: &Look<'a>) -> impl Iterator<Item = Wanted> + use<'a> {
    let (owner, line) = (device.owner, device.product_line);
    look.wants.iter().filter_map(move |want| match want {
        Want::Feature { feature, .. } => Some(Wanted {
            owner: owner?,
            line,
            feature: feature.clone(),
        }),
        Want::Code { .. } => None,
    })
}

/// Those of the owner that have the feature, are free and for the line; if none is, all of the
/// owner that have it. None, where there are so many that some were not read.
fn pool(entitlements: &[Entitlement], wanted: &Wanted) -> Option<Vec<EntitlementId>> {
    let owned: Vec<_> = entitlements
        .iter()
        .filter(|e| e.owner == Some(wanted.owner))
        .filter(|e| e.features.iter().any(|f| f.name == wanted.feature))
        .collect();
    let serves =
        |e: &Entitlement| is_free(e) && (e.product_line.is_none() || e.product_line == wanted.line);
    let any_serves = owned.iter().any(|e| serves(e));
    let serving = owned.iter().filter(|e| !any_serves || serves(e));
    let pool: Vec<_> = serving.map(|e| e.id).collect();
    (pool.len() < MAX_POOL as usize).then_some(pool)
}

/// As the condition of the query has it.
fn is_free(entitlement: &Entitlement) -> bool {
    let serves = [EntitlementState::Active, EntitlementState::Expired];
    serves.contains(&entitlement.state)
        && match entitlement.quantity {
            Quantity::Unlimited => true,
            Quantity::Units(units) => {
                u64::from(entitlement.live) < u64::from(units) + u64::from(entitlement.overdraft)
            }
        }
}
