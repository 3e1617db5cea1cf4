//! What is licensed.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::ProductId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::Named;
use super::value::{Id, When};
use super::{Api, word};
use crate::store::listing::{self, ProductFilter, ProductRow, ProductSort};
use crate::store::product::{self, Feature as FeatureRow, ProductFeature};
use crate::store::{Db, StoreError};

/// Which products.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProductQuery {
    /// The one of this code.
    code: Option<String>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::CatalogueState>,
    /// Those for devices of the product line of this name.
    product_line: Option<String>,
}

/// What is licensed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Product {
    pub(crate) id: Id,
    /// The maker's code for it.
    pub(crate) code: String,
    pub(crate) title: String,
    /// The product line it runs on; null for all.
    pub(crate) product_line: Option<String>,
    /// The product it takes the place of.
    pub(crate) replaces: Option<Id>,
    pub(crate) state: word::CatalogueState,
    pub(crate) created_at: When,
    pub(crate) changed_at: When,
}

/// A product and its features.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProductSheet {
    #[serde(flatten)]
    pub(crate) product: Product,
    pub(crate) features: Vec<Feature>,
}

/// A feature, as a product has it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Feature {
    /// The name on the wire.
    pub(crate) name: String,
    pub(crate) title: String,
    /// Never switched off by an expiry.
    pub(crate) essential: bool,
    /// The highest version it is on for.
    pub(crate) version_ceiling: Option<String>,
    /// Uses that each unit gives; null if they are not counted.
    pub(crate) use_count: Option<i64>,
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        Self {
            id: Id(row.id.0.0),
            code: row.code,
            title: row.title,
            product_line: row.product_line,
            replaces: row.replaces.map(|id| Id(id.0.0)),
            state: word::CatalogueState(row.state.0),
            created_at: When(row.created_at.0),
            changed_at: When(row.changed_at.0),
        }
    }
}

impl From<(FeatureRow, ProductFeature)> for Feature {
    fn from((feature, had): (FeatureRow, ProductFeature)) -> Self {
        Self {
            name: feature.name,
            title: feature.title,
            essential: feature.essential,
            version_ceiling: had.version_ceiling,
            use_count: had.use_count,
        }
    }
}

/// List products, the oldest first
#[utoipa::path(
    get, path = "/products", operation_id = "list_products", tag = "products",
    params(ProductQuery, PageParams::<ProductSort>),
    responses((status = OK, body = Page<Product>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<ProductQuery, ProductSort>,
) -> Result<Json<Page<Product>>, Problem> {
    let query = list.filter.clone();
    let filter = ProductFilter {
        id: None,
        code: query.code,
        state: query.state.map(|word| word.0),
        product_line: query.product_line,
        within: caller.within().line(),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::products(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show a product with its features
#[utoipa::path(
    get, path = "/products/{product}", operation_id = "show_product", tag = "products",
    params(("product" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = ProductSheet))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Json<ProductSheet>, Problem> {
    let id = ProductId(id.0);
    let filter = ProductFilter {
        id: Some(id),
        within: caller.within().line(),
        ..ProductFilter::default()
    };
    let answer = api.read(move |db| sheet(db, &filter)).await?;
    found(answer, "product", id).map(Json)
}

/// The first product that fits, and its features.
pub(crate) fn sheet(
    db: &mut Db,
    filter: &ProductFilter,
) -> Result<Option<ProductSheet>, StoreError> {
    let Some(row) = listing::products(db, filter, 1)?.pop() else {
        return Ok(None);
    };
    let features = product::features_of(db, row.id.0)?;
    Ok(Some(ProductSheet {
        product: row.into(),
        features: features.into_iter().map(Feature::from).collect(),
    }))
}
