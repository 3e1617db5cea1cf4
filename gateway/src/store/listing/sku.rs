//! What an ERP sells, and what one copy of each is worth.

use std::collections::HashMap;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use fleetgrant_core::domain::{CatalogueState, ProductLineId, SkuId, StartBasis};

use crate::store::column::{Code, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, sorts};
use crate::store::schema::{license_models, products, sku_contents, skus};
use crate::store::sku::Sku;

/// Which SKUs.
#[derive(Clone, Debug, Default)]
pub struct SkuFilter {
    /// The one of this part number.
    pub part_number: Option<String>,
    /// Those of which a copy gives the product of this code.
    pub product: Option<String>,
    /// Those of which a copy gives something under the licence model of this code: the product, if one
    /// is said too.
    pub model: Option<String>,
    /// Those in this state.
    pub state: Option<CatalogueState>,
    /// Those of products of this product line and of no other, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<SkuSort>,
}

sorts!(
    /// What SKUs can be ordered by.
    pub SkuSort {
        Id = "id" [Octets "skus.id"],
        PartNumber = "part_number" [Text "skus.part_number"],
        ChangedAt = "changed_at" [Number "skus.changed_at", Octets "skus.id"],
    }
);

/// A SKU, and what one copy gives.
#[derive(Clone, Debug)]
pub struct SkuRow {
    /// The SKU.
    pub sku: Sku,
    /// What one copy gives, by the code of the product.
    pub gives: Vec<GivenRow>,
}

/// A product that one copy of a SKU gives.
#[derive(Clone, Debug, Queryable)]
pub struct GivenRow {
    sku_id: Octets<SkuId>,
    /// The code of the product.
    pub product: String,
    /// The code of the licence model.
    pub model: String,
    /// How long it runs, as ISO 8601 writes it; none for ever.
    pub term: Option<String>,
    /// When the term starts.
    pub start_basis: Code<StartBasis>,
    /// Units that one copy gives.
    pub units_per_copy: i64,
}

/// Up to `limit` SKUs.
pub fn skus(db: &mut Db, filter: &SkuFilter, limit: i64) -> Result<Vec<SkuRow>, StoreError> {
    let found: Vec<Sku> = on!(db, c => {
        let mut query = skus::table
            .select(Sku::as_select())
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(part_number) = &filter.part_number {
            query = query.filter(skus::part_number.eq(part_number));
        }
        if let Some(state) = filter.state {
            query = query.filter(skus::state.eq(Code(state)));
        }
        let given = sku_contents::table
            .inner_join(products::table)
            .inner_join(license_models::table)
            .select(sku_contents::sku_id);
        let of_product = filter.product.as_ref().map(|code| products::code.eq(code));
        let of_model = filter.model.as_ref().map(|code| license_models::code.eq(code));
        query = match (of_product, of_model) {
            (Some(product), Some(model)) => {
                query.filter(skus::id.eq_any(given.filter(product.and(model))))
            }
            (Some(product), None) => query.filter(skus::id.eq_any(given.filter(product))),
            (None, Some(model)) => query.filter(skus::id.eq_any(given.filter(model))),
            (None, None) => query,
        };
        if let Some(line) = filter.within {
            let given = sku_contents::table
                .inner_join(products::table)
                .filter(sku_contents::sku_id.eq(skus::id));
            let of_others = given.filter(
                products::product_line_id
                    .is_null()
                    .or(products::product_line_id.ne(Octets(line))),
            );
            let own = given.filter(products::product_line_id.eq(Octets(line)));
            query = query.filter(exists(own)).filter(not(exists(of_others)));
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?;
    let mut given = given_by(db, &found)?;
    let rows = found.into_iter().map(|sku| SkuRow {
        gives: given.remove(&sku.id).unwrap_or_default(),
        sku,
    });
    Ok(rows.collect())
}

/// What one copy of each of these gives.
fn given_by(
    db: &mut Db,
    skus: &[Sku],
) -> Result<HashMap<Octets<SkuId>, Vec<GivenRow>>, StoreError> {
    let ids: Vec<_> = skus.iter().map(|sku| sku.id).collect();
    let found: Vec<GivenRow> = on!(db, c => sku_contents::table
        .inner_join(products::table)
        .inner_join(license_models::table)
        .filter(sku_contents::sku_id.eq_any(&ids))
        .order((products::code, license_models::code))
        .select((
            sku_contents::sku_id,
            products::code,
            license_models::code,
            sku_contents::term,
            sku_contents::start_basis,
            sku_contents::units_per_copy,
        ))
        .load(c))?;
    let mut given: HashMap<_, Vec<_>> = HashMap::new();
    for row in found {
        given.entry(row.sku_id).or_default().push(row);
    }
    Ok(given)
}

impl Placed for SkuRow {
    type By = SkuSort;

    fn place(&self, by: SkuSort) -> Place {
        let sku = &self.sku;
        match by {
            SkuSort::Id => [sku.id.into()].into(),
            SkuSort::PartNumber => [(&sku.part_number).into()].into(),
            SkuSort::ChangedAt => [sku.changed_at.into(), sku.id.into()].into(),
        }
    }
}
