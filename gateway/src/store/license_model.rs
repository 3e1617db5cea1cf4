//! Licence models: rules as data.

use diesel::prelude::*;
use fleetgrant_core::domain::{CatalogueState, LicenseModel as Kind, LicenseModelId};
use fleetgrant_core::license::Model;

use super::column::{Code, Micros, Octets};
use super::listing::part::{Part, Place, Placed, sorts};
use super::schema::license_models as table;
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table)]
pub struct LicenseModel {
    /// Its id.
    pub id: Octets<LicenseModelId>,
    /// The maker's name for it.
    pub code: String,
    /// The built-in model that devices are told.
    pub kind: Code<Kind>,
    /// [`Model`] in JSON.
    pub rules: String,
    /// Where it stands.
    pub state: Code<CatalogueState>,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
}

impl LicenseModel {
    /// Its rules.
    ///
    /// # Errors
    /// If the row is not what this version of the gateway would have written.
    pub fn model(&self) -> Result<Model, StoreError> {
        parse(self.kind.0, &self.rules)
    }
}

/// Reads rules as the tables hold them.
pub fn parse(kind: Kind, json: &str) -> Result<Model, StoreError> {
    let mut model: Model = serde_json::from_str(json).map_err(corrupt)?;
    model.rules.model = kind;
    Ok(model)
}

/// Rules as the tables hold them.
pub fn json(model: &Model) -> Result<String, StoreError> {
    serde_json::to_string(model).map_err(corrupt)
}

fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("rules of a licence model: {error}"))
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

sorts!(
    /// What models can be ordered by.
    pub ModelSort {
        Id = "id" [Octets "license_models.id"],
        Code = "code" [Text "license_models.code"],
    }
);

impl Placed for LicenseModel {
    type By = ModelSort;

    fn place(&self, by: ModelSort) -> Place {
        match by {
            ModelSort::Id => [self.id.into()].into(),
            ModelSort::Code => [(&self.code).into()].into(),
        }
    }
}

/// Up to `limit` models in a state, or any.
pub fn all(
    db: &mut Db,
    state: Option<CatalogueState>,
    part: &Part<ModelSort>,
    limit: i64,
) -> Result<Vec<LicenseModel>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .limit(limit)
            .select(LicenseModel::as_select())
            .into_boxed()
            .order(part.order());
        if let Some(state) = state {
            query = query.filter(table::state.eq(Code(state)));
        }
        if let Some(beyond) = part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// The codes of all models, by name.
pub fn codes(db: &mut Db) -> Result<Vec<String>, StoreError> {
    Ok(on!(db, c => table::table.order(table::code).select(table::code).load(c))?)
}

/// Adds a model.
pub fn insert(db: &mut Db, model: &LicenseModel) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(model).execute(c))?;
    Ok(())
}

/// Changes a model. What was sold keeps what it was sold under.
pub fn update(db: &mut Db, model: &LicenseModel) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table.find(model.id)).set(model).execute(c))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fleetgrant_core::license::shipped;

    use super::*;
    use crate::store::{SchemaPolicy, Store, StoreOptions};

    #[test]
    fn the_models_of_a_new_installation_are_the_shipped_ones() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let options = StoreOptions {
            schema: SchemaPolicy::Migrate,
            ..StoreOptions::default()
        };
        let store = Store::open(&url, options).unwrap();
        let stored = store
            .read_blocking("models", |db| all(db, None, &Part::default(), 100))
            .unwrap();
        let models: Vec<_> = stored.iter().map(|row| row.model().unwrap()).collect();
        assert_eq!(models, shipped());
        for (row, model) in stored.iter().zip(models) {
            assert_eq!(row.code, model.rules.model.as_str());
            assert_eq!(row.rules, json(&model).unwrap());
        }
    }
}
