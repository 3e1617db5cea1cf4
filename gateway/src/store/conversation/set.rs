//! Grant sets, written once, each with its delivery: the outbox.

use diesel::prelude::*;
use fleetgrant_core::device::Device;
use fleetgrant_core::domain::{
    ActivationId, Cti, DeliveryState, DeviceId, DeviceNonce, SetKey, Timestamp,
};
use fleetgrant_core::outcome::{Answer, Deliveries, Outcome};
use fleetgrant_core::set::{CommittedSet, IssuedSet};

use super::device::Basis;
use super::{corrupt, memory, unsigned};
use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::prepared::Fix as _;
use crate::store::schema::grant_sets as table;

condition!(
    /// The delivery is pending, published or exhausted.
    IsUnsettled = "grant_sets.delivery_state <= 2 OR grant_sets.delivery_state = 4"
);

/// Sets a decision looks at, at most; a device that answers has two or three.
pub(super) const MAX_SETS: i64 = 64;

#[derive(Queryable, Selectable)]
#[diesel(table_name = table)]
struct Row {
    generation: i64,
    epoch: i64,
    cti: Octets<Cti>,
    activation_ids: Vec<u8>,
    nonce: Option<Octets<DeviceNonce>>,
    install_until_at: Micros,
    created_at: Micros,
}

/// From the last acknowledged on, ascending; nothing of what was for a board that was replaced.
pub(super) fn since_acknowledged(
    db: &mut Db,
    device: &Device,
) -> Result<Vec<CommittedSet>, StoreError> {
    let from = match device.acked {
        Some(acked) => acked.held.key.generation.get() as i64,
        None => device.replaced.get() as i64 + 1,
    };
    let mut rows: Vec<Row> = on!(db, c => table::table
        .filter(table::device_id.eq(device.id.as_str()))
        .filter(table::generation.ge(from))
        .order(table::generation.desc())
        .limit(MAX_SETS)
        .select(Row::as_select())
        .fixed()
        .load(c))?;
    rows.reverse();
    rows.into_iter().map(committed).collect()
}

fn committed(row: Row) -> Result<CommittedSet, StoreError> {
    let (ids, rest) = row.activation_ids.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(corrupt("activation_ids is no multiple of 16 bytes"));
    }
    Ok(CommittedSet {
        key: memory::set_key(
            unsigned("epoch", row.epoch)?,
            unsigned("generation", row.generation)?,
        )?,
        cti: row.cti.0,
        issued_at: row.created_at.0,
        install_until: row.install_until_at.0,
        nonce: row.nonce.map(|nonce| nonce.0),
        activations: ids.iter().copied().map(ActivationId).collect(),
    })
}

/// Writes the set that was issued, and what becomes of the deliveries of those before it.
pub(super) fn deliver(
    db: &mut Db,
    basis: &Basis,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    let device = &outcome.device.id;
    match outcome.deliveries {
        Deliveries::Unchanged => {}
        Deliveries::Superseded => {
            if let Some(latest) = basis.delivering {
                // What made a new set necessary may have been the word that it holds this one.
                let state = match outcome.device.acked_key() {
                    Some(acked) if latest <= acked => DeliveryState::Acknowledged,
                    _ => DeliveryState::Superseded,
                };
                settle(db, device, basis, state, now)?;
            }
        }
        Deliveries::Acknowledged => settle(db, device, basis, DeliveryState::Acknowledged, now)?,
        Deliveries::Revived => revive(db, &outcome.device, now)?,
    }
    if let Some(issued) = &outcome.issued {
        // What answers a request is sent by the conductor right after the commit, so the outbox
        // comes only after the first pause; what answers nothing is the outbox's from the start.
        // What is carried is pushed only to a device that was heard.
        let first = match outcome.answer {
            Answer::Grant => Some(issued.repeat_at),
            Answer::Carried => None,
            _ => Some(now),
        };
        insert(db, device, issued, first, now)?;
    }
    Ok(())
}

fn insert(
    db: &mut Db,
    device: &DeviceId,
    issued: &IssuedSet,
    first: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let set = &issued.set;
    let ids: Vec<u8> = set.activations.iter().flat_map(|id| id.0).collect();
    let is_sent = first.is_none_or(|first| first > now);
    let state = match first {
        Some(_) => DeliveryState::Published,
        None => DeliveryState::Exhausted,
    };
    let new = columns!(table {
        device_id: device.as_str(),
        generation: set.key.generation.get() as i64,
        epoch: i64::from(set.key.epoch.0),
        cti: Octets(set.cti),
        payload: &issued.payload[..],
        activation_ids: &ids[..],
        nonce: set.nonce.map(Octets),
        install_until_at: Micros(set.install_until),
        created_at: Micros(set.issued_at),
        // From the commit on it may be out there, whether or not a push succeeded.
        delivery_state: Code(state),
        attempts: i64::from(first.is_some_and(|first| first > now)),
        next_attempt_at: first.map(Micros),
        published_at: is_sent.then_some(Micros(now)),
    });
    on!(db, c => insert!(table::table, new).execute(c))?;
    Ok(())
}

/// Ends every delivery that is under way.
fn settle(
    db: &mut Db,
    device: &DeviceId,
    basis: &Basis,
    state: DeliveryState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let acknowledged = (state == DeliveryState::Acknowledged).then_some(Micros(now));
    let open = table::table
        .filter(table::device_id.eq(device.as_str()))
        .filter(table::generation.ge(basis.acknowledged))
        .filter(IsUnsettled);
    let changes = columns!(table {
        delivery_state: Code(state),
        next_attempt_at: None::<Micros>,
        leased_until_at: None::<Micros>,
        acknowledged_at: acknowledged,
    });
    on!(db, c => update!(open, changes).execute(c))?;
    Ok(())
}

fn revive(db: &mut Db, device: &Device, now: Timestamp) -> Result<(), StoreError> {
    let open = table::table
        .filter(table::device_id.eq(device.id.as_str()))
        .filter(table::generation.eq(device.generation.get() as i64))
        .filter(IsUnsettled);
    let changes = columns!(table {
        delivery_state: Code(DeliveryState::Published),
        attempts: 0_i64,
        next_attempt_at: Some(Micros(now)),
    });
    on!(db, c => update!(open, changes).execute(c))?;
    Ok(())
}

/// The exact payload of a set, to be signed.
pub fn payload_of(
    db: &mut Db,
    device: &DeviceId,
    key: SetKey,
) -> Result<Option<Vec<u8>>, StoreError> {
    let payload = on!(db, c => table::table
        .find((device.as_str(), key.generation.get() as i64))
        .filter(table::epoch.eq(i64::from(key.epoch.0)))
        .select(table::payload)
        .first(c)
        .optional())?;
    Ok(payload)
}

/// A set that is to be pushed now.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    /// To whom.
    pub device: DeviceId,
    /// Which set.
    pub key: SetKey,
    /// What is to be signed.
    pub payload: Vec<u8>,
    /// Pushes so far.
    pub attempts: u32,
    /// The last moment at which the device would install it.
    pub install_until: Timestamp,
}

/// Whether anything is to be pushed now.
pub fn has_due(db: &mut Db, now: Timestamp) -> Result<bool, StoreError> {
    let due = table::table
        .filter(table::next_attempt_at.le(Micros(now)))
        .filter(
            table::leased_until_at
                .is_null()
                .or(table::leased_until_at.le(Micros(now))),
        );
    Ok(on!(db, c => diesel::select(diesel::dsl::exists(due)).get_result(c))?)
}

/// Ends a delivery that needs no push any more.
pub fn close_delivery(db: &mut Db, device: &DeviceId, key: SetKey) -> Result<(), StoreError> {
    let row = table::table.find((device.as_str(), key.generation.get() as i64));
    on!(db, c => diesel::update(row)
        .set((
            table::delivery_state.eq(Code(DeliveryState::Superseded)),
            table::next_attempt_at.eq(None::<Micros>),
            table::leased_until_at.eq(None::<Micros>),
        ))
        .execute(c))?;
    Ok(())
}

/// Leases what is due, so that no other replica pushes it meanwhile.
pub fn due_deliveries(
    db: &mut Db,
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<Vec<DueDelivery>, StoreError> {
    type Due = (String, i64, i64, i64, Vec<u8>, Micros);
    let rows: Vec<Due> = on!(db, c => table::table
        .filter(table::next_attempt_at.le(Micros(now)))
        .filter(table::leased_until_at.is_null().or(table::leased_until_at.le(Micros(now))))
        .order(table::next_attempt_at.asc())
        .limit(limit)
        .select((
            table::device_id,
            table::generation,
            table::attempts,
            table::epoch,
            table::payload,
            table::install_until_at,
        ))
        .load(c))?;
    let mut due = Vec::with_capacity(rows.len());
    for (device, generation, attempts, epoch, payload, install_until) in rows {
        on!(db, c => diesel::update(table::table.find((&device, generation)))
            .set(table::leased_until_at.eq(Micros(lease_until)))
            .execute(c))?;
        due.push(DueDelivery {
            device: DeviceId::new(&device).map_err(corrupt)?,
            key: memory::set_key(
                unsigned("epoch", epoch)?,
                unsigned("generation", generation)?,
            )?,
            payload,
            attempts: unsigned("attempts", attempts)?,
            install_until: install_until.0,
        });
    }
    Ok(due)
}

/// Records a push, and when the next one is due; none: it is exhausted until the device is heard.
pub fn postpone(
    db: &mut Db,
    device: &DeviceId,
    key: SetKey,
    next: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let state = match next {
        Some(_) => DeliveryState::Published,
        None => DeliveryState::Exhausted,
    };
    on!(db, c => diesel::update(table::table)
        .filter(table::device_id.eq(device.as_str()))
        .filter(table::generation.eq(key.generation.get() as i64))
        // An acknowledgement may have overtaken the push.
        .filter(table::next_attempt_at.is_not_null())
        .set((
            table::delivery_state.eq(Code(state)),
            table::attempts.eq(table::attempts + 1),
            table::next_attempt_at.eq(next.map(Micros)),
            table::leased_until_at.eq(None::<Micros>),
            table::published_at.eq(Micros(now)),
        ))
        .execute(c))?;
    Ok(())
}
