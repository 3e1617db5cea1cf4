//! Products, their features, and which has which.

use std::collections::BTreeSet;

use diesel::prelude::*;
use fleetgrant_core::domain::{CatalogueState, FeatureId, ProductId, ProductLineId};

use super::column::{Code, Micros, Octets};
use super::schema::{features, product_features, product_requirements, products};
use super::{Db, StoreError};

/// What is licensed.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = products, treat_none_as_null = true)]
pub struct Product {
    /// Its id.
    pub id: Octets<ProductId>,
    /// The maker's code for it.
    pub code: String,
    /// What people call it.
    pub title: String,
    /// The devices it runs on; none for all.
    pub product_line_id: Option<Octets<ProductLineId>>,
    /// The product it takes the place of.
    pub replaces_id: Option<Octets<ProductId>>,
    /// Where it stands.
    pub state: Code<CatalogueState>,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
}

/// What firmware asks for.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = features)]
pub struct Feature {
    /// Its id.
    pub id: Octets<FeatureId>,
    /// The name on the wire.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Never switched off by an expiry.
    pub essential: bool,
    /// Where it stands.
    pub state: Code<CatalogueState>,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
}

/// A feature of a product.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = product_features, primary_key(product_id, feature_id), treat_none_as_null = true)]
pub struct ProductFeature {
    /// Of which product.
    pub product_id: Octets<ProductId>,
    /// Which feature.
    pub feature_id: Octets<FeatureId>,
    /// The highest version it is on for.
    pub version_ceiling: Option<String>,
    /// Uses that each unit gives; none if they are not counted.
    pub use_count: Option<i64>,
    /// What the maker hands to the firmware.
    pub vendor_data: Option<Vec<u8>>,
}

/// The product of this code.
pub fn by_code(db: &mut Db, code: &str) -> Result<Option<Product>, StoreError> {
    Ok(on!(db, c => products::table
        .filter(products::code.eq(code))
        .select(Product::as_select())
        .first(c)
        .optional())?)
}

/// The product of this id.
pub fn find(db: &mut Db, id: ProductId) -> Result<Option<Product>, StoreError> {
    Ok(on!(db, c => products::table
        .find(Octets(id))
        .select(Product::as_select())
        .first(c)
        .optional())?)
}

/// Generations of a product that are looked at; no import makes a longer line.
const MAX_LINE: usize = 1_000;

/// Whether a product takes the place of another, at whatever remove.
pub fn replaces(
    db: &mut Db,
    product: &Product,
    other: Octets<ProductId>,
) -> Result<bool, StoreError> {
    let mut replaced = product.replaces_id;
    for _ in 0..MAX_LINE {
        let Some(next) = replaced else {
            return Ok(false);
        };
        if next == other {
            return Ok(true);
        }
        replaced = find(db, next.0)?.and_then(|product| product.replaces_id);
    }
    // So long a line is taken for a circle.
    Ok(true)
}

/// Products that a product is an addition to: all of these are required.
pub fn requirements_of(
    db: &mut Db,
    product: ProductId,
) -> Result<Vec<Octets<ProductId>>, StoreError> {
    Ok(on!(db, c => product_requirements::table
        .filter(product_requirements::product_id.eq(Octets(product)))
        .order(product_requirements::requires_id)
        .select(product_requirements::requires_id)
        .load(c))?)
}

/// Whether a product is an addition to another, at whatever remove.
pub fn requires(
    db: &mut Db,
    product: Octets<ProductId>,
    other: Octets<ProductId>,
) -> Result<bool, StoreError> {
    let (mut seen, mut next) = (BTreeSet::from([product]), vec![product]);
    while let Some(product) = next.pop() {
        for required in requirements_of(db, product.0)? {
            if required == other {
                return Ok(true);
            }
            if seen.insert(required) {
                next.push(required);
            }
        }
    }
    Ok(false)
}

/// Makes a product an addition to these, and to no others.
pub fn set_requirements(
    db: &mut Db,
    product: Octets<ProductId>,
    required: &[Octets<ProductId>],
) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(product_requirements::table)
        .filter(product_requirements::product_id.eq(product))
        .execute(c))?;
    for required in required {
        let link = (
            product_requirements::product_id.eq(product),
            product_requirements::requires_id.eq(*required),
        );
        on!(db, c => diesel::insert_into(product_requirements::table)
            .values(link)
            .execute(c))?;
    }
    Ok(())
}

/// What will do where a product is required: itself, and what takes its place at whatever remove.
pub fn successors(db: &mut Db, product: Octets<ProductId>) -> Result<Vec<ProductId>, StoreError> {
    let (mut found, mut next) = (BTreeSet::from([product]), vec![product]);
    while let Some(product) = next.pop() {
        let newer: Vec<Octets<ProductId>> = on!(db, c => products::table
            .filter(products::replaces_id.eq(product))
            .select(products::id)
            .load(c))?;
        next.extend(newer.into_iter().filter(|newer| found.insert(*newer)));
    }
    Ok(found.into_iter().map(|product| product.0).collect())
}

/// The feature of this name.
pub fn feature_by_name(db: &mut Db, name: &str) -> Result<Option<Feature>, StoreError> {
    Ok(on!(db, c => features::table
        .filter(features::name.eq(name))
        .select(Feature::as_select())
        .first(c)
        .optional())?)
}

/// Whether, and how, a product has a feature.
pub fn product_feature(
    db: &mut Db,
    product: Octets<ProductId>,
    feature: Octets<FeatureId>,
) -> Result<Option<ProductFeature>, StoreError> {
    Ok(on!(db, c => product_features::table
        .find((product, feature))
        .select(ProductFeature::as_select())
        .first(c)
        .optional())?)
}

/// The features of a product, by name.
pub fn features_of(
    db: &mut Db,
    product: ProductId,
) -> Result<Vec<(Feature, ProductFeature)>, StoreError> {
    Ok(on!(db, c => product_features::table
        .inner_join(features::table)
        .filter(product_features::product_id.eq(Octets(product)))
        .order(features::name)
        .select((Feature::as_select(), ProductFeature::as_select()))
        .load(c))?)
}

/// Adds a product.
pub fn insert(db: &mut Db, product: &Product) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(products::table).values(product).execute(c))?;
    Ok(())
}

/// Changes a product.
pub fn update(db: &mut Db, product: &Product) -> Result<(), StoreError> {
    on!(db, c => diesel::update(products::table.find(product.id)).set(product).execute(c))?;
    Ok(())
}

/// Adds a feature.
pub fn insert_feature(db: &mut Db, feature: &Feature) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(features::table).values(feature).execute(c))?;
    Ok(())
}

/// Changes a feature.
pub fn update_feature(db: &mut Db, feature: &Feature) -> Result<(), StoreError> {
    on!(db, c => diesel::update(features::table.find(feature.id)).set(feature).execute(c))?;
    Ok(())
}

/// Gives a product a feature, or changes how it has it.
pub fn put_product_feature(db: &mut Db, link: &ProductFeature) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(product_features::table)
        .values(link)
        .on_conflict((product_features::product_id, product_features::feature_id))
        .do_update()
        .set(link)
        .execute(c))?;
    Ok(())
}
