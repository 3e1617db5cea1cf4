//! Devices that were built together.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use fleetgrant_core::domain::{
    BatchId, BatchState, KeyThumbprint, PartyId, ProductLineId, Timestamp,
};

use super::column::{Code, Micros, Octets};
use super::listing::part::{Part, Place, Placed, sorts};
use super::schema::{devices, factory_batches as table, grant_sets};
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

/// The batch that a manufacturer calls so.
pub fn by_reference(db: &mut Db, reference: &str) -> Result<Option<Batch>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::reference.eq(reference))
        .select(Batch::as_select())
        .first(c)
        .optional())?)
}

/// The batch of this id.
pub fn find(db: &mut Db, id: BatchId) -> Result<Option<Batch>, StoreError> {
    Ok(on!(db, c => table::table
        .find(Octets(id))
        .select(Batch::as_select())
        .first(c)
        .optional())?)
}

/// Who built a device, if it is of a batch.
pub fn manufacturer_of(db: &mut Db, device: &str) -> Result<Option<PartyId>, StoreError> {
    let found: Option<Option<Octets<PartyId>>> = on!(db, c => devices::table
        .inner_join(table::table.on(table::id.nullable().eq(devices::batch_id)))
        .filter(devices::id.eq(device))
        .select(table::manufacturer_id)
        .first(c)
        .optional())?;
    Ok(found.flatten().map(|party| party.0))
}

sorts!(
    /// What batches can be ordered by.
    pub BatchSort {
        Id = "id" [Octets "factory_batches.id"],
        Reference = "reference" [Text "factory_batches.reference"],
    }
);

impl Placed for Batch {
    type By = BatchSort;

    fn place(&self, by: BatchSort) -> Place {
        match by {
            BatchSort::Id => [self.id.into()].into(),
            BatchSort::Reference => [(&self.reference).into()].into(),
        }
    }
}

/// Which batches.
#[derive(Clone, Debug, Default)]
pub struct BatchFilter {
    /// This one.
    pub id: Option<BatchId>,
    /// The one that a manifest calls so.
    pub reference: Option<String>,
    /// Those of this manufacturer.
    pub manufacturer: Option<PartyId>,
    /// Those of devices of this product line and of no other, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<BatchSort>,
}

/// Up to `limit` batches.
pub fn list(db: &mut Db, filter: &BatchFilter, limit: i64) -> Result<Vec<Batch>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .select(Batch::as_select())
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(table::id.eq(Octets(id)));
        }
        if let Some(reference) = &filter.reference {
            query = query.filter(table::reference.eq(reference));
        }
        if let Some(manufacturer) = filter.manufacturer {
            query = query.filter(table::manufacturer_id.eq(Octets(manufacturer)));
        }
        if let Some(line) = filter.within {
            let built = devices::table.filter(devices::batch_id.eq(table::id.nullable()));
            query = query
                .filter(exists(built.filter(devices::product_line_id.eq(Octets(line)))))
                .filter(not(exists(built.filter(devices::product_line_id.ne(Octets(line))))));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// A device of a batch, as far as its factory grant depends on it.
#[derive(Clone, Debug, Queryable)]
pub struct Unit {
    /// Its id.
    pub id: String,
    /// The identity in its certificate.
    pub serial: String,
    /// The key that the manifest names.
    pub key: Option<Octets<KeyThumbprint>>,
    /// Its first set, if that was made without its asking: the payload that is signed.
    pub made: Option<Vec<u8>>,
    /// The last moment at which that can be installed.
    pub install_until: Option<Micros>,
}

/// Up to `limit` devices of a batch after an id, by id.
pub fn units(
    db: &mut Db,
    batch: Octets<BatchId>,
    after: &str,
    limit: i64,
) -> Result<Vec<Unit>, StoreError> {
    Ok(on!(db, c => devices::table
        .left_join(grant_sets::table.on(
            grant_sets::device_id.eq(devices::id)
                .and(grant_sets::generation.eq(1))
                .and(grant_sets::nonce.is_null()),
        ))
        .filter(devices::batch_id.eq(batch))
        .filter(devices::id.gt(after))
        .order(devices::id)
        .limit(limit)
        .select((
            devices::id,
            devices::serial,
            devices::expected_key,
            grant_sets::payload.nullable(),
            grant_sets::install_until_at.nullable(),
        ))
        .load(c))?)
}
