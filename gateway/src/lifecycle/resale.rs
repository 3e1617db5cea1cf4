//! A device that is sold on, with the rights it has.

use std::collections::BTreeMap;

use fleetgrant_core::credit::Stock;
use fleetgrant_core::domain::{DeviceId, LinkKind, PartyId, Timestamp};
use fleetgrant_core::event::{Event, EventKind};
use fleetgrant_core::hand_over;

use super::upgrade::count;
use super::{EntitlementActError, split};
use crate::operator::{Attempt, Effects, Operator};
use crate::store::column::Micros;
use crate::store::device::{self, Device};
use crate::store::entitlement::{self, Entitlement};
use crate::store::entitlement_link::{self as link, Link};
use crate::store::event::{self, Occasion, Stream};
use crate::store::party::Party;
use crate::store::{Db, StoreError, refresh};

/// What came of a resale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resale {
    /// Whether anything changed; not if the device is the new owner's already.
    pub changed: bool,
    /// What the new owner owns now: the references of what the rights came of and of what they
    /// are, and units.
    pub moved: Vec<(String, String, u32)>,
}

type Tried = Attempt<Resale, EntitlementActError>;

impl Operator {
    /// Gives a device to another party, with all it has. What is on the device stays as it is:
    /// nothing is activated again, and no unit is free meanwhile.
    ///
    /// # Errors
    /// See [`EntitlementActError`]; it is done whole or not at all.
    pub async fn transfer_device(
        &self,
        device: &DeviceId,
        to: PartyId,
        effects: Effects,
    ) -> Result<Resale, EntitlementActError> {
        let device = device.clone();
        self.until_still("resale", effects, move |operator, db, now| {
            operator.attempt_transfer(db, &device, to, now)
        })
        .await
    }

    /// One try of [`transfer_device`](Self::transfer_device), within a transaction that the caller ends.
    pub(crate) fn attempt_transfer(
        &self,
        db: &mut Db,
        id: &DeviceId,
        to: PartyId,
        now: Timestamp,
    ) -> Result<Tried, StoreError> {
        let occasion = Occasion {
            at: now,
            actor: &self.actor,
            cause: &[],
        };
        let Some(device) = device::find(db, id.as_str())? else {
            return Ok(Tried::Refused(EntitlementActError::UnknownDevice(
                id.clone(),
            )));
        };
        let party = match split::new_owner(db, to)? {
            Ok(party) => party,
            Err(error) => return Ok(Tried::Refused(error)),
        };
        if device.owner_id == Some(party.id) {
            return Ok(Tried::Done(Resale::default()));
        }
        transfer(db, &device, &party, occasion)
    }
}

fn transfer(
    db: &mut Db,
    device: &Device,
    party: &Party,
    occasion: Occasion<'_>,
) -> Result<Tried, StoreError> {
    let mut resale = Resale {
        changed: true,
        moved: Vec::new(),
    };
    let mut held: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for right in entitlement::rights_on_device(db, &device.id)? {
        if hand_over::goes_along(right.kind.0, right.state.0) {
            held.entry(right.entitlement_id.0).or_default().push(right);
        }
    }
    for (id, rights) in held {
        let Some(whole) = entitlement::find(db, id)? else {
            continue;
        };
        if whole.owner_id == Some(party.id) {
            continue;
        }
        let units: i64 = rights.iter().map(|right| right.units).sum();
        let parted = match hand_over::sell_on(split::whole(db, &whole)?, count(units)?) {
            Ok(parted) => parted,
            Err(reason) => return Ok(Tried::Refused(split::refusal(&whole, reason))),
        };
        let part = part_on_device(db, &whole, parted.part, device, party, occasion)?;
        if !entitlement::hand_over_units(db, &whole, parted.left, &part, occasion.at)? {
            return Ok(Tried::Stale);
        }
        let rights: Vec<_> = rights.iter().map(|right| right.id).collect();
        entitlement::move_activations(db, &rights, part.id, occasion.at)?;
        let link = Link::new(
            whole.id.0,
            part.id.0,
            LinkKind::Transfer,
            units,
            occasion.at,
        );
        link::insert(db, &link)?;
        split::note(db, &whole, &part, units, occasion)?;
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        resale.moved.push((whole.reference, part.reference, units));
    }
    let from = device.owner_id.map(|owner| owner.0);
    let sold = Device {
        owner_id: Some(party.id),
        changed_at: Micros(occasion.at),
        ..device.clone()
    };
    device::update(db, &sold)?;
    // Another tier may apply to it.
    let marked = std::slice::from_ref(&device.id);
    refresh::mark(db, marked, occasion.actor, occasion.at)?;
    let told = Event::new(EventKind::DeviceTransferred)
        .with_some("from", from)
        .with("to", party.id.0)
        .with("entitlements", resale.moved.len() as u64);
    event::append(db, Stream::Device(&device.id), occasion, &[told])?;
    Ok(Tried::Done(resale))
}

/// The entitlement of the new owner that takes what the device has of another.
fn part_on_device(
    db: &mut Db,
    whole: &Entitlement,
    stock: Stock,
    device: &Device,
    party: &Party,
    occasion: Occasion<'_>,
) -> Result<Entitlement, StoreError> {
    let base = format!("{}/{}", whole.reference, device.id);
    let mut reference = base.clone();
    // A device can come back, and be sold on again.
    let mut again = 1;
    while entitlement::by_reference(db, &whole.system, &reference)?.is_some() {
        again += 1;
        reference = format!("{base}/{again}");
    }
    Ok(Entitlement {
        // Its term goes on as it was told to the device.
        time_zone: whole.time_zone.clone(),
        ..split::part_of(whole, stock, &reference, Some(party), occasion)
    })
}
