//! Parties that are held or released, become part of another, or are forgotten.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::PartyId;
use fleetgrant_core::party::PartyAct;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::etag::MatchParams;
use super::problem::{Problem, ProblemKind, found};
use super::query::{Named, Query};
use super::value::Id;
use super::write::{ActQuery, Step, Write, WriteParams};
use super::{Api, parties, word};
use crate::history::erasure::{self, Erased};
use crate::lifecycle::{EntitlementActError, PartyChange};
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
    /// Events of what it pays, uses and owns that said why, in somebody's words.
    pub(crate) reasons: usize,
}

/// What came of holding or releasing a party.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PartyActed {
    pub(crate) state: word::PartyState,
    /// Whether it stood otherwise before.
    pub(crate) changed: bool,
    /// Devices on which something waited for the release; they get it now.
    pub(crate) devices: usize,
}

impl From<PartyChange> for PartyActed {
    fn from(change: PartyChange) -> Self {
        Self {
            state: word::PartyState(change.state),
            changed: change.changed,
            devices: change.devices,
        }
    }
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
            reasons: erased.reasons,
        }
    }
}

/// Put a party on hold: nothing new is activated of what it owns, nor on its devices
///
/// What runs goes on, and so do returns, renewals and acknowledgements. It is of this party alone, not of
/// those that are part of it.
#[utoipa::path(
    post, path = "/parties/{party}/hold", operation_id = "hold_party", tag = "parties",
    params(
        ("party" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = PartyActed))
)]
pub(super) async fn hold(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    act(api, id, PartyAct::Hold, how, write).await
}

/// Release a party that is on hold; what waited for it goes out
#[utoipa::path(
    post, path = "/parties/{party}/release", operation_id = "release_party", tag = "parties",
    params(
        ("party" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    responses((status = OK, body = PartyActed))
)]
pub(super) async fn release(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    act(api, id, PartyAct::Release, how, write).await
}

async fn act(
    api: Api,
    id: Id,
    act: PartyAct,
    how: ActQuery,
    write: Write,
) -> Result<Response, Problem> {
    write.no_body()?;
    let id = PartyId(id.0);
    let operator = api.operator(write.actor());
    write
        .once_as_seen(
            &api,
            move |db| parties::sheet(db, id),
            move |db, now| {
                let step = match operator.attempt_on_party(db, id, act, now)? {
                    Attempt::Done(change) => Step::Done(PartyActed::from(change)),
                    Attempt::Refused(EntitlementActError::UnknownParty(id)) => {
                        let unknown = format!("there is no party {id}");
                        Step::Refused(Problem::new(ProblemKind::NotFound, unknown))
                    }
                    Attempt::Refused(reason) => Step::Refused(reason.into()),
                    Attempt::Stale => Step::Again,
                };
                Ok(step.kept_unless(how.preview))
            },
        )
        .await
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

/// Erase what can name a person of a party: its name, also in the history, the reasons of acts, and the
/// sites of its devices
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
