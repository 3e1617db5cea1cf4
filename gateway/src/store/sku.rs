//! SKUs, and what one copy of each is worth.

use diesel::prelude::*;
use fleetgrant_core::domain::{
    CatalogueState, LicenseModelId, ProductId, ProductLineId, SkuId, StartBasis,
};

use super::column::{Code, Micros, Octets};
use super::schema::{products, sku_contents, skus};
use super::{Db, StoreError};

/// The ERP's part number.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = skus)]
pub struct Sku {
    /// Its id.
    pub id: Octets<SkuId>,
    /// As the ERP writes it.
    pub part_number: String,
    /// What people call it.
    pub title: String,
    /// Where it stands.
    pub state: Code<CatalogueState>,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
}

/// One product that a copy of a SKU gives.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(
    table_name = sku_contents,
    primary_key(sku_id, product_id, license_model_id),
    treat_none_as_null = true
)]
pub struct SkuContent {
    /// Of which SKU.
    pub sku_id: Octets<SkuId>,
    /// Which product.
    pub product_id: Octets<ProductId>,
    /// Under which model.
    pub license_model_id: Octets<LicenseModelId>,
    /// How long it runs, as ISO 8601 writes it (`P1Y`); none for ever.
    pub term: Option<String>,
    /// When the term starts.
    pub start_basis: Code<StartBasis>,
    /// Units that one copy gives.
    pub units_per_copy: i64,
}

/// The SKU of this part number.
pub fn by_part_number(db: &mut Db, part_number: &str) -> Result<Option<Sku>, StoreError> {
    Ok(on!(db, c => skus::table
        .filter(skus::part_number.eq(part_number))
        .select(Sku::as_select())
        .first(c)
        .optional())?)
}

/// The part number of a SKU.
pub fn part_number(db: &mut Db, sku: Octets<SkuId>) -> Result<String, StoreError> {
    Ok(on!(db, c => skus::table.find(sku).select(skus::part_number).first(c))?)
}

/// Whether a SKU stands for products of this line, and for nothing else.
pub fn is_of_line(
    db: &mut Db,
    sku: Octets<SkuId>,
    line: ProductLineId,
) -> Result<bool, StoreError> {
    let lines: Vec<Option<Octets<ProductLineId>>> = on!(db, c => sku_contents::table
        .inner_join(products::table.on(products::id.eq(sku_contents::product_id)))
        .filter(sku_contents::sku_id.eq(sku))
        .select(products::product_line_id)
        .distinct()
        .load(c))?;
    Ok(lines == [Some(Octets(line))])
}

/// What one copy gives.
pub fn contents(db: &mut Db, sku: Octets<SkuId>) -> Result<Vec<SkuContent>, StoreError> {
    Ok(on!(db, c => sku_contents::table
        .filter(sku_contents::sku_id.eq(sku))
        .order((sku_contents::product_id, sku_contents::license_model_id))
        .select(SkuContent::as_select())
        .load(c))?)
}

/// Whether a copy gives this product under this model.
pub fn content(
    db: &mut Db,
    sku: Octets<SkuId>,
    product: Octets<ProductId>,
    model: Octets<LicenseModelId>,
) -> Result<Option<SkuContent>, StoreError> {
    Ok(on!(db, c => sku_contents::table
        .find((sku, product, model))
        .select(SkuContent::as_select())
        .first(c)
        .optional())?)
}

/// Adds a SKU.
pub fn insert(db: &mut Db, sku: &Sku) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(skus::table).values(sku).execute(c))?;
    Ok(())
}

/// Changes a SKU.
pub fn update(db: &mut Db, sku: &Sku) -> Result<(), StoreError> {
    on!(db, c => diesel::update(skus::table.find(sku.id)).set(sku).execute(c))?;
    Ok(())
}

/// Puts a product into a SKU, or changes how much of it a copy gives. What was sold stays.
pub fn put_content(db: &mut Db, content: &SkuContent) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(sku_contents::table)
        .values(content)
        .on_conflict((
            sku_contents::sku_id,
            sku_contents::product_id,
            sku_contents::license_model_id,
        ))
        .do_update()
        .set(content)
        .execute(c))?;
    Ok(())
}
