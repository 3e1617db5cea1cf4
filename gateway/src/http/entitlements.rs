//! What parties own: units of a product under a licence model.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::{EntitlementId, Holds, PartyId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::parties::PartyRef;
use super::problem::{Problem, found};
use super::query::Named;
use super::value::{Id, When};
use super::within::Thing;
use super::{Api, word};
use crate::store::listing::{self, EntitlementFilter, EntitlementRow, EntitlementSort};
use crate::store::{Db, StoreError};

/// Which entitlements.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EntitlementQuery {
    /// Those that some system calls so.
    reference: Option<String>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::EntitlementState>,
    /// Those of this owner: its id.
    #[param(inline)]
    owner: Option<Id>,
    /// Those of the product of this code.
    product: Option<String>,
}

/// What a party owns, and how much of it is in use.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Entitlement {
    pub(crate) id: Id,
    /// The system that made it, or whose order did.
    pub(crate) system: String,
    /// What that system calls it.
    pub(crate) reference: String,
    pub(crate) owner: Option<PartyRef>,
    /// The code of its product.
    pub(crate) product: String,
    pub(crate) license_model: word::LicenseModel,
    pub(crate) state: word::EntitlementState,
    /// Why nothing new is activated of it.
    pub(crate) on_hold_for: Vec<word::HoldReason>,
    /// From then on nothing of it runs.
    pub(crate) revoked_from: Option<When>,
    /// The end of its maintenance: firmware built then or later does not turn it on.
    pub(crate) maintained_until: Option<When>,
    pub(crate) source: word::Source,
    pub(crate) purpose: word::Purpose,
    /// Units it has; null if they are not counted.
    pub(crate) units: Option<i64>,
    /// Units that activations hold.
    pub(crate) in_use: i64,
    /// Units credited while in use.
    pub(crate) pending_credit: i64,
    pub(crate) start_basis: word::StartBasis,
    pub(crate) starts_at: Option<When>,
    /// How long it runs (ISO 8601).
    pub(crate) term: Option<String>,
    /// When it ends, as was fixed or by its term; null if that is never, not known yet, or for each
    /// device on its own.
    pub(crate) ends_at: Option<When>,
}

impl From<EntitlementRow> for Entitlement {
    fn from(row: EntitlementRow) -> Self {
        let ends_at = row.end().map(When);
        Self {
            id: Id(row.id.0.0),
            system: row.system,
            reference: row.reference,
            owner: PartyRef::of(row.owner_id, row.owner),
            product: row.product,
            license_model: word::LicenseModel(row.model.0),
            state: word::EntitlementState(row.state.0),
            on_hold_for: Holds::from_bits(row.holds)
                .unwrap_or_default()
                .iter()
                .map(word::HoldReason)
                .collect(),
            revoked_from: row.revoked_from_at.map(|at| When(at.0)),
            maintained_until: row.maintained_until_at.map(|at| When(at.0)),
            source: word::Source(row.source.0),
            purpose: word::Purpose(row.purpose.0),
            units: (!row.unlimited).then_some(row.units),
            in_use: row.live_units,
            pending_credit: row.pending_credit,
            start_basis: word::StartBasis(row.start_basis.0),
            starts_at: row.starts_at.map(|at| When(at.0)),
            term: row.term,
            ends_at,
        }
    }
}

/// List entitlements, the oldest first
#[utoipa::path(
    get, path = "/entitlements", operation_id = "list_entitlements", tag = "entitlements",
    params(EntitlementQuery, PageParams::<EntitlementSort>),
    responses((status = OK, body = Page<Entitlement>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<EntitlementQuery, EntitlementSort>,
) -> Result<Json<Page<Entitlement>>, Problem> {
    let query = list.filter.clone();
    let filter = EntitlementFilter {
        id: None,
        reference: query.reference,
        state: query.state.map(|word| word.0),
        owners: caller.owners(query.owner.map(|id| PartyId(id.0))),
        product: query.product,
        within: caller.within().line(),
        part: list.part.clone(),
    };
    filter.check()?;
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::entitlements(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show an entitlement
#[utoipa::path(
    get, path = "/entitlements/{entitlement}", operation_id = "show_entitlement", tag = "entitlements",
    params(("entitlement" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = Entitlement))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<Entitlement>, Problem> {
    let (id, owners, within) = (EntitlementId(id.0), caller.owners(None), caller.within());
    let read =
        move |db: &mut Db| within.see(db, &Thing::Entitlement(id), |db| find(db, id, owners));
    let answer = api.read(read).await?;
    found(answer, "entitlement", id).map(Tagged)
}

/// The entitlement of this id, if one of these owns it; none: anybody.
pub(super) fn find(
    db: &mut Db,
    id: EntitlementId,
    owners: Option<Vec<PartyId>>,
) -> Result<Option<Entitlement>, StoreError> {
    let filter = EntitlementFilter {
        id: Some(id),
        owners,
        ..EntitlementFilter::default()
    };
    Ok(listing::entitlements(db, &filter, 1)?.pop().map(Into::into))
}
