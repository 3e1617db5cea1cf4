//! What is licensed.

use diesel::prelude::*;
use fleetgrant_core::domain::{CatalogueState, ProductId, ProductLineId};

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::Db;
use crate::store::error::StoreError;
use crate::store::listing::part::{Part, Place, Placed, sorts};
use crate::store::schema::{product_lines, products};

/// Which products.
#[derive(Clone, Debug, Default)]
pub struct ProductFilter {
    /// This one.
    pub id: Option<ProductId>,
    /// The one of this code.
    pub code: Option<String>,
    /// Those in this state.
    pub state: Option<CatalogueState>,
    /// Those for devices of the product line of this name.
    pub product_line: Option<String>,
    /// Those of this product line and those of all, which is all that the caller sees.
    pub within: Option<ProductLineId>,
    /// In which order, and which part.
    pub part: Part<ProductSort>,
}

sorts!(
    /// What products can be ordered by.
    pub ProductSort {
        Id = "id" [Octets "products.id"],
        Code = "code" [Text "products.code"],
        ChangedAt = "changed_at" [Number "products.changed_at", Octets "products.id"],
    }
);

/// A product.
#[derive(Clone, Debug, Queryable)]
pub struct ProductRow {
    /// Its id.
    pub id: Octets<ProductId>,
    /// The maker's code for it.
    pub code: String,
    /// What people call it.
    pub title: String,
    /// The product line it runs on; none for all.
    pub product_line: Option<String>,
    /// The product it takes the place of.
    pub replaces: Option<Octets<ProductId>>,
    /// Where it stands.
    pub state: Code<CatalogueState>,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub changed_at: Micros,
}

/// Up to `limit` products.
pub fn products(
    db: &mut Db,
    filter: &ProductFilter,
    limit: i64,
) -> Result<Vec<ProductRow>, StoreError> {
    Ok(on!(db, c => {
        let mut query = products::table
            .left_join(product_lines::table)
            .select((
                products::id,
                products::code,
                products::title,
                product_lines::name.nullable(),
                products::replaces_id,
                products::state,
                products::created_at,
                products::changed_at,
            ))
            .limit(limit)
            .into_boxed()
            .order(filter.part.order());
        if let Some(id) = filter.id {
            query = query.filter(products::id.eq(Octets(id)));
        }
        if let Some(code) = &filter.code {
            query = query.filter(products::code.eq(code));
        }
        if let Some(state) = filter.state {
            query = query.filter(products::state.eq(Code(state)));
        }
        if let Some(line) = &filter.product_line {
            query = query.filter(product_lines::name.eq(line));
        }
        if let Some(line) = filter.within {
            query = query.filter(
                products::product_line_id
                    .eq(Octets(line))
                    .or(products::product_line_id.is_null()),
            );
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

impl Placed for ProductRow {
    type By = ProductSort;

    fn place(&self, by: ProductSort) -> Place {
        match by {
            ProductSort::Id => [self.id.into()].into(),
            ProductSort::Code => [(&self.code).into()].into(),
            ProductSort::ChangedAt => [self.changed_at.into(), self.id.into()].into(),
        }
    }
}
