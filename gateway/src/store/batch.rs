//! Devices that were built together.

use diesel::prelude::*;
use fleetgrant_core::domain::{BatchId, BatchState, PartyId, Timestamp};

use super::column::{Code, Micros, Octets};
use super::schema::factory_batches as table;
use super::{Db, StoreError, id};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct Batch {
    /// Its id.
    pub id: Octets<BatchId>,
    /// What the manufacturer calls it.
    pub reference: String,
    /// Who built it.
    pub manufacturer_id: Option<Octets<PartyId>>,
    /// Where it stands.
    pub state: Code<BatchState>,
    /// When it was first heard of.
    pub created_at: Micros,
}

/// The batch of this reference, made if it is missing.
pub fn ensure(
    db: &mut Db,
    reference: &str,
    manufacturer: Option<Octets<PartyId>>,
    now: Timestamp,
) -> Result<Octets<BatchId>, StoreError> {
    let known = on!(db, c => table::table
        .filter(table::reference.eq(reference))
        .select(table::id)
        .first(c)
        .optional())?;
    if let Some(id) = known {
        return Ok(id);
    }
    let batch = Batch {
        id: id::fresh(now),
        reference: reference.to_owned(),
        manufacturer_id: manufacturer,
        state: Code(BatchState::Open),
        created_at: Micros(now),
    };
    on!(db, c => diesel::insert_into(table::table).values(&batch).execute(c))?;
    Ok(batch.id)
}
