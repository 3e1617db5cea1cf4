//! Contracts of all parties.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::parties::PartyRef;
use super::problem::Problem;
use super::value::{Id, When};
use super::{Api, word};
use crate::store::listing::{self, ContractFilter, ContractRow, ContractSort};

/// Which contracts.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ContractQuery {
    /// Those of this party: its id.
    #[param(inline)]
    party: Option<Id>,
    /// Those of parties of this tier.
    tier: Option<String>,
    /// Those that are called so.
    reference: Option<String>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::ContractState>,
}

/// A contract of a party.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Contract {
    pub(crate) id: Id,
    /// What it is called; decisions name it.
    pub(crate) reference: String,
    pub(crate) party: PartyRef,
    /// The party's tier, over whose policy the contract lies.
    pub(crate) tier: Option<String>,
    pub(crate) state: word::ContractState,
    /// Fields of a policy, each of which lies over the tier's; empty, if it says nothing of that.
    #[schema(value_type = Object)]
    pub(crate) terms: BTreeMap<String, serde_json::Value>,
    /// When what is bought under it ends.
    #[schema(inline)]
    pub(crate) co_term: Option<When>,
    /// When it was put in force.
    pub(crate) created_at: When,
}

impl From<ContractRow> for Contract {
    fn from(row: ContractRow) -> Self {
        Self {
            id: Id(row.id.0.0),
            reference: row.reference,
            party: PartyRef::new(row.party_id.0, row.party),
            tier: row.tier,
            state: word::ContractState(row.state.0),
            terms: terms(row.policy.as_deref()),
            co_term: row.coterm_at.map(|at| When(at.0)),
            created_at: When(row.created_at.0),
        }
    }
}

/// What was stored of policy; nothing of what cannot be read, which applies to nobody either.
pub(super) fn terms(policy: Option<&str>) -> BTreeMap<String, serde_json::Value> {
    let terms = policy.and_then(|policy| serde_json::from_str(policy).ok());
    terms.unwrap_or_default()
}

/// List contracts, the oldest first
#[utoipa::path(
    get, path = "/contracts", operation_id = "list_contracts", tag = "policies",
    params(ContractQuery, PageParams::<ContractSort>),
    responses((status = OK, body = Page<Contract>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<ContractQuery, ContractSort>,
) -> Result<Json<Page<Contract>>, Problem> {
    let query = list.filter.clone();
    let filter = ContractFilter {
        parties: query.party.map(|id| vec![PartyId(id.0)]),
        tier: query.tier,
        reference: query.reference,
        state: query.state.map(|word| word.0),
        has_terms: false,
        within: caller.within().line(),
        part: list.part.clone(),
    };
    filter.check()?;
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::contracts(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}
