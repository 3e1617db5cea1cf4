//! What became of the codes that were handed out: figures, and nobody's name; and each code of a pack,
//! without its secret.

use axum::Json;
use axum::extract::State;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::page::{List, Page, PageParams};
use super::problem::{Problem, found};
use super::query::Named;
use super::value::{CodeId, Id, When};
use super::within::Thing;
use super::{Api, word};
use crate::store::Db;
use crate::store::activation_code::single::{self, CodeRow, CodeSort};
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
    /// Codes whose uses that were left nobody can redeem any more.
    pub(crate) void: u64,
    /// Units that went out with that.
    pub(crate) units_used: i64,
}

/// A code of a pack. Its secret is not kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ActivationCode {
    #[schema(inline)]
    pub(crate) id: CodeId,
    /// The eight characters that the code begins with, which are its id, too.
    pub(crate) begins: String,
    pub(crate) state: word::CodeState,
    /// Units that one use gives.
    pub(crate) units: i64,
    /// How often it can be used.
    pub(crate) uses: i64,
    /// How often it was.
    pub(crate) used: i64,
    /// From here on it gives nothing.
    pub(crate) expires_at: Option<When>,
}

impl From<CodeRow> for ActivationCode {
    fn from(row: CodeRow) -> Self {
        Self {
            id: CodeId(row.id.0),
            begins: row.id.0.beginning().to_string(),
            state: word::CodeState(row.state.0),
            units: row.units,
            uses: row.uses,
            used: row.used,
            expires_at: row.expires_at.map(|at| When(at.0)),
        }
    }
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
            left: row.left,
            void: row.void,
            units_used: row.units_used,
        }
    }
}

/// Which codes of a pack.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CodeQuery {
    /// Those in this state.
    #[param(inline)]
    state: Option<word::CodeState>,
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

/// List the codes of a pack, by id: where each stands, and nothing of its secret
#[utoipa::path(
    get, path = "/packs/{pack}/codes", operation_id = "list_codes", tag = "packs",
    params(
        ("pack" = String, Path, description = "What it is called", max_length = 64),
        CodeQuery,
        PageParams::<CodeSort>,
    ),
    responses((status = OK, body = Page<ActivationCode>))
)]
pub(super) async fn codes(
    State(api): State<Api>,
    caller: Caller,
    Named(pack): Named<String>,
    list: List<CodeQuery, CodeSort>,
) -> Result<Json<Page<ActivationCode>>, Problem> {
    let (asked, within) = (pack.clone(), caller.within());
    let state = list.filter.state.map(|word| word.0);
    let (part, limit) = (list.part.clone(), list.rows_to_read());
    let read = move |db: &mut Db| {
        let thing = Thing::Pack(asked.clone());
        within.see(db, &thing, |db| match single::gives(db, &asked)? {
            Some(gives) => single::list(db, (&asked, gives), state, &part, limit).map(Some),
            None => Ok(None),
        })
    };
    let rows = found(api.read(read).await?, "pack", pack)?;
    Ok(Json(list.page(rows)))
}
