//! Devices, and what else is known of one.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    CredentialState, DeviceId, DeviceState, KeyLoss, KeyThumbprint, PartyId, ProductLineId,
    Purpose, StorageClass,
};

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, Unsortable, sorts};
use crate::store::schema::{conversations, credentials, devices, parties, product_lines};

/// Which devices.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// This one.
    pub id: Option<DeviceId>,
    /// Those in this state.
    pub state: Option<DeviceState>,
    /// Those of these owners.
    pub owners: Option<Vec<PartyId>>,
    /// Those of the product line of this name.
    pub product_line: Option<String>,
    /// The one whose key this is, or was.
    pub key: Option<KeyThumbprint>,
    /// Those of this product line, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<DeviceSort>,
}

sorts!(
    /// What devices can be ordered by.
    pub DeviceSort {
        Id = "id" [Text "devices.id"],
        Serial = "serial" [Text "devices.serial", Text "devices.id"],
        State = "state" [Number "devices.state", Text "devices.id"],
        CreatedAt = "created_at" [Number "devices.created_at", Text "devices.id"],
    }
);

impl DeviceFilter {
    /// Whether its rows can come in the order that is asked for.
    ///
    /// # Errors
    /// They would have to be sorted, and may be many.
    pub fn check(&self) -> Result<(), Unsortable> {
        if self.id.is_some() || self.key.is_some() || self.owners.is_some() {
            return Ok(());
        }
        self.part.check(&[
            ("state", self.state.is_some()),
            (
                "product_line",
                self.product_line.is_some() || self.within.is_some(),
            ),
        ])
    }
}

/// A device, and how it stands.
#[derive(Clone, Debug, Queryable)]
pub struct DeviceRow {
    /// Its id.
    pub id: String,
    /// The identity in its certificate.
    pub serial: String,
    /// The name of its product line.
    pub product_line: String,
    /// Where it stands.
    pub state: Code<DeviceState>,
    /// Why it has no key any more.
    pub key_loss: Option<Code<KeyLoss>>,
    /// The only key that is taken from it as its first, or its next.
    pub expected_key: Option<Octets<KeyThumbprint>>,
    /// The id of its owner.
    pub owner_id: Option<Octets<PartyId>>,
    /// The name of its owner.
    pub owner: Option<String>,
    /// Where people say it is.
    pub site: Option<String>,
    /// What it is for.
    pub purpose: Code<Purpose>,
    /// How well its storage resists being set back.
    pub storage_class: Code<StorageClass>,
    /// The firmware it says it runs.
    pub software_name: Option<String>,
    /// Its version.
    pub software_version: Option<String>,
    /// The generation it should have.
    pub generation: Option<i64>,
    /// The generation it has signed for.
    pub acked_generation: Option<i64>,
    /// Whether new rights are frozen, on suspicion of a clone.
    pub frozen: Option<bool>,
    /// First authenticated request.
    pub first_contact_at: Option<Micros>,
    /// Latest authenticated message.
    pub last_contact_at: Option<Micros>,
    /// When it was pinned to its key.
    pub admitted_at: Option<Micros>,
    /// When it was first told of.
    pub created_at: Micros,
}

/// Up to `limit` devices.
pub fn devices(
    db: &mut Db,
    filter: &DeviceFilter,
    limit: i64,
) -> Result<Vec<DeviceRow>, StoreError> {
    Ok(on!(db, c => {
        let mut query = devices::table
            .inner_join(product_lines::table)
            .left_join(parties::table)
            .left_join(conversations::table)
            .select((
                devices::id,
                devices::serial,
                product_lines::name,
                devices::state,
                devices::key_loss,
                devices::expected_key,
                parties::id.nullable(),
                parties::name.nullable(),
                devices::site,
                devices::purpose,
                devices::storage_class,
                devices::software_name,
                devices::software_version,
                conversations::generation.nullable(),
                conversations::acked_generation.nullable(),
                conversations::frozen.nullable(),
                conversations::first_contact_at.nullable(),
                conversations::last_contact_at.nullable(),
                devices::admitted_at,
                devices::created_at,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = &filter.id {
            query = query.filter(devices::id.eq(id.as_str()));
        }
        if let Some(state) = filter.state {
            query = query.filter(devices::state.eq(Code(state)));
        }
        if let Some(owners) = &filter.owners {
            let owners: Vec<_> = owners.iter().copied().map(Octets).collect();
            query = query.filter(devices::owner_id.eq_any(owners));
        }
        if let Some(key) = filter.key {
            query = query.filter(devices::id.eq_any(
                credentials::table
                    .filter(credentials::key_thumbprint.eq(Octets(key)))
                    .select(credentials::device_id),
            ));
        }
        if let Some(line) = &filter.product_line {
            query = query.filter(product_lines::name.eq(line));
        }
        if let Some(line) = filter.within {
            query = query.filter(devices::product_line_id.eq(Octets(line)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// A key of a device.
#[derive(Clone, Debug, Queryable)]
pub struct CredentialRow {
    /// Its thumbprint (RFC 9679).
    pub key: Octets<KeyThumbprint>,
    /// Where it stands.
    pub state: Code<CredentialState>,
    /// The trust anchor that vouched for it.
    pub anchor: String,
    /// The end of its certificate.
    pub not_after: Micros,
    /// When it was recorded.
    pub created_at: Micros,
}

/// The keys of a device, the latest first.
pub fn credentials(db: &mut Db, device: &DeviceId) -> Result<Vec<CredentialRow>, StoreError> {
    Ok(on!(db, c => credentials::table
        .filter(credentials::device_id.eq(device.as_str()))
        .order(credentials::created_at.desc())
        .select((
            credentials::key_thumbprint,
            credentials::state,
            credentials::anchor,
            credentials::not_after_at,
            credentials::created_at,
        ))
        .load(c))?)
}

impl Placed for DeviceRow {
    type By = DeviceSort;

    fn place(&self, by: DeviceSort) -> Place {
        match by {
            DeviceSort::Id => [(&self.id).into()].into(),
            DeviceSort::Serial => [(&self.serial).into(), (&self.id).into()].into(),
            DeviceSort::State => [self.state.into(), (&self.id).into()].into(),
            DeviceSort::CreatedAt => [self.created_at.into(), (&self.id).into()].into(),
        }
    }
}
