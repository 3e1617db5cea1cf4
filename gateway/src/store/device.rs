//! Devices: who they are, and what others say of them.

use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use fleetgrant_core::domain::{
    BatchId, DeviceState, OrderLineId, PartyId, ProductLineId, Purpose, StorageClass, Timestamp,
};
use fleetgrant_schemas::id::KeyThumbprint;

use super::column::{Code, Micros, Octets};
use super::schema::{activations, devices as table};
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, treat_none_as_null = true)]
pub struct Device {
    /// Its id, as the topic bears it.
    pub id: String,
    /// Its kind.
    pub product_line_id: Octets<ProductLineId>,
    /// The identity in its certificate.
    pub serial: String,
    /// Where it stands.
    pub state: Code<DeviceState>,
    /// What it is for.
    pub purpose: Code<Purpose>,
    /// Whether a factory manifest names it.
    pub on_manifest: bool,
    /// Its hardware model, of the manifest.
    pub hwmodel: Option<Vec<u8>>,
    /// How well its storage resists being set back, of the manifest.
    pub storage_class: Code<StorageClass>,
    /// The key it must have, of the manifest.
    pub expected_key: Option<Octets<KeyThumbprint>>,
    /// The devices it was built with.
    pub batch_id: Option<Octets<BatchId>>,
    /// Who owns it.
    pub owner_id: Option<Octets<PartyId>>,
    /// The order line it was made for.
    pub order_line_id: Option<Octets<OrderLineId>>,
    /// Where it stands, for people.
    pub site: Option<String>,
    /// When it was first heard of.
    pub created_at: Micros,
    /// When it last changed, conversations aside.
    pub changed_at: Micros,
    /// When it was pinned to its key.
    pub admitted_at: Option<Micros>,
}

impl Device {
    /// A device that nothing is known of but who it is.
    #[must_use]
    pub fn new(
        id: String,
        product_line: Octets<ProductLineId>,
        serial: String,
        state: DeviceState,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            product_line_id: product_line,
            serial,
            state: Code(state),
            purpose: Code(Purpose::Production),
            on_manifest: false,
            hwmodel: None,
            storage_class: Code(StorageClass::Unprotected),
            expected_key: None,
            batch_id: None,
            owner_id: None,
            order_line_id: None,
            site: None,
            created_at: Micros(now),
            changed_at: Micros(now),
            admitted_at: None,
        }
    }
}

/// The device of this id.
pub fn find(db: &mut Db, id: &str) -> Result<Option<Device>, StoreError> {
    Ok(on!(db, c => table::table
        .find(id)
        .select(Device::as_select())
        .first(c)
        .optional())?)
}

/// The device of this serial number.
pub fn by_serial(
    db: &mut Db,
    line: Octets<ProductLineId>,
    serial: &str,
) -> Result<Option<Device>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::product_line_id.eq(line))
        .filter(table::serial.eq(serial))
        .select(Device::as_select())
        .first(c)
        .optional())?)
}

/// Up to `limit` devices after an id, by id; all states, or one.
pub fn after(
    db: &mut Db,
    id: &str,
    state: Option<DeviceState>,
    limit: i64,
) -> Result<Vec<Device>, StoreError> {
    Ok(on!(db, c => {
        let rows = table::table
            .filter(table::id.gt(id))
            .order(table::id)
            .limit(limit)
            .select(Device::as_select());
        match state {
            Some(state) => rows.filter(table::state.eq(Code(state))).load(c),
            None => rows.load(c),
        }
    })?)
}

/// Whether activations on a device hold units.
pub fn holds_units(db: &mut Db, id: &str) -> Result<bool, StoreError> {
    Ok(on!(db, c => diesel::select(exists(activations::table
        .filter(activations::device_id.eq(id))
        // Literal, so that the partial index serves.
        .filter(sql::<Bool>("state <= 6"))))
    .get_result(c))?)
}

/// Adds a device.
pub fn insert(db: &mut Db, device: &Device) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(device).execute(c))?;
    Ok(())
}

/// Changes a device.
pub fn update(db: &mut Db, device: &Device) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table.find(&device.id)).set(device).execute(c))?;
    Ok(())
}
