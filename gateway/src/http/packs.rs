//! What became of the codes that were handed out: figures, and nobody's name.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::Problem;
use super::value::Id;
use crate::store::activation_code::{self, Pack as Row, PackSort};

/// Which packs.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PackQuery {
    /// Those of this partner: its id.
    #[param(inline)]
    partner: Option<Id>,
}

/// A pack of activation codes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pack {
    pub(crate) pack: String,
    /// The name of who hands it out.
    pub(crate) partner: Option<String>,
    /// The reference of the entitlement that it gives units of.
    pub(crate) gives_units_of: String,
    pub(crate) codes: u64,
    /// How often they can be used, together.
    pub(crate) uses: i64,
    /// How often they were.
    pub(crate) used: i64,
    /// How often they can be used still.
    pub(crate) left: i64,
    /// Units that went out with that.
    pub(crate) units_used: i64,
}

impl From<Row> for Pack {
    fn from(row: Row) -> Self {
        Self {
            pack: row.pack,
            partner: row.partner,
            gives_units_of: row.entitlement,
            codes: row.codes,
            uses: row.uses,
            used: row.used,
            left: row.uses - row.used,
            units_used: row.units_used,
        }
    }
}

/// Count the codes of each pack, by what became of them
///
/// Nobody is named who used one: these are the figures that a partner is told.
#[utoipa::path(
    get, path = "/packs", operation_id = "list_packs", tag = "packs",
    params(PackQuery, PageParams::<PackSort>),
    responses((status = OK, body = Page<Pack>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    list: List<PackQuery, PackSort>,
) -> Result<Json<Page<Pack>>, Problem> {
    let partners = caller.owners(list.filter.partner.map(|id| PartyId(id.0)));
    let (within, part, limit) = (
        caller.within().line(),
        list.part.clone(),
        list.rows_to_read(),
    );
    let packs = api
        .read(move |db| activation_code::packs(db, partners.as_deref(), within, &part, limit))
        .await?;
    Ok(Json(list.page(packs)))
}
