//! Policies that lie over those of tiers, of products, entitlements and contracts in one list.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use fleetgrant_core::tier::Layer;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::parties::PartyRef;
use super::problem::Problem;
use super::value::{Id, When};
use super::{Api, word};
use crate::store::listing::{
    self, OverrideOf, PolicyOverrideFilter, PolicyOverrideRow, PolicyOverrideSort,
};

/// Which policies that lie over those of tiers.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyOverrideQuery {
    /// Those of this kind.
    #[param(inline)]
    kind: Option<word::Layer>,
    /// Those of contracts of this party, and of entitlements that it owns: its id.
    #[param(inline)]
    party: Option<Id>,
    /// Those of the product of this code, and of entitlements to it.
    product: Option<String>,
    /// Those in this state; of a contract that has ended it is retired.
    #[param(inline)]
    state: Option<word::PolicyState>,
}

/// A policy that lies over those of tiers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PolicyOverride {
    /// Its id: that of the contract, if it is of one.
    pub(crate) id: Id,
    /// What it is of.
    pub(crate) kind: word::Layer,
    /// The code of the product that it is of, or of that of the entitlement.
    pub(crate) product: Option<String>,
    /// The entitlement that it is of.
    pub(crate) entitlement: Option<EntitlementRef>,
    /// Whose contract it is of, or who owns the entitlement.
    pub(crate) party: Option<PartyRef>,
    /// What it is called; decisions name it.
    pub(crate) reference: String,
    pub(crate) state: word::PolicyState,
    /// Fields of a policy, each of which lies over what is below it.
    #[schema(value_type = Object)]
    pub(crate) terms: BTreeMap<String, serde_json::Value>,
    /// When it was put in force.
    pub(crate) created_at: When,
}

/// An entitlement that something belongs to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EntitlementRef {
    pub(crate) id: Id,
    /// What a system calls it.
    pub(crate) reference: String,
}

impl From<PolicyOverrideRow> for PolicyOverride {
    fn from(row: PolicyOverrideRow) -> Self {
        let (kind, product, entitlement, party) = match row.of {
            OverrideOf::Product(code) => (Layer::Product, Some(code), None, None),
            OverrideOf::Entitlement {
                id,
                reference,
                product,
                owner,
            } => (
                Layer::Entitlement,
                Some(product),
                Some(EntitlementRef {
                    id: Id(id.0),
                    reference,
                }),
                owner.map(|(id, name)| PartyRef::new(id, name)),
            ),
            OverrideOf::Contract { party, name } => (
                Layer::Contract,
                None,
                None,
                Some(PartyRef::new(party, name)),
            ),
        };
        Self {
            id: Id(row.id.0.0),
            kind: word::Layer(kind),
            product,
            entitlement,
            party,
            reference: row.reference,
            state: word::PolicyState(row.state),
            terms: super::contract_list::terms(Some(&row.policy)),
            created_at: When(row.created_at.0),
        }
    }
}

/// List the policies that lie over those of tiers, the oldest first
///
/// Those of products, entitlements and contracts, with those that are in force no more.
#[utoipa::path(
    get, path = "/policy-overrides", operation_id = "list_policy_overrides", tag = "policies",
    params(PolicyOverrideQuery, PageParams::<PolicyOverrideSort>),
    responses((status = OK, body = Page<PolicyOverride>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<PolicyOverrideQuery, PolicyOverrideSort>,
) -> Result<Json<Page<PolicyOverride>>, Problem> {
    let query = list.filter.clone();
    let filter = PolicyOverrideFilter {
        layer: query.kind.map(|word| word.0),
        parties: query.party.map(|id| vec![PartyId(id.0)]),
        product: query.product,
        state: query.state.map(|word| word.0),
        within: caller.within().line(),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::policy_overrides(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}
