//! The tables on the path of one activation: what a decision about one device reads, and what
//! came of it.
//!
//! Both run in the same transaction, so that whoever writes second decides on what the first
//! wrote. Units are taken by a conditional update, with a CHECK constraint behind it.

mod activation;
mod cache;
mod code;
mod device;
mod entitlement;
mod memory;
mod pin;
mod quota;
mod recent;
mod redeem;
mod set;

use std::collections::BTreeMap;

use fleetgrant_core::activation::Standing;
use fleetgrant_core::ask::Want;
use fleetgrant_core::device::Device;
use fleetgrant_core::domain::{
    ActivationId, DeviceId, DeviceState, EntitlementId, MessageDigest, Origin, PartyId, Timestamp,
};
use fleetgrant_core::entitlement::Entitlement;
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::outcome::{Change, Decided, Deliveries, Outcome, WantVerdict};
use fleetgrant_core::party::OnHold;
use fleetgrant_core::rule::Rule;
use fleetgrant_core::snapshot::{Holdings, Snapshot};

use super::case;
use super::dialect::Db;
use super::error::StoreError;
use super::event::{self, Head, Occasion, Stream};
use super::{legacy_right, maintenance};
use activation::Held;
use cache::{Stamp, View};

pub use activation::{acknowledged, devices_to_tick};
pub use cache::Cache;
pub use device::Basis;
pub use entitlement::terms;
pub(super) use entitlement::time_reservations;
pub use pin::{
    Credential, Pins, RecordedKey, chain_of_certificate, expect_key, expect_of_new_board,
    expected_key, recorded, revoke,
};
pub use set::{DueDelivery, close_delivery, due_deliveries, has_due, payload_of, postpone};

/// What a device that was never recorded is recorded with.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// The product line of the anchor that its chain leads to.
    pub product_line: String,
    /// The id prefix of that product line.
    pub prefix: String,
    /// What its certificate says after the prefix.
    pub serial: String,
}

/// Who or what caused a change.
#[derive(Clone, Debug)]
pub struct Cause {
    /// `device`, `gateway`, or the name of an operator.
    pub actor: String,
    /// The message, where there is one.
    pub message: Option<MessageDigest>,
    /// The gateway's time of the transaction.
    pub at: Timestamp,
}

/// What a decision is to be made about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look<'a> {
    /// What the device wants.
    pub wants: &'a [Want],
    /// An entitlement that an operator names, whether it fits the device or not.
    pub named: Option<EntitlementId>,
    /// An ended activation that an operator names, to be taken up.
    pub taken_over: Option<ActivationId>,
    /// Whether quotas matter, though nothing was given back.
    pub quotas: bool,
    /// When it is decided; none: every use of a quota is read, however old.
    pub now: Option<Timestamp>,
}

/// Reads what an acknowledgement is decided on; none, if the device was never recorded.
pub fn load_holdings(
    db: &mut Db,
    cache: &Cache,
    id: &DeviceId,
) -> Result<Option<Holdings>, StoreError> {
    if let Some((holdings, stamp)) = cache.recall(db, |recent| recent.holdings(id)) {
        let (owner, view) = (holdings.device.owner, cache.at(stamp));
        let policies = view.policies(db, owner, &holdings.entitlements)?;
        let holdings = Holdings {
            policies,
            on_hold: on_hold(db, &view, &holdings.device, &holdings.entitlements)?,
            ..holdings
        };
        debug_assert_eq!(
            Some(&holdings),
            read_holdings(db, cache, id)?.map(|read| read.0).as_ref(),
            "what is kept is what is stored"
        );
        return Ok(Some(holdings));
    }
    let Some((holdings, stamp)) = read_holdings(db, cache, id)? else {
        return Ok(None);
    };
    cache.keep(db, stamp, |recent| recent.keep_holdings(&holdings));
    Ok(Some(holdings))
}

fn read_holdings(
    db: &mut Db,
    cache: &Cache,
    id: &DeviceId,
) -> Result<Option<(Holdings, Stamp)>, StoreError> {
    let Some((device, held, view)) = held(db, cache, id)? else {
        return Ok(None);
    };
    let entitlements = entitlement::of_activations(db, &view, held.entitlements)?;
    let holdings = Holdings {
        policies: view.policies(db, device.owner, &entitlements)?,
        on_hold: on_hold(db, &view, &device, &entitlements)?,
        entitlements,
        sets: set::since_acknowledged(db, &device)?,
        activations: held.activations,
        device,
    };
    Ok(Some((holdings, view.stamp())))
}

/// As [`load_for`], for a device that wants this.
pub fn load(
    db: &mut Db,
    cache: &Cache,
    id: &DeviceId,
    wants: &[Want],
) -> Result<Option<Snapshot>, StoreError> {
    let look = Look {
        wants,
        ..Look::default()
    };
    load_for(db, cache, id, &look)
}

/// Reads all that a decision about this device looks at; none, if it was never recorded.
pub fn load_for(
    db: &mut Db,
    cache: &Cache,
    id: &DeviceId,
    look: &Look<'_>,
) -> Result<Option<Snapshot>, StoreError> {
    let recalled = cache.recall(db, |recent| recent.snapshot(id, look));
    let (mut snapshot, owner) = if let Some((snapshot, stamp)) = recalled {
        let owner = snapshot.device.owner;
        let view = cache.at(stamp);
        let policies = view.policies(db, owner, &snapshot.entitlements)?;
        let snapshot = Snapshot {
            policies,
            on_hold: on_hold(db, &view, &snapshot.device, &snapshot.entitlements)?,
            ..snapshot
        };
        debug_assert_eq!(
            Some(&snapshot),
            read(db, cache, id, look)?
                .map(|read| read.snapshot)
                .as_ref(),
            "what is kept is what is stored"
        );
        (snapshot, owner)
    } else {
        let Some(read) = read(db, cache, id, look)? else {
            return Ok(None);
        };
        cache.keep(db, read.stamp, |recent| {
            recent.keep_snapshot(&read.snapshot, look);
        });
        (read.snapshot, read.owner)
    };
    complete(db, look, owner, &mut snapshot)?;
    Ok(Some(snapshot))
}

/// All of a snapshot that is the same for the device's next message, if nothing changes meanwhile.
struct Read {
    snapshot: Snapshot,
    /// Whose device it is or will be.
    owner: Option<PartyId>,
    stamp: Stamp,
}

fn read(
    db: &mut Db,
    cache: &Cache,
    id: &DeviceId,
    look: &Look<'_>,
) -> Result<Option<Read>, StoreError> {
    let wants = look.wants;
    let Some((device, held, view)) = held(db, cache, id)? else {
        return Ok(None);
    };
    let codes = code::codes(db, wants)?;
    let mut entitlements =
        entitlement::candidates(db, &view, &device, held.entitlements, &codes, wants)?;
    let named = match (look.named, look.taken_over) {
        (None, Some(from)) => quota::entitlement_of(db, from)?,
        (named, _) => named,
    };
    if let Some(named) = named
        && entitlements
            .iter()
            .all(|entitlement| entitlement.id != named)
    {
        entitlements.extend(entitlement::one(db, &view, &device, named)?);
    }
    // A device that nobody owns becomes that of whoever's right it is given.
    let named = entitlements.iter().find(|e| named == Some(e.id));
    let owner = device.owner.or(named.and_then(|named| named.owner));
    let snapshot = Snapshot {
        policies: view.policies(db, owner, &entitlements)?,
        on_hold: on_hold(db, &view, &device, &entitlements)?,
        activations: held.activations,
        entitlements,
        codes,
        sets: set::since_acknowledged(db, &device)?,
        declined: activation::declined(db, id)?,
        ..Snapshot::of(device)
    };
    Ok(Some(Read {
        snapshot,
        owner,
        stamp: view.stamp(),
    }))
}

/// Of the owners of a device and of what it has or could have, those on hold.
fn on_hold(
    db: &mut Db,
    view: &View<'_>,
    device: &Device,
    entitlements: &[Entitlement],
) -> Result<OnHold, StoreError> {
    let owners = entitlements.iter().map(|entitlement| entitlement.owner);
    view.on_hold(db, owners.chain([device.owner]).flatten())
}

/// What other devices change, and what only some entitlements ask for.
fn complete(
    db: &mut Db,
    look: &Look<'_>,
    owner: Option<PartyId>,
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let id = &snapshot.device.id;
    let entitlements = &mut snapshot.entitlements;
    entitlement::count_uses(db, entitlements)?;
    snapshot.moved = quota::moved(db, id, entitlements)?;
    if let Some(from) = look.taken_over
        && snapshot.moved.iter().all(|moved| moved.activation != from)
    {
        snapshot.moved.extend(quota::moved_from(db, id, from)?);
    }
    if look.quotas || entitlements.iter().any(|e| e.returned > 0) {
        let window = snapshot.policies.longest_window();
        let since = look.now.map(|now| now.minus_seconds(window));
        let since = since.unwrap_or(Timestamp::from_micros(i64::MIN));
        snapshot.uses = quota::uses(db, id, owner, entitlements, since)?;
    }
    snapshot.evaluated = activation::evaluated(db, id, entitlements)?;
    Ok(())
}

/// The device, and what it has.
fn held<'c>(
    db: &mut Db,
    cache: &'c Cache,
    id: &DeviceId,
) -> Result<Option<(Device, Held, View<'c>)>, StoreError> {
    let Some((device, stamp)) = device::load(db, id)? else {
        return Ok(None);
    };
    let mut held = activation::holding(db, id)?;
    if matches!(
        device.state,
        DeviceState::Tombstoned | DeviceState::Readmitted
    ) {
        let written_off = activation::written_off(db, id)?;
        held.activations.extend(written_off.activations);
        held.entitlements.extend(written_off.entitlements);
    }
    Ok(Some((device, held, cache.at(stamp))))
}

/// Records a device that was never recorded.
pub fn first_seen(
    db: &mut Db,
    id: &DeviceId,
    provenance: &Provenance,
    now: Timestamp,
) -> Result<(), StoreError> {
    device::insert(db, id, provenance, now)
}

/// Whether an outcome could be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// All of it.
    Whole,
    /// The snapshot it was decided on is stale; nothing may be kept of it.
    Stale,
}

/// Records an outcome that was decided on the snapshot of `basis`. On [`Recorded::Stale`] the
/// caller must undo the transaction.
pub fn record(
    db: &mut Db,
    cache: &Cache,
    basis: &Basis,
    outcome: &Outcome,
    cause: &Cause,
) -> Result<Recorded, StoreError> {
    for (id, change) in &outcome.entitlements {
        if !entitlement::apply(db, *id, change, cause.at)? {
            return Ok(Recorded::Stale);
        }
    }
    for (id, change) in &outcome.codes {
        if !code::apply_code(db, *id, change, cause.at)? {
            return Ok(Recorded::Stale);
        }
    }
    device::save(db, basis, &outcome.device, cause.at)?;
    for change in &outcome.activations {
        activation::write(db, &outcome.device.id, change, cause.at)?;
    }
    if !quota::record(db, outcome, cause.at)? {
        return Ok(Recorded::Stale);
    }
    redeem::record(db, outcome, cause)?;
    set::deliver(db, basis, outcome, cause.at)?;
    follow_up(db, outcome, cause.at)?;
    let message = cause.message.map(|digest| digest.0);
    let occasion = Occasion {
        at: cause.at,
        actor: &cause.actor,
        cause: message.as_ref().map_or(&[][..], |digest| &digest[..]),
    };
    let begun = begin_maintenance(db, outcome, occasion)?;
    let head = tell(db, cache, outcome, occasion)?;
    cache.amend(db, |recent| {
        if begun {
            // Entitlements of others have changed.
            recent.clear();
        } else {
            recent.record(outcome, head);
        }
    });
    Ok(Recorded::Whole)
}

/// What an entitlement maintains has a ceiling from the day on which its term begins; whether it has
/// to do with any.
fn begin_maintenance(
    db: &mut Db,
    outcome: &Outcome,
    occasion: Occasion<'_>,
) -> Result<bool, StoreError> {
    let mut any = false;
    for (id, change) in &outcome.entitlements {
        if change.started_at.is_some() {
            any |= maintenance::begin(db, *id, occasion)?;
        }
    }
    Ok(any)
}

/// Writes what happened into the device's history; its head from then on, where that is known.
fn tell(
    db: &mut Db,
    cache: &Cache,
    outcome: &Outcome,
    occasion: Occasion<'_>,
) -> Result<Option<Head>, StoreError> {
    let id = &outcome.device.id;
    let known = cache.recall(db, |recent| recent.head(id));
    let known = known.map(|(head, _)| head);
    let surrendered = surrender(db, outcome, occasion)?;
    if outcome.events.is_empty() && surrendered.is_empty() {
        return Ok(known);
    }
    let stream = Stream::Device(id.as_str());
    let mut head = match known {
        Some(known) => known,
        None => event::head(db, stream)?,
    };
    debug_assert_eq!(
        head,
        event::head(db, stream)?,
        "what is kept is what is stored"
    );
    for events in [&outcome.events, &surrendered] {
        if !events.is_empty() {
            head = event::append_after(db, stream, occasion, events, head)?;
        }
    }
    Ok(Some(head))
}

/// What came of a right of an older system is on its device now: the older one is given up.
fn surrender(
    db: &mut Db,
    outcome: &Outcome,
    occasion: Occasion<'_>,
) -> Result<Vec<Event>, StoreError> {
    let device = outcome.device.id.as_str();
    let came_over = outcome
        .activations
        .iter()
        .map(Change::activation)
        .filter(|activation| {
            activation.origin == Origin::Migration && activation.standing == Standing::Activated
        });
    let mut told = Vec::new();
    for activation in came_over {
        let of = activation.entitlement;
        if legacy_right::surrender_on(db, of, device, occasion.at)? {
            told.push(Event::new(EventKind::LegacySurrendered).about(activation.id, of));
        }
    }
    Ok(told)
}

/// Opens and closes the cases of what the device wants.
fn follow_up(db: &mut Db, outcome: &Outcome, now: Timestamp) -> Result<(), StoreError> {
    let device = outcome.device.id.as_str();
    for (want, (total, follow_up)) in follow_ups(&outcome.decided) {
        match follow_up {
            FollowUp::Served => case::served(db, device, &want, now)?,
            FollowUp::Granted => case::put(db, device, &want, total, None, now)?,
            FollowUp::Denied(rule) => case::put(db, device, &want, total, Some(rule), now)?,
        }
    }
    if outcome.deliveries == Deliveries::Acknowledged {
        case::activated(db, device, now)?;
    }
    Ok(())
}

/// What a case comes to; of several verdicts on one want the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FollowUp {
    Served,
    Granted,
    Denied(Rule),
}

/// By the name of what was wanted. All that is bound to a device is one want, with no name.
fn follow_ups(decided: &[Decided]) -> BTreeMap<String, (Option<u32>, FollowUp)> {
    let mut follow_ups = BTreeMap::new();
    for decided in decided {
        let follow_up = match decided.verdict {
            WantVerdict::Served => FollowUp::Served,
            WantVerdict::Granted(_) => FollowUp::Granted,
            WantVerdict::Denied { rule, .. } => FollowUp::Denied(rule),
            WantVerdict::Returning(_) => continue,
        };
        let total = match &decided.want {
            Some(Want::Feature { total, .. }) => Some(*total),
            _ => None,
        };
        let want = case::want(decided.reason, decided.want.as_ref());
        let (_, known) = follow_ups.entry(want).or_insert((total, follow_up));
        *known = follow_up.max(*known);
    }
    follow_ups
}

/// A number of a column that the core counts unsigned.
fn unsigned<T: TryFrom<i64>>(column: &'static str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} is {value}")))
}

/// A column whose text, or combination, the core refuses.
fn corrupt(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(reason.to_string())
}

#[cfg(test)]
mod tests;
