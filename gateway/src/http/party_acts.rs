//! Parties that become part of another, or are forgotten.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::PartyId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::etag::MatchParams;
use super::problem::{Problem, found};
use super::query::{Named, Query};
use super::value::Id;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, parties};
use crate::history::erasure::{self, Erased};
use crate::operator::Attempt;
use crate::store::event::Occasion;
use crate::store::party::Belongings;

/// The party that another becomes part of: its id.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartyMerge {
    #[schema(inline)]
    pub(crate) into: Id,
}

/// What belongs to another party now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PartyMerged {
    pub(crate) entitlements: usize,
    pub(crate) devices: usize,
    /// Contracts, activation codes to be sold on, and batches that were built.
    pub(crate) others: usize,
}

/// What was erased of a party.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PartyErased {
    /// Whether it still had a name.
    pub(crate) name: bool,
    /// Events of the history that had kept its names.
    pub(crate) events: usize,
    /// Devices of its whose site was known.
    pub(crate) sites: usize,
}

impl From<Belongings> for PartyMerged {
    fn from(belongings: Belongings) -> Self {
        Self {
            entitlements: belongings.entitlements,
            devices: belongings.devices,
            others: belongings.others,
        }
    }
}

impl From<Erased> for PartyErased {
    fn from(erased: Erased) -> Self {
        Self {
            name: erased.name,
            events: erased.events,
            sites: erased.sites,
        }
    }
}

/// Make a party part of another, with all it owns
///
/// Entitlements, devices and contracts belong to the other from then on, under its tier's policy,
/// and systems that call it by its old id find the other. Its orders stay its own, as they were
/// signed. It cannot be undone.
#[utoipa::path(
    post, path = "/parties/{party}/merge", operation_id = "merge_party", tag = "parties",
    params(
        ("party" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = PartyMerge,
    responses((status = OK, body = PartyMerged))
)]
pub(super) async fn merge(
    State(api): State<Api>,
    Named(from): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: PartyMerge = write.json()?;
    let (from, into) = (PartyId(from.0), PartyId(asked.into.0));
    let operator = api.operator(write.actor());
    write
        .once_as_seen(
            &api,
            move |db| parties::sheet(db, from),
            move |db, now| {
                let step = match operator.attempt_merge(db, from, into, now)? {
                    Attempt::Done(belongings) => Step::Done(PartyMerged::from(belongings)),
                    Attempt::Refused(reason) => Step::Refused(reason.into()),
                    Attempt::Stale => Step::Again,
                };
                Ok(step.kept_unless(how.preview))
            },
        )
        .await
}

/// Erase what can name a person of a party: its name, also in the history, and the sites of its devices
///
/// The ids that systems call it by stay, and so does what was decided. It cannot be undone.
#[utoipa::path(
    post, path = "/parties/{party}/erase", operation_id = "erase_party", tag = "parties",
    params(
        ("party" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = PartyErased))
)]
pub(super) async fn erase(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let id = PartyId(id.0);
    let actor = write.actor();
    let erased = write
        .once_as_seen(
            &api,
            move |db| parties::sheet(db, id),
            move |db, now| {
                let occasion = Occasion {
                    at: now,
                    actor: &actor,
                    cause: &[],
                };
                let erased = erasure::erase_party(db, id, occasion)?;
                let step = match found(erased, "party", id) {
                    Ok(erased) => Step::Done(PartyErased::from(erased)),
                    Err(problem) => Step::Refused(problem),
                };
                Ok(step.kept_unless(how.preview))
            },
        )
        .await;
    api.kept.forget();
    erased
}
