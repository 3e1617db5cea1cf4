//! Licence models: rules as data.

use diesel::prelude::*;
use fleetgrant_core::domain::{CatalogueState, LicenseModel as Kind, LicenseModelId};
use serde::{Deserialize, Serialize};

use super::column::{Code, Micros, Octets};
use super::schema::license_models as table;
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct LicenseModel {
    /// Its id.
    pub id: Octets<LicenseModelId>,
    /// The maker's name for it.
    pub code: String,
    /// The built-in model that devices are told.
    pub kind: Code<Kind>,
    /// [`Rules`] in JSON.
    pub rules: String,
    /// Where it stands.
    pub state: Code<CatalogueState>,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
}

/// How a licence model behaves. An entitlement keeps the rules it was sold under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Seconds an activation goes on after its end.
    pub grace_seconds: u32,
    /// Whether a device may give it back, and so free the unit.
    pub returns_credit: bool,
}

impl LicenseModel {
    /// Its rules.
    pub fn rules(&self) -> Result<Rules, StoreError> {
        Rules::parse(&self.rules)
    }
}

impl Rules {
    /// Reads rules as the tables hold them.
    pub fn parse(json: &str) -> Result<Self, StoreError> {
        serde_json::from_str(json)
            .map_err(|error| StoreError::Corrupt(format!("rules of a licence model: {error}")))
    }
}

/// The model of this code.
pub fn by_code(db: &mut Db, code: &str) -> Result<Option<LicenseModel>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::code.eq(code))
        .select(LicenseModel::as_select())
        .first(c)
        .optional())?)
}

/// The model of this id.
pub fn find(db: &mut Db, id: Octets<LicenseModelId>) -> Result<LicenseModel, StoreError> {
    Ok(on!(db, c => table::table.find(id).select(LicenseModel::as_select()).first(c))?)
}
