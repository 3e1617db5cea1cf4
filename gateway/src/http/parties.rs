//! Customers, partners and contract manufacturers.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::etag::Tagged;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::Named;
use super::value::{Id, When};
use super::within::Thing;
use super::{Api, word};
use crate::store::column::Octets;
use crate::store::listing::{self, PartyFilter, PartySort};
use crate::store::party::{self, Party as Row};
use crate::store::{Db, StoreError};

/// Which parties.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PartyQuery {
    /// Those that are this to the maker.
    #[param(inline)]
    kind: Option<word::PartyKind>,
    /// Those in this state.
    #[param(inline)]
    state: Option<word::PartyState>,
    /// Those of this tier.
    tier: Option<String>,
    /// Those of exactly this name.
    name: Option<String>,
    /// The one that some system calls by this id.
    external_id: Option<String>,
}

/// A customer, partner or contract manufacturer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Party {
    pub(crate) id: Id,
    pub(crate) kind: word::PartyKind,
    pub(crate) name: String,
    /// Which policy applies to it.
    pub(crate) tier: Option<String>,
    /// An IANA name: where its terms end.
    pub(crate) time_zone: String,
    /// The party it is part of.
    pub(crate) parent: Option<Id>,
    /// The party it became.
    pub(crate) merged_into: Option<Id>,
    pub(crate) state: word::PartyState,
    pub(crate) created_at: When,
    pub(crate) changed_at: When,
}

/// A party, and what systems call it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PartySheet {
    #[serde(flatten)]
    pub(crate) party: Party,
    pub(crate) external_ids: Vec<ExternalId>,
}

/// What a system calls a party.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ExternalId {
    pub(crate) system: String,
    pub(crate) id: String,
}

/// A party that something belongs to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PartyRef {
    pub(crate) id: Id,
    pub(crate) name: String,
}

impl PartyRef {
    /// Of a row that may have none.
    pub(super) fn of(id: Option<Octets<PartyId>>, name: Option<String>) -> Option<Self> {
        id.zip(name).map(|(id, name)| Self::new(id.0, name))
    }

    pub(super) fn new(id: PartyId, name: String) -> Self {
        Self { id: Id(id.0), name }
    }
}

impl From<Row> for Party {
    fn from(row: Row) -> Self {
        Self {
            id: Id(row.id.0.0),
            kind: word::PartyKind(row.kind.0),
            name: row.name,
            tier: row.tier,
            time_zone: row.time_zone,
            parent: row.parent_id.map(|id| Id(id.0.0)),
            merged_into: row.merged_into_id.map(|id| Id(id.0.0)),
            state: word::PartyState(row.state.0),
            created_at: When(row.created_at.0),
            changed_at: When(row.changed_at.0),
        }
    }
}

/// List parties, the oldest first
#[utoipa::path(
    get, path = "/parties", operation_id = "list_parties", tag = "parties",
    params(PartyQuery, PageParams::<PartySort>),
    responses((status = OK, body = Page<Party>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<PartyQuery, PartySort>,
) -> Result<Json<Page<Party>>, Problem> {
    let query = list.filter.clone();
    let filter = PartyFilter {
        id: None,
        kind: query.kind.map(|word| word.0),
        state: query.state.map(|word| word.0),
        tier: query.tier,
        name: query.name,
        external_id: query.external_id,
        within: caller.within().line(),
        part: list.part.clone(),
    };
    let limit = list.rows_to_read();
    let rows = api
        .read(move |db| listing::parties(db, &filter, limit))
        .await?;
    Ok(Json(list.page(rows)))
}

/// Show a party
#[utoipa::path(
    get, path = "/parties/{party}", operation_id = "show_party", tag = "parties",
    params(("party" = inline(Id), Path, description = "Its id")),
    responses((status = OK, body = PartySheet))
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<Id>,
) -> Result<Tagged<PartySheet>, Problem> {
    let (id, within) = (PartyId(id.0), caller.within());
    let read = move |db: &mut Db| within.see(db, &Thing::Party(id), |db| sheet(db, id));
    let answer = api.read(read).await?;
    found(answer, "party", id).map(Tagged)
}

/// The party of this id.
pub(crate) fn sheet(db: &mut Db, id: PartyId) -> Result<Option<PartySheet>, StoreError> {
    let Some(row) = party::find(db, Octets(id))? else {
        return Ok(None);
    };
    let external_ids = party::external_ids(db, row.id)?;
    Ok(Some(PartySheet {
        party: row.into(),
        external_ids: external_ids
            .into_iter()
            .map(|(system, id)| ExternalId { system, id })
            .collect(),
    }))
}
