//! Units of entitlements on devices.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{ActivationId, EntitlementId, PartyId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::parties::PartyRef;
use super::problem::{Problem, found};
use super::query::{self, Named};
use super::value::{Id, When};
use super::within::Thing;
use super::{Api, word};
use crate::store::listing::{self, ActivationFilter, ActivationRow, ActivationSort};
use crate::store::{Db, StoreError};

/// Which activations.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ActivationQuery {
    /// Those on this device.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    device: Option<String>,
    /// Those of this entitlement: its id.
    #[param(inline)]
    entitlement: Option<Id>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::ActivationState>,
    /// Those of entitlements of this owner: its id.
    #[param(inline)]
    owner: Option<Id>,
}

/// Units of an entitlement on a device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Activation {
    pub(crate) id: Id,
    /// The id of the device.
    pub(crate) device: String,
    pub(crate) entitlement: Id,
    /// What a system calls the entitlement.
    pub(crate) entitlement_reference: String,
    /// The code of the product.
    pub(crate) product: String,
    /// Who owns the entitlement.
    pub(crate) owner: Option<PartyRef>,
    pub(crate) license_model: word::LicenseModel,
    pub(crate) units: i64,
    pub(crate) state: word::ActivationState,
    /// Why it was or is being removed.
    pub(crate) removal_reason: Option<word::RemovalReason>,
    pub(crate) kind: word::ActivationKind,
    pub(crate) origin: word::Origin,
    pub(crate) starts_at: Option<When>,
    pub(crate) ends_at: Option<When>,
    /// Uses in total.
    pub(crate) usage: i64,
    pub(crate) created_at: When,
    /// When the device's word that it is in was recorded.
    pub(crate) activated_at: Option<When>,
    /// When it ceased to hold its units.
    pub(crate) ended_at: Option<When>,
}

impl From<ActivationRow> for Activation {
    fn from(row: ActivationRow) -> Self {
        Self {
            id: Id(row.id.0.0),
            device: row.device,
            entitlement: Id(row.entitlement_id.0.0),
            entitlement_reference: row.entitlement,
            product: row.product,
            owner: PartyRef::of(row.owner_id, row.owner),
            license_model: word::LicenseModel(row.model.0),
            units: row.units,
            state: word::ActivationState(row.state.0),
            removal_reason: row
                .removal_reason
                .map(|reason| word::RemovalReason(reason.0)),
            kind: word::ActivationKind(row.kind.0),
            origin: word::Origin(row.origin.0),
            starts_at: row.starts_at.map(|at| When(at.0)),
            ends_at: row.ends_at.map(|at| When(at.0)),
            usage: row.usage_total,
            created_at: When(row.created_at.0),
            activated_at: row.activated_at.map(|at| When(at.0)),
            ended_at: row.ended_at.map(|at| When(at.0)),
        }
    }
}

/// List activations, the oldest first
#[utoipa::path(
    get, path = "/activations", operation_id = "list_activations", tag = "activations",
    params(ActivationQuery, PageParams::<ActivationSort>),
    responses((status = OK, body = Page<Activation>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<ActivationQuery, ActivationSort>,
) -> Result<Json<Page<Activation>>, Problem> {
    let query = list.filter.clone();
    let filter = ActivationFilter {
        id: None,
        device: query::device(query.device.as_deref())?,
        entitlement: query.entitlement.map(|id| EntitlementId(id.0)),
        state: query.state.map(|word| word.0),
        owners: caller.owners(query.owner.map(|id| PartyId(id.0))),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    filter.check()?;
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::activations(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show an activation
#[utoipa::path(
    get, path = "/activations/{activation}", operation_id = "show_activation", tag = "activations",
    params(("activation" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = Activation))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<Activation>, Problem> {
    let (id, owners, within) = (ActivationId(id.0), caller.owners(None), caller.within());
    let read = move |db: &mut Db| within.see(db, &Thing::Activation(id), |db| find(db, id, owners));
    let answer = api.read(read).await?;
    found(answer, "activation", id).map(Tagged)
}

/// The activation of this id, if it is of one of these owners' entitlements; none: of anybody's.
pub(super) fn find(
    db: &mut Db,
    id: ActivationId,
    owners: Option<Vec<PartyId>>,
) -> Result<Option<Activation>, StoreError> {
    let filter = ActivationFilter {
        id: Some(id),
        owners,
        ..ActivationFilter::default()
    };
    Ok(listing::activations(db, &filter, 1)?.pop().map(Into::into))
}
