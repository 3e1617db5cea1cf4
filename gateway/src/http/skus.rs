//! What an ERP sells, and what one copy of each is worth.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::Problem;
use super::value::{Id, When};
use super::{Api, word};
use crate::store::listing::{self, GivenRow, SkuFilter, SkuRow, SkuSort};

/// Which SKUs.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SkuQuery {
    /// The one of this part number.
    part_number: Option<String>,
    /// Those of which a copy gives the product of this code.
    product: Option<String>,
    /// Those of which a copy gives something under the licence model of this code: the product, if one
    /// is said too.
    model: Option<String>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::CatalogueState>,
}

/// What an ERP sells under a part number.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Sku {
    pub(crate) id: Id,
    /// As the ERP writes it.
    pub(crate) part_number: String,
    pub(crate) title: String,
    pub(crate) state: word::CatalogueState,
    /// What one copy gives, by the code of the product.
    pub(crate) gives: Vec<Given>,
    pub(crate) created_at: When,
    pub(crate) changed_at: When,
}

/// A product that one copy of a SKU gives.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Given {
    /// The code of the product.
    pub(crate) product: String,
    /// The code of the licence model.
    pub(crate) model: String,
    /// How long it runs, as ISO 8601 writes it; null for ever.
    pub(crate) term: Option<String>,
    /// When the term starts.
    pub(crate) start_basis: word::StartBasis,
    pub(crate) units_per_copy: i64,
}

impl From<SkuRow> for Sku {
    fn from(row: SkuRow) -> Self {
        let SkuRow { sku, gives } = row;
        Self {
            id: Id(sku.id.0.0),
            part_number: sku.part_number,
            title: sku.title,
            state: word::CatalogueState(sku.state.0),
            gives: gives.into_iter().map(Given::from).collect(),
            created_at: When(sku.created_at.0),
            changed_at: When(sku.changed_at.0),
        }
    }
}

impl From<GivenRow> for Given {
    fn from(row: GivenRow) -> Self {
        Self {
            product: row.product,
            model: row.model,
            term: row.term,
            start_basis: word::StartBasis(row.start_basis.0),
            units_per_copy: row.units_per_copy,
        }
    }
}

/// List SKUs with what one copy of each gives, the oldest first
#[utoipa::path(
    get, path = "/skus", operation_id = "list_skus", tag = "products",
    params(SkuQuery, PageParams::<SkuSort>),
    responses((status = OK, body = Page<Sku>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<SkuQuery, SkuSort>,
) -> Result<Json<Page<Sku>>, Problem> {
    let query = list.filter.clone();
    let filter = SkuFilter {
        part_number: query.part_number,
        product: query.product,
        model: query.model,
        state: query.state.map(|word| word.0),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::skus(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}
