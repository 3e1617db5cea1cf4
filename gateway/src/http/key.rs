//! The caller's own key.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::value::{Id, When};
use super::word;

/// The key that asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) roles: Vec<word::Role>,
    /// The party whose things alone it sees; null for everybody's.
    pub(crate) party: Option<Id>,
    /// The product line whose things alone it sees; null for those of all.
    pub(crate) product_line: Option<String>,
    pub(crate) created_at: When,
    pub(crate) expires_at: When,
}

/// Tell what the key that asks may do
#[utoipa::path(
    get, path = "/key", operation_id = "show_key", tag = "key",
    responses((status = OK, body = Key))
)]
pub(super) async fn show(caller: Caller) -> Json<Key> {
    Json(Key {
        roles: caller.grant.roles().iter().map(word::Role).collect(),
        party: caller.grant.party().map(|id| Id(id.0)),
        product_line: caller.product_line,
        created_at: When(caller.created_at),
        expires_at: When(caller.expires_at),
        name: caller.name,
    })
}
