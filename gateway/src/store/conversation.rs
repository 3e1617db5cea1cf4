//! The tables on the path of one activation: what a decision about one device reads, and what
//! came of it.
//!
//! Both run in the same transaction, so that whoever writes second decides on what the first
//! wrote. Units are taken by a conditional update, with a CHECK constraint behind it.

mod activation;
mod device;
mod entitlement;
mod memory;
mod pin;
mod set;

use std::collections::BTreeMap;

use fleetgrant_core::ask::Want;
use fleetgrant_core::domain::{DeviceId, EntitlementId, MessageDigest, Timestamp};
use fleetgrant_core::outcome::{Decided, Deliveries, Outcome, WantVerdict};
use fleetgrant_core::rule::Rule;
use fleetgrant_core::snapshot::Snapshot;

use super::case;
use super::dialect::Db;
use super::error::StoreError;
use super::event::{self, Occasion, Stream};
use super::policy;

pub use activation::{acknowledged, devices_to_tick};
pub use device::Basis;
pub(super) use entitlement::time_reservations;
pub use pin::{Credential, Pins, chain_of_certificate, expect_key};
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

/// Reads all that a decision about this device looks at; none, if it was never recorded.
pub fn load(db: &mut Db, id: &DeviceId, wants: &[Want]) -> Result<Option<Snapshot>, StoreError> {
    let Some(device) = device::load(db, id)? else {
        return Ok(None);
    };
    let tier = policy::of_owner(db, device.owner)?;
    let activations = activation::holding(db, id)?;
    let codes = entitlement::codes(db, wants)?;
    let entitlements = entitlement::candidates(db, &device, &activations, &codes, wants)?;
    let sets = set::since_acknowledged(db, &device)?;
    let evaluated = activation::evaluated(db, id, &entitlements)?;
    let declined = activation::declined(db, id)?;
    Ok(Some(Snapshot {
        device,
        tier,
        activations,
        entitlements,
        codes,
        sets,
        evaluated,
        declined,
    }))
}

/// As [`load`], with an entitlement that an operator names, whether it fits the device or not.
pub fn load_naming(
    db: &mut Db,
    id: &DeviceId,
    named: Option<EntitlementId>,
) -> Result<Option<Snapshot>, StoreError> {
    let Some(mut snapshot) = load(db, id, &[])? else {
        return Ok(None);
    };
    let missing = named.filter(|named| snapshot.entitlements.iter().all(|e| e.id != *named));
    if let Some(named) = missing {
        let found = entitlement::one(db, &snapshot.device, named)?;
        snapshot.entitlements.extend(found);
    }
    Ok(Some(snapshot))
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
        if !entitlement::apply_code(db, *id, change, cause.at)? {
            return Ok(Recorded::Stale);
        }
    }
    device::save(db, basis, &outcome.device, cause.at)?;
    for change in &outcome.activations {
        activation::write(db, &outcome.device.id, change, cause.at)?;
    }
    set::deliver(db, basis, outcome, cause.at)?;
    follow_up(db, outcome, cause.at)?;
    let message = cause.message.map(|digest| digest.0);
    let occasion = Occasion {
        at: cause.at,
        actor: &cause.actor,
        cause: message.as_ref().map_or(&[][..], |digest| &digest[..]),
    };
    let stream = Stream::Device(outcome.device.id.as_str());
    event::append(db, stream, occasion, &outcome.events)?;
    Ok(Recorded::Whole)
}

/// Opens and closes the cases of what the device wants.
fn follow_up(db: &mut Db, outcome: &Outcome, now: Timestamp) -> Result<(), StoreError> {
    let device = outcome.device.id.as_str();
    for (want, follow_up) in follow_ups(&outcome.decided) {
        match follow_up {
            FollowUp::Served => case::served(db, device, &want, now)?,
            FollowUp::Granted => case::put(db, device, &want, None, now)?,
            FollowUp::Denied(rule) => case::put(db, device, &want, Some(rule), now)?,
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
fn follow_ups(decided: &[Decided]) -> BTreeMap<String, FollowUp> {
    let mut follow_ups = BTreeMap::new();
    for decided in decided {
        let follow_up = match decided.verdict {
            WantVerdict::Served => FollowUp::Served,
            WantVerdict::Granted(_) => FollowUp::Granted,
            WantVerdict::Denied { rule, .. } => FollowUp::Denied(rule),
            WantVerdict::Returning(_) => continue,
        };
        let want = match &decided.want {
            Some(Want::Feature { feature, .. }) => feature.to_string(),
            Some(Want::Code { id, .. }) => format!("code/{id}"),
            None => String::new(),
        };
        let known = follow_ups.entry(want).or_insert(follow_up);
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
