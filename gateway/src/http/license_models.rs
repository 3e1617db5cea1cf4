//! Licence models, which are data.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::LicenseModelId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::{List, Page, PageParams};
use super::problem::Problem;
use super::value::{Id, When};
use super::{Api, word};
use crate::store::StoreError;
use crate::store::column::Octets;
use crate::store::license_model::{self, LicenseModel as Row, ModelSort};
use crate::store::listing::{Place, Placed};

/// Which licence models.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ModelQuery {
    /// Those in this state.
    #[param(inline)]
    state: Option<word::CatalogueState>,
}

/// A licence model, by its rules as docs/imports.md tells of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LicenseModel {
    pub(crate) id: Id,
    /// The maker's name for it.
    pub(crate) code: String,
    /// Grows with each change; what was sold keeps the version it was sold under.
    pub(crate) version: u32,
    /// What devices are told.
    pub(crate) kind: word::LicenseModel,
    pub(crate) state: word::CatalogueState,
    /// none, given, either, or how long it runs if a sale says no other (ISO 8601).
    pub(crate) term: String,
    pub(crate) start_basis: word::StartBasis,
    pub(crate) renewal: word::Renewal,
    /// Seconds that a right goes on after its end.
    pub(crate) grace_seconds: u32,
    pub(crate) at_end: word::AtEnd,
    pub(crate) returns_credit: bool,
    pub(crate) rehost: bool,
    pub(crate) trial: word::Trial,
    pub(crate) metered: bool,
    pub(crate) counted: bool,
    /// Uses that each unit gives, where the product says no other number.
    pub(crate) uses: Option<u64>,
    pub(crate) uses_overdraft_percent: u16,
    pub(crate) created_at: When,
    pub(crate) changed_at: When,
}

impl LicenseModel {
    /// As it is shown.
    pub(crate) fn of(row: Row) -> Result<Self, StoreError> {
        let model = row.model()?;
        let (rules, sale) = (model.rules, model.sale);
        Ok(Self {
            id: Id(row.id.0.0),
            code: row.code,
            version: model.version,
            kind: word::LicenseModel(row.kind.0),
            state: word::CatalogueState(row.state.0),
            term: sale.term.to_string(),
            start_basis: word::StartBasis(sale.start_basis),
            renewal: word::Renewal(sale.renewal),
            grace_seconds: rules.grace,
            at_end: word::AtEnd(rules.at_end),
            returns_credit: rules.returns_credit,
            rehost: rules.rehost,
            trial: word::Trial(rules.trial),
            metered: rules.metered,
            counted: rules.counted,
            uses: rules.uses,
            uses_overdraft_percent: rules.uses_overdraft_percent,
            created_at: When(row.created_at.0),
            changed_at: When(row.changed_at.0),
        })
    }
}

impl Placed for LicenseModel {
    type By = ModelSort;

    fn place(&self, by: ModelSort) -> Place {
        match by {
            ModelSort::Id => [Octets(LicenseModelId(self.id.0)).into()].into(),
            ModelSort::Code => [(&self.code).into()].into(),
        }
    }
}

/// List licence models with their rules, the oldest first
#[utoipa::path(
    get, path = "/license-models", operation_id = "list_license_models", tag = "products",
    params(ModelQuery, PageParams::<ModelSort>),
    responses((status = OK, body = Page<LicenseModel>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    list: List<ModelQuery, ModelSort>,
) -> Result<Json<Page<LicenseModel>>, Problem> {
    let state = list.filter.state.map(|word| word.0);
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let rows = api
        .read(move |db| {
            let rows = license_model::all(db, state, &part, limit)?;
            rows.into_iter()
                .map(LicenseModel::of)
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(Json(list.page(rows)))
}
